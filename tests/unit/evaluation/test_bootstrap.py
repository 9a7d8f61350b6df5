"""The paired bootstrap: what it decides, and what it leaves open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.bootstrap import Comparison, compare_shares
from tasks.evaluation_models import Share

SHARES = st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from("abcd")), min_size=1, max_size=30)


def compare(
    before: list[int], after: list[int], clusters: list[str] | None = None, *, higher_is_better: bool | None = True
) -> Comparison:
    return compare_shares(
        [Share(value, 1) for value in before],
        [Share(value, 1) for value in after],
        clusters or [str(number) for number in range(len(before))],
        higher_is_better=higher_is_better,
        resamples=2000,
    )


def test_identical_runs_are_undecided_with_an_interval_that_holds_0() -> None:
    found = compare([1, 0, 1, 1] * 10, [1, 0, 1, 1] * 10)
    assert (found.before, found.after, found.difference, found.low, found.high) == (0.75, 0.75, 0, 0, 0)
    assert found.verdict == "undecided"


def test_a_clear_difference_is_better_or_worse_by_the_metric() -> None:
    before, after = [0] * 40 + [1] * 20, [1] * 55 + [0] * 5
    assert compare(before, after).verdict == "better"
    assert compare(after, before).verdict == "worse"
    assert compare(before, after, higher_is_better=False).verdict == "worse"
    assert compare(before, after, higher_is_better=None).verdict == "neither"


def test_pairs_decide_what_two_samples_would_not() -> None:
    # Eight of 100 questions are gained and none is lost: paired, that is clear; the shares alone overlap.
    before = [1] * 50 + [0] * 50
    after = [1] * 58 + [0] * 42
    assert compare(before, after).verdict == "better"
    assert compare(before, after[::-1]).verdict == "undecided"


def test_questions_about_one_document_are_no_independent_evidence() -> None:
    before, after = [0] * 20, [1] * 10 + [0] * 10
    assert compare(before, after).verdict == "better"
    found = compare(before, after, ["one document"] * 10 + ["another"] * 10)
    assert (found.low, found.high, found.verdict) == (0, 1, "undecided")


def test_five_documents_decide_nothing_and_six_that_agree_do() -> None:
    assert compare([0] * 5, [1] * 5).verdict == "undecided"
    assert compare([0] * 6, [1] * 6).verdict == "better"


def test_shares_that_judge_nothing_have_no_difference() -> None:
    found = compare_shares([Share(0, 0)] * 3, [Share(1, 1)] * 3, ["a", "b", "c"])
    assert (found.questions, found.before, found.after, found.difference) == (3, None, 1, None)
    assert (found.low, found.verdict) == (None, "undecided")
    assert compare_shares([], [], []).before is None


def test_a_question_that_only_one_run_judges_counts_in_that_run() -> None:
    found = compare_shares([Share(0, 0), Share(1, 2)], [Share(3, 3), Share(2, 2)], ["a", "b"])
    assert (found.before, found.after, found.difference) == (0.5, 1, 0.5)


def test_the_interval_is_that_of_the_normal_approximation_for_many_questions() -> None:
    random = np.random.default_rng(1)
    before = random.integers(0, 2, 2000).tolist()
    after = random.integers(0, 2, 2000).tolist()
    found = compare(before, after)
    error = np.std(np.array(after) - np.array(before)) / np.sqrt(2000)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


@given(shares=SHARES)
def test_the_difference_lies_in_its_bounds_and_turns_its_sign_with_the_runs(
    shares: list[tuple[bool, bool, str]],
) -> None:
    before, after = [int(one[0]) for one in shares], [int(one[1]) for one in shares]
    clusters = [one[2] for one in shares]
    there, back = compare(before, after, clusters), compare(after, before, clusters)
    assert there.difference is not None
    assert back.difference == -there.difference
    assert there.low is not None
    assert there.high is not None
    assert -1 <= there.low <= there.high <= 1
    assert {there.verdict, back.verdict} in ({"undecided"}, {"better", "worse"})
