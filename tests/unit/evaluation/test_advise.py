"""Advice follows from figures, each sentence shows one, and without evidence it says so."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.arm_models import ArmResult, CompanyFacts, StoredReport
from tasks.evaluation.advise import advise_company
from tasks.evaluation.arms_report import Judged, report_arms
from tasks.training_models import ArmName, GateDecision
from tests.fakes.arms import make_result


def arm(f1: float, questions: int) -> list[ArmResult]:
    return [make_result(n, f1=f1 + 0.01 * (n % 3), seconds=0.5, right=f1) for n in range(questions)]


def facts(rag: float, tuned: float, both: float, *, questions: int = 90, **fields: Any) -> CompanyFacts:
    results: dict[ArmName, list[ArmResult]] = {
        "base": arm(0.1, questions), "base+rag": arm(rag, questions), "tuned": arm(tuned, questions),
        "tuned+rag": arm(both, questions),
    }  # fmt: skip
    report = report_arms(Judged("d", "a"), results, resamples=200)
    decision = GateDecision(decision="reject", reasons=())
    known: dict[str, Any] = {
        "documents": 200, "changed_documents": 2, "days": 30, "approved_pairs": 300, "languages": ("en", "de"),
        "hardware": "CPU, 2 cores", "stored": StoredReport(report=report, decision=decision),
    }  # fmt: skip
    return CompanyFacts(**known | fields)


@pytest.mark.parametrize(
    ("known", "recommendation"),
    [
        (facts(0.2, 0.2, 0.5), "both"),
        (facts(0.5, 0.2, 0.5), "rag"),
        (facts(0.2, 0.5, 0.5), "fine-tuning"),
        (facts(0.2, 0.5, 0.5, changed_documents=60), "both"),
        (facts(0.2, 0.2, 0.5, questions=79), "not-enough-evidence"),
        (facts(0.2, 0.2, 0.5, stored=None), "not-enough-evidence"),
    ],
)
def test_the_recommendation_follows_from_the_arms(known: CompanyFacts, recommendation: str) -> None:
    advice = advise_company(known)
    assert advice.recommendation == recommendation
    assert all(any(character.isdigit() for character in sentence) for sentence in advice.sentences)


def test_the_numbers_of_the_company_are_said() -> None:
    said = " ".join(advise_company(facts(0.2, 0.2, 0.5, changed_documents=50, approved_pairs=71)).sentences)
    for number in ("50 of 200 documents (25%) changed within 30 days: facts change too fast", "71 pairs", "en, de"):
        assert number in said
    assert "tuned+rag against base+rag: +0.300 [" in said
    assert "base: 0.50 s an answer" in said


def test_a_company_without_documents_gets_advice_too() -> None:
    nothing = CompanyFacts(documents=0, changed_documents=0, days=1, approved_pairs=0, hardware="CPU, 2 cores")
    assert advise_company(nothing).recommendation == "not-enough-evidence"
