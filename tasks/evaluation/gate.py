"""The gate: a candidate replaces what serves only when it measurably answers better, and harms nothing (rule 5).

docs/decisions/0017-gate.md argues for the limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tasks.evaluation.arms_report import RIVALS
from tasks.evaluation.bootstrap import LEAST_CLUSTERS
from tasks.models import Noun
from tasks.training_models import ArmName, ArmsReport, Difference, GateDecision, Verdict

ENOUGH_QUESTIONS = 80
LEVEL = 0.01
"""Each night asks again: at .05 equal candidates would be promoted every six weeks by luck."""
LEAST_DOCUMENTS = 8
"""Seven that all agree have p = 2/128 = .016 at best."""
DOUBT = 0.2
"""A loss beyond the tolerance stops a promotion already at this level: who may be harmed need not be sure of it."""
CITATIONS = ("citation_precision", "citation_recall")


class GateLimits(Noun):
    """What the gate asks for; the settings EXPERTLOOP_GATE_*."""

    questions: int = ENOUGH_QUESTIONS
    slices: tuple[str, ...] = ("language", "document_type", "origin")
    slice_questions: int = 10
    tolerance: float = 0.1
    forgetting: float = 0.05
    perplexity: float = 1.25


class Check(NamedTuple):
    """What one condition found."""

    outcome: Verdict | None
    """What it decides by itself: None when it neither promotes nor stops."""
    reason: str


def decide_promotion(report: ArmsReport, limits: GateLimits | None = None) -> GateDecision:
    """Promote, reject, or say that there is not enough evidence; with every condition's numbers as a reason.

    Too few questions decide nothing, whatever they say; else one broken condition rejects; else one that could not be
    measured means not enough evidence.
    """
    limits = limits or GateLimits()
    rival = next((arm for arm in RIVALS if arm in report.arms), RIVALS[-1])
    checks = [
        _check_amount(report, limits),
        _check_gain(report, rival),
        *_check_slices(report, rival, limits),
        _check_unanswerable(report, rival, limits),
        *(_check_citations(report, rival, metric, limits) for metric in CITATIONS),
        _check_forgetting(report, limits),
        _check_reading(report),
    ]
    order: tuple[Verdict | None, ...] = ("not-enough-evidence", "reject", "promote", None)
    if checks[0].outcome is None:
        order = ("reject", "not-enough-evidence", "promote", None)
    checks.sort(key=lambda one: order.index(one.outcome))
    return GateDecision(decision=_decide(checks), reasons=tuple(one.reason for one in checks))


def _decide(checks: Sequence[Check]) -> Verdict:
    outcomes = [one.outcome for one in checks if one.outcome]
    return outcomes[0] if outcomes else "not-enough-evidence"


def _check_amount(report: ArmsReport, limits: GateLimits) -> Check:
    count = report.questions
    if count < limits.questions:
        return Check(
            "not-enough-evidence",
            f"{count} test questions are fewer than {limits.questions}: nothing is promoted on so few",
        )
    if count < ENOUGH_QUESTIONS:
        return Check(
            None,
            f"{count} test questions are fewer than the {ENOUGH_QUESTIONS} that the gate asks for by itself; "
            f"EXPERTLOOP_GATE_QUESTIONS={limits.questions} lowered the number",
        )
    return Check(None, f"{count} test questions, at least {limits.questions} are asked for")


def _check_gain(report: ArmsReport, rival: ArmName) -> Check:
    gain = find_difference(report, rival, "f1")
    if gain is None:
        return Check(
            "not-enough-evidence",
            f"tuned+rag was not compared with {rival}: there is no candidate or no answerable question",
        )
    said = f"tuned+rag against {rival}: token F1 {show(gain)}"
    if gain.documents < LEAST_DOCUMENTS:
        return Check(
            "not-enough-evidence",
            f"{said}, but the questions are about {gain.documents} documents and {LEAST_DOCUMENTS} are needed",
        )
    if gain.low > 0 and gain.p <= LEVEL:
        return Check("promote", f"{said}: better")
    return Check("reject", f"{said}: not better, the interval is not above zero or chance does the same")


def _check_slices(report: ArmsReport, rival: ArmName, limits: GateLimits) -> Iterable[Check]:
    for one in report.slices:
        required = one.slice.partition("=")[0] in limits.slices
        if one.arm != rival or one.metric != "f1" or not required or one.questions < limits.slice_questions:
            continue
        if one.high < 0 and one.documents >= LEAST_CLUSTERS:
            yield Check("reject", f"{one.slice}: token F1 {show(one)} against {rival}: worse")


def _check_unanswerable(report: ArmsReport, rival: ArmName, limits: GateLimits) -> Check:
    rise = find_difference(report, rival, "wrong_on_unanswerable")
    if rise is None:
        return Check(None, "no unanswerable test question: whether wrong answers rise was not measured")
    said = f"answers to unanswerable questions against {rival}: {show(rise)}"
    if rise.low > 0 or (rise.difference > limits.tolerance and rise.p <= DOUBT):
        return Check("reject", f"{said}: more of them")
    return Check(None, f"{said}: not more")


def _check_citations(report: ArmsReport, rival: ArmName, metric: str, limits: GateLimits) -> Check:
    name = metric.replace("_", " ")
    change = find_difference(report, rival, metric)
    if change is None:
        return Check(None, f"{name}: an arm cites nothing, so it was not compared")
    said = f"{name} against {rival}: {show(change)}"
    if change.high < 0 or (change.difference < -limits.tolerance and change.p <= DOUBT):
        return Check("reject", f"{said}: worse")
    return Check(None, f"{said}: not worse")


def _check_forgetting(report: ArmsReport, limits: GateLimits) -> Check:
    found = report.forgetting
    if found is None:
        return Check("not-enough-evidence", "the forgetting probe was not asked")
    ratio = found.tuned_perplexity / found.base_perplexity
    said = (
        f"general questions: {found.base:.3f} before, {found.tuned:.3f} after, drop {found.drop:+.3f} "
        f"[{found.low:+.3f}, {found.high:+.3f}] of {found.questions}; "
        f"perplexity {found.base_perplexity:.1f} → {found.tuned_perplexity:.1f} ({ratio:.2f} times)"
    )
    if found.drop > limits.forgetting or ratio > limits.perplexity:
        return Check(
            "reject", f"{said}: beyond the limits of {limits.forgetting} and {limits.perplexity} times: it forgets"
        )
    return Check(None, f"{said}: within the limits of {limits.forgetting} and {limits.perplexity} times")


def _check_reading(report: ArmsReport) -> Check:
    found = report.reading
    if found is None:
        return Check("not-enough-evidence", "whether it ties answers to their questions was not measured")
    said = (
        f"a question's own answer against another's: {found.base:.1f} nats likelier before, {found.tuned:.1f} after, "
        f"{found.difference:+.1f} [{found.low:+.1f}, {found.high:+.1f}] of {found.questions} questions"
    )
    if found.high < 0 and found.documents >= LEAST_CLUSTERS:
        return Check("reject", f"{said}: it reads less than the base model")
    return Check(None, f"{said}: it reads no less than the base model")


def find_difference(report: ArmsReport, arm: ArmName, metric: str) -> Difference | None:
    """The candidate's difference to an arm in a metric."""
    return next((one for one in report.differences if one.arm == arm and one.metric == metric), None)


def show(one: Difference) -> str:
    """A difference with its interval and p-value."""
    return f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}], p {one.p:.3f}, {one.questions} questions"
