"""Paired bootstrap: is one run better than another, or is it the choice of questions?

Efron and Tibshirani 1993, chapters 6 and 13; for systems that answered the same questions, Koehn 2004. Questions about
one document are drawn together: when the document is badly read, all of them fail at once, and intervals that take
them for independent come out too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.evaluation_models import Share
from tasks.models import Noun

RESAMPLES = 10_000
SEED = 20260504
INTERVAL = 0.95

LEAST_CLUSTERS = 6
"""With five, even if all of them agree, chance does the same in 1 of 16 (sign test, two-sided): nothing is decided."""

Verdict = Literal["better", "worse", "undecided", "neither"]

_AT_ONCE = 2_000_000
"""Numbers in one block of weights: memory stays flat however many questions there are."""


class Comparison(Noun):
    """How a metric differs between two runs."""

    questions: int = Field(description="those that the metric judges in at least one of the runs")
    before: float | None
    after: float | None
    difference: float | None = Field(description="after - before; None when one of them judges nothing")
    low: float | None = Field(default=None, description="of the 95 % interval of the difference")
    high: float | None = None
    verdict: Verdict


def compare_shares(
    before: Sequence[Share],
    after: Sequence[Share],
    clusters: Sequence[str],
    *,
    higher_is_better: bool | None = True,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Comparison:
    """Compare one metric of two runs over the same questions.

    Args:
        before: The baseline's shares, one a question.
        after: The other run's, for the same questions in the same order.
        clusters: One label a question; questions with the same label are drawn together.
        higher_is_better: False for shares of what should not happen; None for what is neither good nor bad.
        resamples: How often the clusters are drawn with replacement.
        seed: Equal seeds give equal intervals.

    Returns:
        `better` or `worse` when the interval does not contain 0 and enough clusters were judged; `neither` for what is
        neither good nor bad.
    """
    parts = np.array([[*one, *other] for one, other in zip(before, after, strict=True)], dtype=float).reshape(-1, 4)
    judged = int(np.count_nonzero((parts[:, 1] > 0) | (parts[:, 3] > 0)))
    sums = _sum_clusters(parts, clusters)
    first, second = _divide(sums.sum(axis=0, keepdims=True))
    comparison = Comparison(
        verdict="undecided" if higher_is_better is not None else "neither",
        questions=judged,
        before=_number(first[0]),
        after=_number(second[0]),
        difference=_number(second[0] - first[0]),
    )
    differences = _resample(sums, resamples, seed) if comparison.difference is not None else np.empty(0)
    if not differences.size:
        return comparison
    low, high = (float(end) for end in np.quantile(differences, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2]))
    comparison = comparison.model_copy(update={"low": _number(low), "high": _number(high)})
    if higher_is_better is None or np.count_nonzero(sums[:, 1] + sums[:, 3]) < LEAST_CLUSTERS:
        return comparison
    return comparison.model_copy(update={"verdict": _decide(low, high, higher_is_better=higher_is_better)})


def _sum_clusters(parts: NDArray[np.float64], clusters: Sequence[str]) -> NDArray[np.float64]:
    """[clusters x 4]: part and whole before, part and whole after."""
    labels = {label: number for number, label in enumerate(dict.fromkeys(clusters))}
    sums = np.zeros((len(labels), 4))
    np.add.at(sums, [labels[label] for label in clusters], parts)
    return sums


def _resample(sums: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """The difference in each resample that judges something in both runs."""
    generator = np.random.default_rng(seed)
    count = len(sums)
    block = max(1, _AT_ONCE // count)
    found = []
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        weights = generator.multinomial(count, np.full(count, 1 / count), size=size)
        first, second = _divide(weights @ sums)
        found.append(second - first)
    differences = np.concatenate(found)
    return differences[~np.isnan(differences)]


def _divide(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Before and after of each row; not a number where nothing is judged."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[:, 0] / sums[:, 1], sums[:, 2] / sums[:, 3]


def _decide(low: float, high: float, *, higher_is_better: bool) -> Verdict:
    if low <= 0 <= high:
        return "undecided"
    return "better" if (low > 0) == higher_is_better else "worse"


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
