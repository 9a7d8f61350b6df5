"""What every vector store must find, and in which order."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.ports import VectorIndex
from tests.contract.vector_index import NAME, QUERY, ROW, find, find_ids, make_rows, make_vector


def test_an_empty_collection_answers_with_nothing(index: VectorIndex) -> None:
    assert find(index, QUERY._replace(keywords="wartung")) == []
    index.optimize(NAME)
    assert find(index, QUERY._replace(keywords="wartung")) == []
    assert index.search_rows(NAME, []) == []


@pytest.mark.parametrize("optimized", [False, True])
def test_umlauts_and_compounds_are_found_as_the_caller_analysed_them(index: VectorIndex, *, optimized: bool) -> None:
    tokens = [
        "kuendigungsfrist kuendigung frist",
        "kündigung",
        "straße",
        "Wartung",
        "the",
        "e-mail@firma.de",
        "x" * 300,
    ]
    index.upsert_rows(NAME, [ROW._replace(chunk_id=f"c{i}", keywords=token) for i, token in enumerate(tokens)])
    if optimized:
        index.optimize(NAME)
    for i, text in enumerate(tokens):
        for token in text.split():
            assert find_ids(index, QUERY._replace(keywords=token, alpha=0.0)) == [f"c{i}"]
    for altered in ("kundigung", "strasse", "wartung", "wartungen", "mail", "firma"):
        assert find_ids(index, QUERY._replace(keywords=altered, alpha=0.0)) == []


def test_an_empty_keyword_string_means_dense_only(index: VectorIndex) -> None:
    index.upsert_rows(NAME, make_rows(20))
    for keywords in ("", "  "):
        hits = find(index, QUERY._replace(keywords=keywords, alpha=0.2, limit=20))
        assert [hit.keyword_score for hit in hits] == [None] * 20
        assert (hits[0].chunk_id, hits[0].score, hits[-1].score) == ("c0", 1.0, 0.0)
        assert hits[0].dense_score == pytest.approx(1.0, abs=1e-5)


def test_a_query_of_10000_characters_works(index: VectorIndex) -> None:
    index.upsert_rows(NAME, make_rows(50))
    index.optimize(NAME)
    keywords = " ".join(f"token{i}" for i in range(40, 1400))[:10_000]
    assert find_ids(index, QUERY._replace(keywords=keywords, alpha=0.0))[0] in {f"c{i}" for i in range(40, 50)}
    find(index, QUERY._replace(keywords="x" * 10_000))


@pytest.mark.parametrize("keywords", ["(", '"', "AND", "a:b", "*", "token1^9", "\\", "x\0y", "\ud800", "🙂", "-token1"])
def test_keywords_are_never_a_query_language(index: VectorIndex, keywords: str) -> None:
    index.upsert_rows(NAME, [*make_rows(3), ROW._replace(chunk_id="special", keywords=keywords)])
    assert find_ids(index, QUERY._replace(keywords=keywords, alpha=0.0)) == ["special"]


def test_hybrid_finds_a_keyword_only_and_a_vector_only_target(index: VectorIndex) -> None:
    rows = make_rows(300)
    opposite = np.asarray(-make_vector(7), dtype=np.float32)
    index.upsert_rows(NAME, [*rows, ROW._replace(chunk_id="by-keyword", vector=opposite, keywords="seriennummer")])
    hits = find(index, QUERY._replace(vector=make_vector(7), keywords="seriennummer", limit=2))
    assert {hit.chunk_id for hit in hits} == {"by-keyword", "c7"}
    by_id = {hit.chunk_id: hit for hit in hits}
    assert by_id["by-keyword"].dense_score is None
    assert by_id["c7"].keyword_score is None


def test_scores_are_ordered_within_0_and_1_and_the_limit_cuts_only(index: VectorIndex) -> None:
    index.upsert_rows(NAME, make_rows(150))
    query = QUERY._replace(keywords="gemeinsam token9 token11", alpha=0.3, limit=40)
    hits = find(index, query)
    assert len(hits) == 40
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert find(index, query._replace(limit=5)) == hits[:5]
    assert len(find(index, query._replace(limit=140))) == 140
    assert find(index, query._replace(limit=0)) == []


def test_equal_scores_are_ordered_by_chunk_id(index: VectorIndex) -> None:
    index.upsert_rows(NAME, [ROW._replace(chunk_id=f"c{i}") for i in (5, 3, 9, 1)])
    hits = find(index, QUERY._replace(keywords="wartung"))
    assert [(hit.chunk_id, hit.score) for hit in hits] == [("c1", 1.0), ("c3", 1.0), ("c5", 1.0), ("c9", 1.0)]


def test_many_queries_at_once_equal_the_same_queries_one_by_one(index: VectorIndex) -> None:
    index.upsert_rows(NAME, [row._replace(readers=(f"g{i % 3}",)) for i, row in enumerate(make_rows(150))])
    queries = [
        QUERY._replace(
            vector=make_vector(i), keywords=f"token{i} gemeinsam", principals=frozenset({f"g{i % 4}"}), limit=7 + i % 2
        )
        for i in range(90)
    ]
    together = index.search_rows(NAME, queries)
    assert [[hit.chunk_id for hit in hits] for hits in together] == [find_ids(index, query) for query in queries]
