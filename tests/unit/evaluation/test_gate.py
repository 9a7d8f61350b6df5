"""The gate promotes what is measurably better and harms nothing, and says why in words and numbers."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.evaluation.arms_report import Judged, report_arms
from tasks.evaluation.gate import GateLimits, decide_promotion
from tasks.training_models import ArmName, ArmsReport, Forgetting, GateDecision, Reading
from tests.fakes.arms import make_result

KEPT = Forgetting(
    questions=120, base=0.5, tuned=0.49, drop=0.01, low=-0.03, high=0.05, base_perplexity=20, tuned_perplexity=21
)
READS = Reading(questions=48, documents=40, base=46.9, tuned=48.5, difference=1.6, low=1.1, high=2.2)
EACH: dict[str, Any] = {"citation_precision": 0.9, "citation_recall": 0.9}


def report(
    before: float = 0.2,
    after: float = 0.5,
    *,
    questions: int = 100,
    silent: tuple[int, int] = (10, 10),
    after_scores: dict[str, Any] | None = None,
    forgetting: Forgetting | None = KEPT,
    reading: Reading | None = READS,
    rival: ArmName = "base+rag",
    german: float | None = None,
    documents: int = 1000,
) -> ArmsReport:
    """A report over questions of which 20 have no answer; every second one is German."""

    def ask(f1: float, refused: int, other: dict[str, Any], german: float | None = None) -> list[Any]:
        found = []
        for number in range(questions):
            language = "de" if number % 2 else "en"
            place: dict[str, Any] = {"cluster": f"d{number % documents}", "slices": (f"language={language}",)}
            if number < 20:
                found.append(make_result(number, **place, wrong_on_unanswerable=float(number >= refused)))
            else:
                shifted = german if german is not None and language == "de" else f1
                found.append(make_result(number, **place, f1=shifted + 0.01 * (number % 5), **other))
        return found

    results: dict[ArmName, list[Any]] = {
        "base+rag": ask(0.1, silent[0], EACH),
        rival: ask(before, silent[0], EACH),
        "tuned+rag": ask(after, silent[1], EACH | (after_scores or {}), german),
    }
    return report_arms(Judged("dataset", "adapter", None, forgetting, reading), results, resamples=500)


def decide(limits: GateLimits | None = None, **changes: Any) -> GateDecision:
    return decide_promotion(report(**changes), limits)


def test_a_candidate_that_is_better_and_harms_nothing_is_promoted_with_its_numbers() -> None:
    decision = decide()
    assert decision.decision == "promote"
    assert decision.reasons[0].startswith("tuned+rag against base+rag: token F1 +0.300 [")


def test_a_champion_is_who_must_be_beaten() -> None:
    decision = decide(rival="champion+rag", before=0.5, after=0.3)
    assert decision.decision == "reject"
    assert "against champion+rag: token F1 -0.200" in decision.reasons[0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"after": 0.2}, "not better"),
        ({"silent": (20, 5)}, "unanswerable questions"),
        ({"after_scores": {"citation_precision": 0.5}}, "citation precision"),
        ({"after_scores": {"citation_recall": 0.5}}, "citation recall"),
        ({"german": 0.05}, "language=de: token F1"),
        ({"forgetting": KEPT.model_copy(update={"drop": 0.2})}, "it forgets"),
        ({"forgetting": KEPT.model_copy(update={"tuned_perplexity": 40.0})}, "2.00 times"),
        ({"reading": READS.model_copy(update={"difference": -5.0, "low": -5.9, "high": -4.2})}, "it reads less"),
    ],
)
def test_one_broken_condition_rejects_and_is_the_first_reason(changes: dict[str, Any], reason: str) -> None:
    decision = decide(**changes)
    assert decision.decision == "reject"
    assert reason in decision.reasons[0]


def test_a_loss_that_chance_makes_as_easily_does_not_stop_a_gain() -> None:
    """Two of twenty more: beyond the tolerance only where fewer were asked."""
    assert decide(silent=(10, 8)).decision == "promote"
    assert decide(GateLimits(tolerance=0.0), silent=(10, 8)).decision == "promote"
    assert decide(GateLimits(tolerance=0.0), silent=(10, 5)).decision == "reject"


def test_a_part_that_nobody_requires_may_get_worse() -> None:
    assert decide(GateLimits(slices=("origin",)), german=0.05).decision == "promote"


def test_few_questions_promote_nothing_however_good() -> None:
    decision = decide(questions=79)
    assert decision.decision == "not-enough-evidence"
    assert "79 test questions are fewer than 80" in decision.reasons[0]


def test_a_lowered_number_decides_and_says_so() -> None:
    decision = decide(GateLimits(questions=40), questions=60)
    assert decision.decision == "promote"
    assert any("EXPERTLOOP_GATE_QUESTIONS=40" in reason for reason in decision.reasons)


def test_a_probe_that_was_not_asked_is_not_enough_evidence() -> None:
    assert decide(forgetting=None).decision == "not-enough-evidence"


def test_what_was_not_measured_of_its_reading_is_not_enough_evidence() -> None:
    decision = decide(reading=None)
    assert decision.decision == "not-enough-evidence"
    assert "was not measured" in decision.reasons[0]


@pytest.mark.parametrize("less", [{"difference": -0.4, "low": -1.0, "high": 0.2}, {"high": -4.2, "documents": 5}])
def test_reading_less_rejects_only_when_it_is_no_chance(less: dict[str, Any]) -> None:
    assert decide(reading=READS.model_copy(update=less)).decision == "promote"


@pytest.mark.parametrize("documents", [3, 7])
def test_many_questions_about_few_documents_are_not_enough_evidence(documents: int) -> None:
    decision = decide(documents=documents)
    assert decision.decision == "not-enough-evidence"
    assert f"{documents} documents" in decision.reasons[0]


def test_without_a_candidate_nothing_is_promoted() -> None:
    alone = report_arms(Judged("dataset"), {"base": [make_result(n, f1=0.5) for n in range(100)]}, resamples=100)
    assert decide_promotion(alone).decision == "not-enough-evidence"
    assert alone.differences == ()
