"""RAG, fine-tuning or both, for this company: from the measured arms, and what the company is like.

Facts belong into documents and manner into weights; how much of either pays is measured and not believed. Every
sentence carries the number it rests on.
"""

from __future__ import annotations

from collections.abc import Iterator

from tasks.arm_models import Advice, CompanyFacts, Recommendation
from tasks.evaluation.gate import ENOUGH_QUESTIONS, find_difference, show
from tasks.training_models import ArmName, ArmsReport, Difference

ENOUGH_PAIRS = 200
"""Fewer pairs were never seen to help: TeleQuAD's gain was measured with 480 and 900 (docs/decisions/0017-gate.md)."""
_LEVEL = 0.05
_OFTEN = 0.1
"""Share of documents that change in a month, from which on weights are outdated before they are trained."""


def advise_company(facts: CompanyFacts) -> Advice:
    """What to do, and why."""
    report = facts.stored.report if facts.stored else None
    recommendation = _recommend(facts, report)
    sentences = (
        _say_recommendation(recommendation, facts),
        *(
            _say_arms(report)
            if report
            else ["No adapter was judged yet (0 evaluations of arms): run expertloop train."]
        ),
        _say_changes(facts),
        _say_pairs(facts),
        _say_languages(facts),
        *(_say_cost(report) if report else []),
        f"The processor is {facts.hardware}.",
    )
    arms = {arm: score.f1 for arm, score in report.arms.items()} if report else {}
    return Advice(recommendation=recommendation, sentences=sentences, arms=arms)


def _recommend(facts: CompanyFacts, report: ArmsReport | None) -> Recommendation:
    """By the arms: what is significantly better than what is simpler."""
    if report is None or report.questions < ENOUGH_QUESTIONS:
        return "not-enough-evidence"
    over_rag = find_difference(report, "base+rag", "f1")
    over_tuned = find_difference(report, "tuned", "f1")
    if over_rag is None or over_tuned is None:
        return "not-enough-evidence"
    if not is_better(over_rag):
        return "rag"
    if not is_better(over_tuned) and facts.changed_documents < _OFTEN * facts.documents:
        return "fine-tuning"
    return "both"


def is_better(one: Difference) -> bool:
    """Whether the candidate's interval is above zero, and chance does not do the same."""
    return one.low > 0 and one.p <= _LEVEL


def _say_recommendation(recommendation: Recommendation, facts: CompanyFacts) -> str:
    asked = facts.stored.report.questions if facts.stored else 0
    words = {
        "rag": f"Use RAG alone: on {asked} test questions the adapter is not measurably better with the passages.",
        "fine-tuning": f"Fine-tuning alone is enough: on {asked} test questions the passages add nothing measurable.",
        "both": f"Use both: on {asked} test questions adapter and passages together are measurably better than each.",
        "not-enough-evidence": (
            f"Not enough evidence: {asked} test questions of at least {ENOUGH_QUESTIONS} were asked with an adapter; "
            "until then use RAG, which needs none."
        ),
    }
    return words[recommendation]


def _say_arms(report: ArmsReport) -> Iterator[str]:
    figures = [f"{arm} {score.f1:.3f}" for arm, score in report.arms.items() if score.f1 is not None]
    yield f"Token F1 on {report.questions} held-out questions: {', '.join(figures)}."
    names: tuple[ArmName, ...] = ("base+rag", "tuned", "champion+rag")
    for arm in names:
        gain = find_difference(report, arm, "f1")
        if gain:
            yield f"tuned+rag against {arm}: {show(gain)}, {'better' if is_better(gain) else 'not decided'}."


def _say_changes(facts: CompanyFacts) -> str:
    share = facts.changed_documents / facts.documents if facts.documents else 0.0
    said = f"{facts.changed_documents} of {facts.documents} documents ({share:.0%}) changed within {facts.days} days"
    if share >= _OFTEN:
        return f"{said}: facts change too fast for weights, so leave them to retrieval."
    return f"{said}: what is trained stays true for a while."


def _say_pairs(facts: CompanyFacts) -> str:
    if facts.approved_pairs < ENOUGH_PAIRS:
        return f"{facts.approved_pairs} pairs are approved, fewer than {ENOUGH_PAIRS}: approve more before training."
    return f"{facts.approved_pairs} pairs are approved, at least {ENOUGH_PAIRS}: enough to train on."


def _say_languages(facts: CompanyFacts) -> str:
    names = ", ".join(facts.languages) or "no language yet"
    return f"The approved pairs speak {len(facts.languages)} language(s): {names}; an adapter learns those alone."


def _say_cost(report: ArmsReport) -> Iterator[str]:
    for arm, score in report.arms.items():
        if score.seconds_per_answer is not None:
            right = (
                "none is right"
                if score.seconds_per_correct is None
                else f"{score.seconds_per_correct:.2f} s a right one"
            )
            yield f"{arm}: {score.seconds_per_answer:.2f} s an answer in a batch, {right}."
