"""Ranking metrics by hand, and what holds for all rankings."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.ranking import list_places, score_ranking
from tests.unit.evaluation.cases import LIBRARY, make_hit

RANKINGS = st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=16)
GOLD = st.sets(st.sampled_from("abcdefghijklmnop"), min_size=1, max_size=4)


def score(ranking: str, gold: str, depth: int = 10) -> dict[str, float]:
    return {name: share.part for name, share in score_ranking(list(ranking), set(gold), depth=depth).items()}


@pytest.mark.parametrize(
    ("ranking", "gold", "expected"),
    [
        ("abc", "a", (1, 1, 1, 1)),
        ("abc", "c", (0, 1, 1 / 3, 1 / 2)),
        ("abcdef", "f", (0, 0, 1 / 6, 1 / math.log2(7))),
        ("abc", "x", (0, 0, 0, 0)),
        ("", "x", (0, 0, 0, 0)),
        ("abc", "", (0, 0, 0, 0)),
        ("abc", "ac", (1, 1, 1, 1.5 / (1 + 1 / math.log2(3)))),
    ],
)
def test_the_metrics_are_those_of_the_books(ranking: str, gold: str, expected: tuple[float, ...]) -> None:
    assert tuple(score(ranking, gold).values()) == pytest.approx(expected)


def test_the_reciprocal_rank_looks_no_deeper_than_told() -> None:
    assert score("abc", "c", depth=2)["mrr"] == 0
    assert score("abcdefghijkl", "k", depth=12) == pytest.approx({"hit@1": 0, "hit@5": 0, "mrr": 1 / 11, "ndcg@10": 0})


@given(ranking=RANKINGS, gold=GOLD)
def test_every_metric_is_between_0_and_1_and_1_for_gold_on_top(ranking: list[str], gold: set[str]) -> None:
    assert all(0 <= share.part <= share.whole == 1 for share in score_ranking(ranking, gold, depth=10).values())
    best = [*gold, *(one for one in ranking if one not in gold)]
    assert all(share.part == pytest.approx(1) for share in score_ranking(best, gold, depth=10).values())


@given(ranking=RANKINGS.filter(lambda ranking: len(ranking) > 1), gold=GOLD, data=st.data())
def test_moving_gold_up_never_costs_anything(ranking: list[str], gold: set[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(ranking) - 1))
    moved = ranking.copy()
    if moved[place] in gold and moved[place - 1] not in gold:
        moved[place - 1], moved[place] = moved[place], moved[place - 1]
    before, after = score_ranking(ranking, gold, depth=10), score_ranking(moved, gold, depth=10)
    assert all(after[name].part >= before[name].part for name in before)


def test_places_are_works_and_collapsed_duplicates_share_one() -> None:
    hits = [
        make_hit(1, "d-pdf", "first passage"),
        make_hit(2, "d-md", "another format of the same work"),
        make_hit(3, "a", "first", duplicates=("b",)),
        make_hit(4, "b", "stood at the place of a already", duplicates=("c",)),
        make_hit(5, "unknown", "of a source that went meanwhile"),
    ]
    places = list_places(hits, LIBRARY)
    works = {name: LIBRARY.work_of(name) for name in ("d-pdf", "a", "b", "c")}
    assert places == [{works["d-pdf"]}, {works["a"], works["b"], works["c"]}, {"unknown"}]
