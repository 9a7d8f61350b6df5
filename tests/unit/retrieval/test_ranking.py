from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.models import Passage
from tasks.ports import IndexHit
from tasks.retrieval.ranking import rank_candidates
from tests.fakes.passage_reader import FakePassageReader


def passages_of(**documents: list[str]) -> dict[str, list[Passage]]:
    """Documents by name; a number behind it is another format of the same file."""
    reader = FakePassageReader()
    return {
        name: reader.add_document(f"{name.rstrip('0123456789')}.{name}", chunks) for name, chunks in documents.items()
    }


def rank(scores: Mapping[str, float], documents: Mapping[str, list[Passage]]) -> list[str]:
    """Scores by chunk text; texts, best first."""
    by_id = {passage.chunk_id: passage for passages in documents.values() for passage in passages}
    found = [IndexHit(key, 0.0, scores[p.chunk.text], None) for key, p in by_id.items() if p.chunk.text in scores]
    return [candidate.passage.chunk.text for candidate in rank_candidates(found, by_id, lambda _: 1.0)]


def test_of_two_equal_passages_the_one_with_more_behind_it_comes_first() -> None:
    documents = passages_of(a=["valve", "rest of a"], b=["pump", "rest of b"])
    scores = {"valve": 0.9, "pump": 0.9, "rest of a": 0.1, "rest of b": 0.6}
    assert rank(scores, documents)[0] == "pump"


def test_a_document_of_one_passage_is_not_punished_for_it() -> None:
    documents = passages_of(a=["valve"], b=["pump", "rest of b"])
    assert rank({"valve": 0.91, "pump": 0.9, "rest of b": 0.89}, documents)[0] == "valve"


def test_the_order_within_a_document_stays() -> None:
    documents = passages_of(a=["one", "two", "three"])
    assert rank({"one": 0.3, "two": 0.9, "three": 0.5}, documents) == ["two", "three", "one"]


def test_of_two_equal_passages_the_more_trusted_comes_first() -> None:
    documents = passages_of(a=["valve"], b=["pump"], c=["hose"])
    for name, trust in (("a", "low"), ("c", "high")):
        documents[name] = [passage.model_copy(update={"trust": trust}) for passage in documents[name]]
    assert rank({"valve": 0.9, "pump": 0.9, "hose": 0.9}, documents) == ["hose", "pump", "valve"]


TEXT = "the pump is primed before it is started and stopped before it is cleaned"


def test_a_lucky_cut_of_one_format_is_steadied_by_the_others() -> None:
    documents = passages_of(
        guide1=[TEXT], guide2=[f"{TEXT} every"], guide3=[f"{TEXT} each"], other=["the valve is closed"]
    )
    scores = {TEXT: 0.9, f"{TEXT} every": 0.1, f"{TEXT} each": 0.1, "the valve is closed": 0.7}
    assert rank(scores, documents)[0] == "the valve is closed"


def test_equal_names_over_different_texts_are_no_twins() -> None:
    documents = passages_of(
        guide1=[TEXT], guide2=["leave is requested three weeks ahead"], other=["the valve is closed"]
    )
    scores = {TEXT: 0.9, "leave is requested three weeks ahead": 0.1, "the valve is closed": 0.7}
    assert rank(scores, documents)[0] == TEXT


def test_equal_texts_under_different_names_are_no_twins() -> None:
    documents = passages_of(guide=[TEXT], manual=[f"{TEXT} every"], other=["the valve is closed"])
    scores = {TEXT: 0.9, f"{TEXT} every": 0.1, "the valve is closed": 0.7}
    assert rank(scores, documents)[0] == TEXT


@pytest.mark.parametrize("scores", [[0.5], [0.5, 0.5], [-3.0, 7.0, 7.0], [0.0, 0.0, 1e9]])
def test_scores_are_between_zero_and_one(scores: list[float]) -> None:
    passages = passages_of(**{f"d{'x' * i}": [f"text {i}"] for i in range(len(scores))})
    by_id = {passage.chunk_id: passage for (passage,) in passages.values()}
    found = [IndexHit(key, 0.0, score, score) for key, score in zip(by_id, scores, strict=True)]
    assert all(0 <= candidate.score <= 1 for candidate in rank_candidates(found, by_id, lambda _: 0.5))


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-1, 1), st.one_of(st.none(), st.floats(0, 100))), max_size=30))
def test_every_confirmed_proposal_is_ranked_once(drawn: list[tuple[int, float, float | None]]) -> None:
    reader = FakePassageReader()
    documents = {number: [i for i, one in enumerate(drawn) if one[0] == number] for number in range(5)}
    by_id = {}
    found = []
    for number, members in documents.items():
        for i, passage in zip(members, reader.add_document(f"{number}", [f"text {i}" for i in members]), strict=True):
            by_id[passage.chunk_id] = passage
            found.append(IndexHit(passage.chunk_id, 0.0, drawn[i][1], drawn[i][2]))
    ranked = rank_candidates([*found, IndexHit("unconfirmed", 1.0, 1.0, 1.0)], by_id, lambda _: 0.5)
    assert sorted(candidate.passage.chunk_id for candidate in ranked) == sorted(by_id)
    assert all(0 <= candidate.score <= 1 for candidate in ranked)
    assert [c.score for c in ranked] == sorted((c.score for c in ranked), reverse=True)
