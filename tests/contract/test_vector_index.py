"""What every vector store must do, whichever it is: writing, deleting, collections.

One suite over the fake, LanceDB and a real Weaviate; a further store is one more parameter of the fixture `store`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tasks.errors import ConfigurationError
from tasks.models import CollectionSpec
from tasks.ports import VectorIndex
from tests.contract.vector_index import NAME, QUERY, ROW, SPEC, Store, find, find_ids, list_ids, make_rows, make_vector

# --- writing -----------------------------------------------------------------------------------------------------


def test_writing_the_same_rows_twice_equals_writing_them_once(index: VectorIndex) -> None:
    rows = make_rows(30)
    index.upsert_rows(NAME, rows)
    once = find(index, QUERY._replace(keywords="token3 gemeinsam", limit=50))
    index.upsert_rows(NAME, rows)
    assert list_ids(index) == sorted(row.chunk_id for row in rows)
    assert find(index, QUERY._replace(keywords="token3 gemeinsam", limit=50)) == once


def test_a_row_with_a_known_id_replaces_all_of_the_old_one(index: VectorIndex) -> None:
    index.upsert_rows(NAME, make_rows(5))
    index.optimize(NAME)
    index.upsert_rows(NAME, [ROW._replace(chunk_id="c3", vector=make_vector(99), keywords="neu", readers=("hr",))])
    assert list_ids(index) == ["c0", "c1", "c2", "c3", "c4"]
    assert np.array_equal(index.fetch_vectors(NAME, "acme", ["c3"])["c3"], make_vector(99))
    assert "c3" not in find_ids(index, QUERY)
    as_hr = QUERY._replace(principals=frozenset({"hr"}), alpha=0.0)
    assert find_ids(index, as_hr._replace(keywords="neu")) == ["c3"]
    assert find_ids(index, as_hr._replace(keywords="token3")) == []


def test_of_two_rows_with_one_id_in_a_batch_the_last_one_stays(index: VectorIndex) -> None:
    index.upsert_rows(NAME, [ROW, ROW._replace(keywords="zuletzt")])
    assert list_ids(index) == ["c0"]
    assert find_ids(index, QUERY._replace(keywords="zuletzt", alpha=0.0)) == ["c0"]


def test_deleting_is_complete_and_ignores_unknown_ids_and_other_tenants(index: VectorIndex) -> None:
    index.upsert_rows(NAME, [*make_rows(20), ROW._replace(chunk_id="foreign", tenant="other")])
    index.optimize(NAME)
    index.delete_rows(NAME, "acme", [*(f"c{i}" for i in range(1, 20)), "o'unknown", "foreign"])
    assert list_ids(index) == ["c0"]
    assert list_ids(index, "other") == ["foreign"]
    assert find_ids(index, QUERY._replace(keywords="gemeinsam token7")) == ["c0"]
    index.delete_rows(NAME, "acme", [])


def test_writing_nothing_does_nothing(index: VectorIndex) -> None:
    index.upsert_rows(NAME, [])
    index.set_readers(NAME, "acme", {})
    assert list_ids(index) == []


def test_a_batch_of_5000_rows_is_written_whole_and_listed_whole(index: VectorIndex) -> None:
    rows = make_rows(5000)
    index.upsert_rows(NAME, rows)
    assert list_ids(index) == sorted(row.chunk_id for row in rows)
    index.delete_rows(NAME, "acme", [row.chunk_id for row in rows[1:]])
    assert list_ids(index) == ["c0"]


def test_stored_vectors_are_those_written_and_each_finds_its_own_row_first(index: VectorIndex) -> None:
    rows = make_rows(50)
    index.upsert_rows(NAME, rows)
    stored = index.fetch_vectors(NAME, "acme", [row.chunk_id for row in rows] + ["unknown"])
    assert stored.keys() == {row.chunk_id for row in rows}
    assert all(np.array_equal(stored[row.chunk_id], row.vector) for row in rows)
    assert index.fetch_vectors(NAME, "other", ["c0"]) == {}
    found = index.search_rows(NAME, [QUERY._replace(vector=row.vector, limit=1) for row in rows])
    assert [hits[0].chunk_id for hits in found] == [row.chunk_id for row in rows]


def test_optimizing_changes_no_result(index: VectorIndex) -> None:
    for first in range(0, 60, 20):
        index.upsert_rows(NAME, make_rows(20, first=first))
    index.delete_rows(NAME, "acme", ["c1", "c2"])
    queries = [QUERY._replace(vector=make_vector(i), keywords=f"token{i} gemeinsam", limit=20) for i in range(8)]
    before = [[hit.chunk_id for hit in hits] for hits in index.search_rows(NAME, queries)]
    index.optimize(NAME)
    index.optimize(NAME)
    assert [[hit.chunk_id for hit in hits] for hits in index.search_rows(NAME, queries)] == before


# --- collections -------------------------------------------------------------------------------------------------


def test_ensuring_twice_keeps_the_rows_and_dropping_twice_is_calm(index: VectorIndex) -> None:
    index.upsert_rows(NAME, make_rows(3))
    index.ensure_collection(SPEC)
    assert list_ids(index) == ["c0", "c1", "c2"]
    index.drop_collection(NAME)
    index.drop_collection(NAME)
    index.ensure_collection(SPEC)
    assert list_ids(index) == []


def test_collections_do_not_see_each_other(index: VectorIndex) -> None:
    index.ensure_collection(CollectionSpec(name="Other", dimension=3))
    index.upsert_rows(NAME, make_rows(3))
    index.upsert_rows("Other", [ROW._replace(vector=make_vector(1, 3))])
    assert list(index.list_chunk_ids("Other", "acme")) == ["c0"]
    index.drop_collection("Other")
    assert list_ids(index) == ["c0", "c1", "c2"]


def test_another_dimension_is_a_configuration_error_and_writes_nothing(index: VectorIndex) -> None:
    with pytest.raises(ConfigurationError):
        index.ensure_collection(CollectionSpec(name=NAME, dimension=8))
    with pytest.raises(ConfigurationError):
        index.upsert_rows(NAME, [*make_rows(2), ROW._replace(vector=make_vector(0, 8))])
    with pytest.raises(ConfigurationError):
        find(index, QUERY._replace(vector=make_vector(0, 8)))
    assert list_ids(index) == []


def test_a_collection_that_is_not_there_is_a_configuration_error(store: Store) -> None:
    with store() as index:
        calls: list[Callable[[], object]] = [
            lambda: index.search_rows("Nowhere", [QUERY]),
            lambda: index.upsert_rows("Nowhere", [ROW]),
            lambda: index.delete_rows("Nowhere", "acme", ["c0"]),
            lambda: index.set_readers("Nowhere", "acme", {"d0": ("hr",)}),
            lambda: index.fetch_vectors("Nowhere", "acme", ["c0"]),
            lambda: list(index.list_chunk_ids("Nowhere", "acme")),
            lambda: index.optimize("Nowhere"),
        ]
        for call in calls:
            with pytest.raises(ConfigurationError, match="Nowhere"):
                call()
        index.drop_collection("Nowhere")
