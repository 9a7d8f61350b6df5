"""What no vector store may show: filters, readers and tenants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.models import EVERYONE, SearchFilter
from tasks.ports import VectorIndex
from tests.contract.vector_index import NAME, QUERY, ROW, find, find_ids, list_ids, make_rows, make_vector
from tests.fakes.vector_index import is_readable

HOSTILE = ["o'brien", "' OR 1=1 --", "\\' OR '1'='1", "\\", "größe🙂", "a,b", "x\0y", "%", "", "'", "'']) OR true --"]


@pytest.mark.parametrize("optimized", [False, True])
def test_hostile_group_names_match_themselves_and_nothing_else(index: VectorIndex, *, optimized: bool) -> None:
    index.upsert_rows(NAME, [ROW._replace(chunk_id=f"c{i}", readers=(name,)) for i, name in enumerate(HOSTILE)])
    if optimized:
        index.optimize(NAME)
    for i, name in enumerate(HOSTILE):
        for keywords in ("", "wartung"):
            query = QUERY._replace(principals=frozenset({name}), keywords=keywords)
            assert find_ids(index, query) == [f"c{i}"]
            narrowed = query._replace(filter=SearchFilter(sources=(name,)))
            assert find_ids(index, narrowed) == []
    assert find_ids(index, QUERY._replace(tenant="acme' OR '1'='1")) == []
    assert find_ids(index, QUERY._replace(principals=frozenset({"\udcff"}))) == []


def test_each_filter_narrows_both_sides(index: VectorIndex) -> None:
    base = [
        ROW._replace(chunk_id="other-source", source="mail"),
        ROW._replace(chunk_id="other-language", language="en"),
        ROW._replace(chunk_id="other-type", document_type="docx"),
        ROW._replace(chunk_id="older", modified=ROW.modified and ROW.modified - timedelta(days=9)),
        ROW._replace(chunk_id="undated", modified=None),
        ROW,
    ]
    index.upsert_rows(NAME, base)
    after = datetime(2026, 1, 15, tzinfo=UTC)
    expected: list[tuple[SearchFilter, set[str]]] = [
        (SearchFilter(sources=("mail",)), {"other-source"}),
        (SearchFilter(languages=("en", "fr")), {"other-language"}),
        (SearchFilter(types=("docx",)), {"other-type"}),
        (SearchFilter(modified_before=after), {"older"}),
        (SearchFilter(sources=("files",), modified_after=after, languages=("de",), types=("pdf",)), {"c0"}),
        (SearchFilter(modified_after=datetime(2026, 1, 15, tzinfo=UTC) + timedelta(microseconds=1)), set()),
        (SearchFilter(sources=()), set()),
    ]
    for narrowed, chunk_ids in expected:
        for alpha in (0.0, 1.0):
            query = QUERY._replace(keywords="wartung", alpha=alpha, filter=narrowed)
            assert set(find_ids(index, query)) == chunk_ids


def test_someone_without_principals_reads_nothing(index: VectorIndex) -> None:
    index.upsert_rows(NAME, [*make_rows(3), ROW._replace(chunk_id="nobody", readers=())])
    assert find(index, QUERY._replace(principals=frozenset(), keywords="gemeinsam")) == []
    assert "nobody" not in find_ids(index, QUERY)


@pytest.mark.parametrize("optimized", [False, True])
def test_withdrawing_and_granting_hold_at_the_next_search(index: VectorIndex, *, optimized: bool) -> None:
    index.upsert_rows(NAME, [*make_rows(40), ROW._replace(chunk_id="foreign", tenant="other", document_id="d1")])
    if optimized:
        index.optimize(NAME)
    as_hr = QUERY._replace(principals=frozenset({"hr"}), keywords="gemeinsam", limit=100)
    index.set_readers(NAME, "acme", {"d1": ("hr", "o'brien"), "d2": (), "d-unknown": ("hr",)})
    assert set(find_ids(index, as_hr)) == {f"c{i}" for i in range(10, 20)}
    assert set(find_ids(index, QUERY._replace(keywords="gemeinsam", limit=100))) == {
        f"c{i}" for i in (*range(10), *range(30, 40))
    }
    index.set_readers(NAME, "acme", {"d1": (EVERYONE,), "d2": ("hr",)})
    assert set(find_ids(index, as_hr)) == {f"c{i}" for i in range(20, 30)}
    assert np.array_equal(index.fetch_vectors(NAME, "acme", ["c12"])["c12"], make_vector(12))
    assert find_ids(index, QUERY._replace(tenant="other")) == ["foreign"]
    assert len(list_ids(index)) == 40


GROUPS = [EVERYONE, "hr", "service", "o'brien", "größe"]
KEYWORDS = ["", "gemeinsam", "token3 token4"]
groups = st.lists(st.sampled_from(GROUPS), max_size=3, unique=True)
tenants = st.sampled_from(["acme", "other", "third"])


@given(
    rows=st.lists(st.tuples(tenants, groups, st.sampled_from(["files", "mail"])), min_size=1, max_size=25),
    changes=st.dictionaries(st.integers(0, 24), groups, max_size=4),
    askers=st.lists(
        st.tuples(tenants, groups, st.sampled_from(["", "gemeinsam", "token3 token4"])), min_size=5, max_size=20
    ),
    optimized=st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_filter_ever_leaks(
    shared_index: tuple[VectorIndex, Iterator[int]],
    rows: list[tuple[str, list[str], str]],
    changes: dict[int, list[str]],
    askers: list[tuple[str, list[str], str]],
    *,
    optimized: bool,
) -> None:
    index, example = shared_index
    mark = next(example)
    written = {
        f"{mark}-{i}": ROW._replace(
            chunk_id=f"{mark}-{i}",
            document_id=f"{mark}-d{i}",
            tenant=f"{tenant}{mark}",
            vector=make_vector(i),
            keywords=f"gemeinsam token{i}",
            source=source,
            readers=tuple(readers),
        )
        for i, (tenant, readers, source) in enumerate(rows)
    }
    index.upsert_rows(NAME, list(written.values()))
    if optimized:
        index.optimize(NAME)
    for number, readers in changes.items():
        if row := written.get(f"{mark}-{number}"):
            index.set_readers(NAME, row.tenant, {row.document_id: readers})
            written[row.chunk_id] = row._replace(readers=tuple(readers))
    queries = [
        QUERY._replace(
            tenant=f"{tenant}{mark}",
            principals=frozenset(principals),
            keywords=keywords,
            limit=100,
            filter=SearchFilter(sources=("files",) if len(principals) == 1 else None),
        )
        for tenant, principals, keywords in askers
    ]
    for query, hits in zip(queries, index.search_rows(NAME, queries), strict=True):
        assert {hit.chunk_id for hit in hits} == {key for key, row in written.items() if is_readable(row, query)}


@pytest.fixture
def shared_index(index: VectorIndex) -> tuple[VectorIndex, Iterator[int]]:
    """One store for all examples; each example has tenants and ids of its own."""
    return index, count()
