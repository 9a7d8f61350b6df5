"""What every vector store must do, whichever it is: one suite over the fake and LanceDB.

A further store is one more function in `STORES`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.errors import ArtifactCorrupt, BackendUnavailable, ConfigurationError
from tasks.integrations.lancedb import LanceIndex
from tasks.models import EVERYONE, CollectionSpec, SearchFilter
from tasks.ports import IndexHit, IndexQuery, IndexRow, VectorIndex
from tests.fakes.vector_index import FakeIndex, is_readable

DIMENSION = 16
NAME = "Chunks_test"
SPEC = CollectionSpec(name=NAME, dimension=DIMENSION)


@contextmanager
def open_fake() -> Iterator[VectorIndex]:
    yield FakeIndex()


@contextmanager
def open_lancedb() -> Iterator[VectorIndex]:
    with TemporaryDirectory() as folder:
        yield LanceIndex(Path(folder))


Store = Callable[[], AbstractContextManager[VectorIndex]]
STORES: dict[str, Store] = {"fake": open_fake, "lancedb": open_lancedb}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Store:
    return STORES[request.param]


@pytest.fixture
def index(store: Store) -> Iterator[VectorIndex]:
    with store() as opened:
        opened.ensure_collection(SPEC)
        yield opened


def make_vector(seed: int, dimension: int = DIMENSION) -> NDArray[np.float32]:
    vector = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


ROW = IndexRow(
    chunk_id="c0",
    document_id="d0",
    tenant="acme",
    vector=make_vector(0),
    keywords="wartung pumpe",
    source="files",
    language="de",
    document_type="pdf",
    modified=datetime(2026, 1, 15, tzinfo=UTC),
    readers=(EVERYONE,),
)


def make_rows(number: int, *, first: int = 0) -> list[IndexRow]:
    """Row i has its own vector and the token `token<i>`; ten rows make a document."""
    return [
        ROW._replace(chunk_id=f"c{i}", document_id=f"d{i // 10}", vector=make_vector(i), keywords=f"gemeinsam token{i}")
        for i in range(first, first + number)
    ]


QUERY = IndexQuery(
    tenant="acme", principals=frozenset({EVERYONE}), vector=make_vector(0), keywords="", alpha=0.5, limit=10
)


def find(index: VectorIndex, query: IndexQuery) -> list[IndexHit]:
    [hits] = index.search_rows(NAME, [query])
    return hits


def find_ids(index: VectorIndex, query: IndexQuery) -> list[str]:
    return [hit.chunk_id for hit in find(index, query)]


def list_ids(index: VectorIndex, tenant: str = "acme") -> list[str]:
    return sorted(index.list_chunk_ids(NAME, tenant))


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


# --- searching ---------------------------------------------------------------------------------------------------


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


# --- filters and access ------------------------------------------------------------------------------------------

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
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


# --- more than one process (the embedded store) ------------------------------------------------------------------


def write_rows(folder: Path, first: int, batches: int, ready: object) -> None:
    index = LanceIndex(folder)
    index.ensure_collection(SPEC)
    ready.wait()  # type: ignore[attr-defined]
    for batch in range(batches):
        index.upsert_rows(NAME, make_rows(20, first=20 * batch))
        index.upsert_rows(NAME, make_rows(5, first=first + 5 * batch))


def write_for_ever(folder: Path, ready: object) -> None:
    index = LanceIndex(folder)
    index.ensure_collection(SPEC)
    for batch in count():
        index.upsert_rows(NAME, make_rows(20, first=20 * (batch % 5)))
        index.optimize(NAME)
        if batch == 1:
            ready.set()  # type: ignore[attr-defined]


def test_two_processes_writing_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    # They begin together and most of their rows are the same: left to itself, LanceDB 0.40 stores some of those twice.
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2, timeout=120)
    writers = [context.Process(target=write_rows, args=(tmp_path, first, 10, barrier)) for first in (1000, 2000)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert list_ids(LanceIndex(tmp_path)) == sorted(
        f"c{i}" for i in (*range(200), *range(1000, 1050), *range(2000, 2050))
    )


def test_kill_9_of_a_writer_leaves_a_readable_table_and_rerunning_gives_the_exact_state(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    writer = context.Process(target=write_for_ever, args=(tmp_path, ready))
    writer.start()
    assert ready.wait(120)
    os.kill(writer.pid or 0, signal.SIGKILL)
    writer.join()
    index = LanceIndex(tmp_path)
    index.ensure_collection(SPEC)
    survivors = list_ids(index)
    assert len(set(survivors)) == len(survivors) >= 20
    rows = make_rows(100)
    index.upsert_rows(NAME, rows)
    index.optimize(NAME)
    assert list_ids(index) == sorted(row.chunk_id for row in rows)
    found = index.search_rows(NAME, [QUERY._replace(vector=row.vector, keywords=row.keywords, limit=1) for row in rows])
    assert [hits[0].chunk_id for hits in found] == [row.chunk_id for row in rows]


def test_a_collection_whose_creation_was_killed_is_created_by_the_next_run(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.lance" / "_transactions").mkdir(parents=True)
    index = LanceIndex(tmp_path)
    index.ensure_collection(SPEC)
    assert list_ids(index) == []


def test_a_collection_dropped_and_refilled_by_another_handle_is_seen_at_once(tmp_path: Path) -> None:
    reader, writer = LanceIndex(tmp_path), LanceIndex(tmp_path)
    writer.ensure_collection(SPEC)
    writer.upsert_rows(NAME, make_rows(3))
    assert list_ids(reader) == ["c0", "c1", "c2"]
    writer.drop_collection(NAME)
    writer.ensure_collection(SPEC)
    writer.upsert_rows(NAME, make_rows(1, first=9))
    assert list_ids(reader) == ["c9"]
    assert find_ids(reader, QUERY) == ["c9"]


@pytest.mark.parametrize("dimension", [DIMENSION, 100])
def test_the_approximate_index_of_a_big_collection_loses_nothing(tmp_path: Path, dimension: int) -> None:
    index = LanceIndex(tmp_path, ann_rows=500)
    index.ensure_collection(CollectionSpec(name=NAME, dimension=dimension))
    rows = [row._replace(vector=make_vector(i, dimension)) for i, row in enumerate(make_rows(600))]
    rare = [row._replace(chunk_id=f"rare{i}", tenant="rare") for i, row in enumerate(rows[:5])]
    index.upsert_rows(NAME, [*rows, *rare])
    index.optimize(NAME)
    index.delete_rows(NAME, "acme", ["c1"])
    later = ROW._replace(chunk_id="later", vector=make_vector(999, dimension))
    index.upsert_rows(NAME, [later])
    live = [row for row in [*rows, later] if row.chunk_id != "c1"]
    found = index.search_rows(NAME, [QUERY._replace(vector=row.vector, limit=1) for row in live])
    assert [hits[0].chunk_id for hits in found] == [row.chunk_id for row in live]
    assert len(find_ids(index, QUERY._replace(tenant="rare", vector=rows[0].vector))) == 5
    index.optimize(NAME)
    assert find_ids(index, QUERY._replace(vector=later.vector, limit=1)) == ["later"]
    assert "c1" not in find_ids(index, QUERY._replace(vector=rows[1].vector, limit=500))


def damage_data(table: Path) -> None:
    for file in (table / "data").iterdir():
        file.write_bytes(b"junk")


def remove_data(table: Path) -> None:
    for file in (table / "data").iterdir():
        file.unlink()


def damage_manifest(table: Path) -> None:
    for file in (table / "_versions").iterdir():
        file.write_bytes(b"junk" * 100)


def remove_manifest(table: Path) -> None:
    for file in (table / "_versions").iterdir():
        file.unlink()


@pytest.mark.parametrize("damage", [damage_data, remove_data, damage_manifest, remove_manifest])
def test_a_damaged_table_says_so_and_can_be_made_anew(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    LanceIndex(tmp_path).ensure_collection(SPEC)
    LanceIndex(tmp_path).upsert_rows(NAME, make_rows(3))
    damage(tmp_path / f"{NAME}.lance")
    index = LanceIndex(tmp_path)
    with pytest.raises(ArtifactCorrupt, match=NAME) as caught:
        find(index, QUERY)
    assert caught.value.advice
    index.drop_collection(NAME)
    index.ensure_collection(SPEC)
    assert list_ids(index) == []


def test_a_folder_that_is_a_file_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("not a folder")
    with pytest.raises(ConfigurationError):
        LanceIndex(tmp_path / "index").ensure_collection(SPEC)


def fill_the_disk(index: VectorIndex, batches: Sequence[list[IndexRow]]) -> None:
    for batch in batches:
        index.upsert_rows(NAME, batch)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_is_transient_and_leaves_what_was_written_before(tmp_path: Path) -> None:
    if os.system(f"mount -t tmpfs -o size=1m tmpfs {tmp_path}") != 0:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        index = LanceIndex(tmp_path)
        index.ensure_collection(SPEC)
        index.upsert_rows(NAME, make_rows(5))
        with pytest.raises(BackendUnavailable):
            fill_the_disk(index, [make_rows(2000, first=2000 * i) for i in range(1, 30)])
        assert set(list_ids(index)) >= {"c0", "c1", "c2", "c3", "c4"}
        assert find_ids(index, QUERY._replace(limit=1)) == ["c0"]
    finally:
        os.system(f"umount {tmp_path}")
