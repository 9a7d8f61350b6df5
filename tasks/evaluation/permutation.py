"""Paired permutation test of a metric: how often chance alone would make so large a difference.

Ernst 2004, "Permutation methods: a basis for exact inference"; by scipy. Under the null hypothesis it does not matter
which run answered which question, so the two results are exchanged, all questions about one document together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.bootstrap import SEED
from tasks.evaluation_models import Share

RESAMPLES = 9_999
_AT_ONCE = 1_000


def measure_p(
    before: Sequence[Share], after: Sequence[Share], clusters: Sequence[str], *, resamples: int = RESAMPLES
) -> float:
    """The two-sided p-value of `after - before`; 1 where nothing can be exchanged.

    Args:
        before: One share a question.
        after: The other run's, for the same questions in the same order.
        clusters: One label a question; those with the same label are exchanged together.
        resamples: Exchanges drawn; all of them are tried where there are no more.
    """
    sums = _sum_clusters(before, after, clusters)
    if len(sums) < 2:
        return 1.0
    from scipy.stats import permutation_test

    table = np.concatenate([sums[:, :2], sums[:, 2:]])
    count = len(sums)

    def difference(first: NDArray[Any], second: NDArray[Any], axis: int) -> NDArray[np.float64]:
        return _divide(table[second.astype(int)], axis) - _divide(table[first.astype(int)], axis)

    result = permutation_test(
        (np.arange(count), np.arange(count, 2 * count)),
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=_AT_ONCE,
        rng=np.random.default_rng(SEED),
    )
    return float(min(1.0, result.pvalue))


def _sum_clusters(before: Sequence[Share], after: Sequence[Share], clusters: Sequence[str]) -> NDArray[np.float64]:
    """[clusters x 4]: part and whole before, part and whole after, of clusters where something is judged."""
    labels = {label: number for number, label in enumerate(dict.fromkeys(clusters))}
    sums = np.zeros((len(labels), 4))
    parts = [[*one, *other] for one, other in zip(before, after, strict=True)]
    np.add.at(sums, [labels[label] for label in clusters], np.array(parts, dtype=float).reshape(-1, 4))
    return sums[(sums[:, 1] > 0) | (sums[:, 3] > 0)]


def _divide(parts: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Sum over sum along the axis of the questions, the last but one; 0 where nothing is judged."""
    total = parts.sum(axis=axis if axis >= 0 else axis - 1)
    whole = total[..., 1]
    shares: NDArray[np.float64] = np.divide(total[..., 0], whole, out=np.zeros_like(whole), where=whole > 0)
    return shares
