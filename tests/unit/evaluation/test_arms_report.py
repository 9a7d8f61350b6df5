"""Figures of arms: intervals hold their mean, costs count right answers, nothing judged is None."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.arm_models import ArmResult
from tasks.evaluation.arms_report import Judged, compare_arms, report_arms, summarise_arm
from tests.fakes.arms import make_result


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_an_interval_holds_the_mean_and_stays_within_what_was_seen(values: list[float]) -> None:
    score = summarise_arm([make_result(n, f1=value) for n, value in enumerate(values)], resamples=200)
    assert score.f1 is not None
    assert score.f1_low is not None
    assert score.f1_high is not None
    assert min(values) - 1e-5 <= score.f1_low <= score.f1_high <= max(values) + 1e-5
    assert score.f1 == pytest.approx(sum(values) / len(values), abs=1e-5)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=20))
def test_exchanging_two_arms_turns_the_interval_round(pairs: list[tuple[float, float]]) -> None:
    first, second = ([make_result(n, f1=pair[side]) for n, pair in enumerate(pairs)] for side in (0, 1))
    there = compare_arms("base", "f1", first, second, resamples=200)
    back = compare_arms("base", "f1", second, first, resamples=200)
    assert there is not None
    assert back is not None
    assert (there.difference, there.low, there.high) == pytest.approx((-back.difference, -back.high, -back.low))
    assert there.p == pytest.approx(back.p)


def test_the_cost_of_a_right_answer_is_all_seconds_over_the_right_ones() -> None:
    results = [make_result(n, seconds=2.0, right=float(n == 0)) for n in range(5)]
    assert summarise_arm(results).seconds_per_correct == 10
    assert summarise_arm(results[1:]).seconds_per_correct is None


def test_what_no_question_judges_is_none() -> None:
    score = summarise_arm([make_result(0, wrong_on_unanswerable=1.0)])
    assert (score.f1, score.f1_low, score.citation_precision, score.wrong_on_unanswerable) == (None, None, None, 1.0)


def test_the_candidate_is_compared_with_every_other_arm_in_every_part() -> None:
    def arm(value: float) -> list[ArmResult]:
        return [make_result(n, f1=value, slices=(f"language={'de' if n % 2 else 'en'}",)) for n in range(12)]

    report = report_arms(
        Judged("d", "a"), {"base": arm(0), "base+rag": arm(0.5), "tuned": arm(0), "tuned+rag": arm(0.75)}, resamples=200
    )
    assert {one.arm: one.difference for one in report.differences} == {"base": 0.75, "base+rag": 0.25, "tuned": 0.75}
    assert {one.arm for one in report.slices} == {"base+rag"}
    assert {(one.slice, one.questions) for one in report.slices} == {("language=de", 6), ("language=en", 6)}
    assert list(report.arms) == ["base", "base+rag", "tuned", "tuned+rag"]
