"""Fitting a calibration: signals of answered questions in, the probability that an answer is right out.

Questions are split by document into two halves. What is reported (the curve, from which a threshold is chosen, and the
expected calibration error) is measured on each half with weights fitted on the other; the weights that are kept are
then fitted on both. Expected calibration error: Naeini,
Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015, section 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.answer_models import Calibration, OperatingPoint
from tasks.errors import DatasetRejected
from tasks.models import hash_text

LEAST_QUESTIONS = 60
"""Fewer tell neither weights nor an error of one in twenty."""
LEAST_OF_EACH = 10
BINS = 10
_REGULARISATION = 0.1


class Judged(NamedTuple):
    """A given answer and whether it is right; questions that got none for want of material are not among them."""

    signals: Mapping[str, float]
    right: bool
    document: str
    """What the question is about, for the split: its gold document, or the question itself when it has none."""


class Fit(NamedTuple):
    """A calibration, and what it is reported on."""

    calibration: Calibration
    confidences: NDArray[np.float64]
    """[n]: of each answer, by weights fitted on other documents."""
    right: NDArray[np.bool_]
    """[n]: whether the answers are right."""


def fit_calibration(judged: Sequence[Judged], *, name: str) -> Fit:
    """Weights from all answers, the report from weights that did not see the documents they are measured on.

    Raises:
        DatasetRejected: Too few questions, or hardly any right or wrong ones, in one of the halves.
    """
    names = sorted({signal for one in judged for signal in one.signals})
    table, right = _tabulate(judged, names), np.array([one.right for one in judged], dtype=bool)
    halves = np.array([int(hash_text(one.document)[:8], 16) % 2 for one in judged], dtype=int)
    confidences = np.empty(len(judged))
    for half in (0, 1):
        inside = halves == half
        _check_half(right[inside])
        confidences[~inside] = _estimate(table[~inside], *_fit_weights(table[inside], right[inside]))
    weights, bias = _fit_weights(table, right)
    calibration = Calibration(
        name=name,
        weights=dict(zip(names, weights.tolist(), strict=True)),
        bias=bias,
        curve=tuple(draw_curve(confidences, right)),
        questions=len(judged),
        expected_error=measure_calibration_error(confidences, right),
        fitted_at=datetime.now(UTC),
    )
    return Fit(calibration, confidences, right)


def draw_curve(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> list[OperatingPoint]:
    """What answering from each confidence on gives, threshold ascending; equal confidences are one point."""
    order = np.argsort(-confidences, kind="stable")
    wrong = np.cumsum(~right[order])
    given = np.arange(1, len(order) + 1)
    last_of_equal = np.append(np.diff(confidences[order]) != 0, True)
    points = [
        OperatingPoint(float(threshold), count / len(order), errors / count)
        for threshold, count, errors, is_last in zip(
            confidences[order].tolist(), given.tolist(), wrong.tolist(), last_of_equal.tolist(), strict=True
        )
        if is_last
    ]
    return points[::-1]


def measure_calibration_error(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean distance between confidence and share of right answers over ten bins, weighted by their sizes; 0 to 1."""
    bins = np.minimum((confidences * BINS).astype(int), BINS - 1)
    error = 0.0
    for number in range(BINS):
        inside = bins == number
        if inside.any():
            error += inside.mean() * abs(confidences[inside].mean() - right[inside].mean())
    return float(error)


def _check_half(right: NDArray[np.bool_]) -> None:
    count, total = int(right.sum()), len(right)
    if total * 2 < LEAST_QUESTIONS or min(count, total - count) < LEAST_OF_EACH:
        raise DatasetRejected(
            f"half of the questions has {count} right and {total - count} wrong answers; that tells no probability",
            advice=f"ask at least {LEAST_QUESTIONS} questions about several documents, some that no document answers",
        )


def _tabulate(judged: Sequence[Judged], names: Sequence[str]) -> NDArray[np.float64]:
    """[n x s]: a row an answer, a column a signal."""
    return np.array([[one.signals.get(name, 0.0) for name in names] for one in judged], dtype=np.float64)


def _estimate(table: NDArray[np.float64], weights: NDArray[np.float64], bias: float) -> NDArray[np.float64]:
    """[n]: the probability of each row."""
    probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-(table @ weights + bias)))
    return probabilities


def _fit_weights(table: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Weights in the signals' own units and the bias; fitted on standardised signals, so that none is favoured."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = table.mean(axis=0), table.std(axis=0)
    spread[spread == 0] = 1.0
    model: Any = LogisticRegression(C=_REGULARISATION, max_iter=1000).fit((table - mean) / spread, right)
    weights = model.coef_[0] / spread
    return weights, float(model.intercept_[0] - mean @ weights)
