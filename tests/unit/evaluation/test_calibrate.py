"""Calibrations: what is fitted predicts, what is reported was not fitted on, and too little data is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.answering.confidence import choose_threshold, estimate_confidence
from tasks.errors import DatasetRejected
from tasks.evaluation.calibrate import Judged, draw_curve, fit_calibration, measure_calibration_error
from tasks.integrations.matplotlib import MatplotlibPlotter

answers = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def simulate_answers(count: int, *, seed: int) -> list[Judged]:
    """Right with a probability that one signal tells, and another signal that tells nothing."""
    random = np.random.default_rng(seed)
    told, noise = random.normal(size=count), random.normal(size=count)
    right = random.random(count) < 1 / (1 + np.exp(-3 * told))
    return [
        Judged({"told": float(a), "noise": float(b)}, bool(c), f"document {number // 3}")
        for number, (a, b, c) in enumerate(zip(told, noise, right, strict=True))
    ]


def test_a_fitted_calibration_tells_right_from_wrong_on_documents_it_has_not_seen() -> None:
    fit = fit_calibration(simulate_answers(900, seed=1), name="test")
    calibration = fit.calibration
    assert calibration.expected_error < 0.1
    assert abs(calibration.weights["told"]) > 5 * abs(calibration.weights["noise"])
    assert estimate_confidence({"told": 2.0}, calibration) > 0.85
    assert estimate_confidence({"told": -2.0}, calibration) < 0.15
    assert (calibration.questions, len(fit.right)) == (900, 900)


def test_the_threshold_keeps_the_wished_error_on_answers_it_was_not_fitted_on() -> None:
    fit = fit_calibration(simulate_answers(900, seed=2), name="test")
    threshold = choose_threshold(fit.calibration, 0.1)
    given_answers = fit.confidences >= threshold
    assert given_answers.any()
    assert 1 - fit.right[given_answers].mean() <= 0.1


def test_all_questions_about_one_document_are_in_one_half() -> None:
    judged = [one._replace(document="the only one") for one in simulate_answers(200, seed=3)]
    with pytest.raises(DatasetRejected, match="tells no probability"):
        fit_calibration(judged, name="test")


@pytest.mark.parametrize("right", [True, False])
def test_answers_that_are_all_alike_are_refused(*, right: bool) -> None:
    judged = [one._replace(right=right) for one in simulate_answers(200, seed=4)]
    with pytest.raises(DatasetRejected):
        fit_calibration(judged, name="test")


@given(answers)
def test_the_curve_ends_with_everything_answered_and_counts_every_error(
    pairs: list[tuple[float, bool]],
) -> None:
    confidences = np.array([confidence for confidence, _ in pairs])
    right = np.array([one for _, one in pairs])
    curve = draw_curve(confidences, right)
    assert curve[0].coverage == pytest.approx(1.0)
    assert curve[0].error == pytest.approx(1 - right.mean())
    for point in curve:
        kept = confidences >= point.threshold
        assert point.coverage == pytest.approx(kept.mean())
        assert point.error == pytest.approx(1 - right[kept].mean())


@given(answers)
def test_the_calibration_error_is_a_share(pairs: list[tuple[float, bool]]) -> None:
    confidences = np.array([confidence for confidence, _ in pairs])
    assert 0 <= measure_calibration_error(confidences, np.array([one for _, one in pairs])) <= 1


def test_a_confidence_that_is_always_true_has_no_error() -> None:
    assert measure_calibration_error(np.ones(5), np.ones(5, dtype=bool)) == 0
    assert measure_calibration_error(np.ones(5), np.zeros(5, dtype=bool)) == 1


def test_the_picture_is_a_png() -> None:
    fit = fit_calibration(simulate_answers(300, seed=5), name="test")
    assert MatplotlibPlotter().draw_calibration(*fit, max_error=0.05).startswith(b"\x89PNG")
