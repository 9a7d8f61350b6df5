"""The permutation test: exact where it can be, blind to the order of questions, never surprised by equal runs."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.evaluation.permutation import measure_p
from tasks.evaluation_models import Share

shares = st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0])).map(lambda one: Share(one[0] * one[1], one[1]))


def judge(values: list[float]) -> list[Share]:
    return [Share(value, 1) for value in values]


def test_five_questions_that_all_agree_happen_by_chance_in_two_of_32_exchanges() -> None:
    assert measure_p(judge([0] * 5), judge([1] * 5), list("abcde")) == pytest.approx(2 / 32)


def test_questions_about_one_document_are_exchanged_together() -> None:
    alone = measure_p(judge([0] * 8), judge([1] * 8), list("abcdefgh"))
    together = measure_p(judge([0] * 8), judge([1] * 8), list("aabbccdd"))
    assert [alone, together] == pytest.approx([2 / 256, 2 / 16])


def test_parts_and_wholes_of_a_share_are_exchanged_together() -> None:
    """Precision over citations: many marks in one run and few in the other."""
    before, after = [Share(1, 4)] * 10, [Share(1, 1)] * 10
    assert measure_p(before, after, [str(n) for n in range(10)]) == pytest.approx(2 / 2**10)


def test_one_document_decides_nothing() -> None:
    assert measure_p(judge([0, 0]), judge([1, 1]), ["a", "a"]) == 1
    assert measure_p([], [], []) == 1


@settings(max_examples=25)
@given(st.lists(st.tuples(shares, shares), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_p_is_a_probability_that_neither_order_nor_direction_changes(
    pairs: list[tuple[Share, Share]], random: Random
) -> None:
    before, after = [list(side) for side in zip(*pairs, strict=True)]
    clusters = [str(number) for number in range(len(pairs))]
    p = measure_p(before, after, clusters, resamples=300)
    assert 0 < p <= 1
    assert measure_p(after, before, clusters, resamples=300) == pytest.approx(p)
    order = random.sample(range(len(pairs)), len(pairs))
    first, second = ([side[place] for place in order] for side in (before, after))
    assert measure_p(first, second, clusters, resamples=300) == pytest.approx(p)


@given(st.lists(shares, min_size=2, max_size=8))
@settings(max_examples=15)
def test_equal_runs_never_differ(found: list[Share]) -> None:
    assert measure_p(found, found, [str(number) for number in range(len(found))], resamples=300) == 1
