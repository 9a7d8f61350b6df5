"""The arms as figures: each with its interval, and the candidate against every other arm, paired by question."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tasks.arm_models import ArmResult
from tasks.evaluation.bootstrap import RESAMPLES, compare_shares
from tasks.evaluation.permutation import measure_p
from tasks.evaluation_models import Share
from tasks.training_models import ArmName, ArmScore, ArmsReport, Difference, Forgetting, Reading, SliceDifference

CANDIDATE: ArmName = "tuned+rag"
RIVALS: tuple[ArmName, ...] = ("champion+rag", "base+rag")
"""What a candidate must beat: the first of them that there is. Parts of the questions are compared with these alone."""
COMPARED = (
    *("f1", "em", "contains_gold", "citation_precision", "citation_recall", "refusal_precision"),
    *("wrong_on_unanswerable", "supported", "terminology"),
)
SLICED = ("f1", "wrong_on_unanswerable")
_NOTHING = Share(0, 0)
_SCORES = (
    *("em", "contains_gold", "citation_precision", "citation_recall", "refusal_precision", "refusal_recall"),
    *("wrong_on_unanswerable", "supported", "terminology", "prompt_tokens", "completion_tokens"),
)
_DIGITS = 6


class Judged(NamedTuple):
    """Who was judged on what."""

    dataset_id: str
    adapter_id: str | None = None
    champion_id: str | None = None
    forgetting: Forgetting | None = None
    reading: Reading | None = None


def report_arms(
    judged: Judged, results: Mapping[ArmName, Sequence[ArmResult]], *, resamples: int = RESAMPLES
) -> ArmsReport:
    """The report of arms over the same questions in the same order.

    Args:
        judged: Ids, and what the probes found.
        results: By arm; the candidate is compared when it is among them.
        resamples: Of the bootstrap and of the permutation test.
    """
    candidate = results.get(CANDIDATE, ())
    others = {arm: found for arm, found in results.items() if candidate and arm != CANDIDATE}
    return ArmsReport(
        dataset_id=judged.dataset_id,
        adapter_id=judged.adapter_id,
        champion_id=judged.champion_id,
        questions=max((len(found) for found in results.values()), default=0),
        arms={arm: summarise_arm(found, resamples=resamples) for arm, found in results.items()},
        differences=tuple(
            one
            for arm, found in others.items()
            for metric in COMPARED
            if (one := compare_arms(arm, metric, found, candidate, resamples=resamples))
        ),
        slices=tuple(
            one
            for arm, found in others.items()
            if arm in RIVALS
            for one in compare_slices(arm, found, candidate, resamples=resamples)
        ),
        forgetting=judged.forgetting,
        reading=judged.reading,
    )


def summarise_arm(results: Sequence[ArmResult], *, resamples: int = RESAMPLES) -> ArmScore:
    """One arm's figures."""
    low, high = measure_interval(results, "f1", resamples=resamples)
    seconds, right = (_sum(results, metric) for metric in ("seconds", "right"))
    return ArmScore(
        questions=len(results),
        f1=measure_share(results, "f1"),
        f1_low=low,
        f1_high=high,
        **{metric: measure_share(results, metric) for metric in _SCORES},
        seconds_per_answer=measure_share(results, "seconds"),
        seconds_per_correct=round(seconds.part / right.part, _DIGITS) if right.part else None,
    )


def measure_share(results: Sequence[ArmResult], metric: str) -> float | None:
    """One metric over the results; None when it judges none of them."""
    total = _sum(results, metric)
    return round(total.part / total.whole, _DIGITS) if total.whole else None


def measure_interval(
    results: Sequence[ArmResult], metric: str, *, resamples: int = RESAMPLES
) -> tuple[float | None, float | None]:
    """The 95 % bootstrap interval of a metric: that of its difference to nothing at all."""
    shares = [one.scores.get(metric, _NOTHING) for one in results]
    nothing = [Share(0, one.whole) for one in shares]
    found = compare_shares(nothing, shares, [one.cluster for one in results], resamples=resamples)
    return found.low, found.high


def compare_arms(
    arm: ArmName,
    metric: str,
    before: Sequence[ArmResult],
    after: Sequence[ArmResult],
    *,
    resamples: int = RESAMPLES,
) -> Difference | None:
    """The candidate less another arm in one metric; None when it judges nothing in one of them.

    Args:
        arm: The other arm.
        metric: Its name among the scores.
        before: The other arm's results.
        after: The candidate's, for the same questions in the same order.
        resamples: Of the bootstrap and of the permutation test.
    """
    first, second = ([one.scores.get(metric, _NOTHING) for one in results] for results in (before, after))
    clusters = [one.cluster for one in after]
    found = compare_shares(first, second, clusters, resamples=resamples)
    if found.difference is None or found.low is None or found.high is None:
        return None
    pairs = zip(first, second, clusters, strict=True)
    return Difference(
        arm=arm,
        metric=metric,
        difference=found.difference,
        low=found.low,
        high=found.high,
        p=round(measure_p(first, second, clusters, resamples=resamples), _DIGITS),
        questions=found.questions,
        documents=len({cluster for one, other, cluster in pairs if one.whole or other.whole}),
    )


def compare_slices(
    arm: ArmName, before: Sequence[ArmResult], after: Sequence[ArmResult], *, resamples: int = RESAMPLES
) -> list[SliceDifference]:
    """The same over every part of the questions."""
    found = []
    for name in sorted({name for one in after for name in one.slices}):
        members = [place for place, one in enumerate(after) if name in one.slices]
        parts = [before[place] for place in members], [after[place] for place in members]
        for metric in SLICED:
            compared = compare_arms(arm, metric, *parts, resamples=resamples)
            if compared:
                found.append(SliceDifference(**compared.model_dump(), slice=name))
    return found


def _sum(results: Sequence[ArmResult], metric: str) -> Share:
    shares = [one.scores.get(metric, _NOTHING) for one in results]
    return Share(math.fsum(one.part for one in shares), math.fsum(one.whole for one in shares))
