"""`expertloop index`: a store is made good from the database, without a document or an embedder's work."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import typer

from expertloop.index import drop, rebuild, status, verify
from tasks.errors import BackendUnavailable, ConfigurationError, DeviceBusy
from tasks.models import EVERYONE
from tasks.ports import IndexHit, IndexQuery, IndexRow
from tests.fakes.vector_index import FakeIndex
from tests.integration.world import World

DOCUMENTS = 110
"""More than one page of versions, so that filling takes two writes."""


class BreakingIndex(FakeIndex):
    """Fails at its second write, once."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[int] = []

    def upsert_rows(self, collection: str, rows: Sequence[IndexRow]) -> None:
        self.writes.append(len(rows))
        if len(self.writes) == 2:
            raise BackendUnavailable("gone")
        super().upsert_rows(collection, rows)


class WatchedIndex(FakeIndex):
    """Says after each change how many rows it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def upsert_rows(self, collection: str, rows: Sequence[IndexRow]) -> None:
        super().upsert_rows(collection, rows)
        self.sizes.append(len(list(self.list_chunk_ids(collection, "default"))))

    def delete_rows(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> None:
        super().delete_rows(collection, tenant, chunk_ids)
        self.sizes.append(len(list(self.list_chunk_ids(collection, "default"))))


class ForgetfulIndex(FakeIndex):
    """Its graph lost a row that is still listed, and takes it back only when it was deleted before."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: set[str] = set()

    def search_rows(self, collection: str, queries: Sequence[IndexQuery]) -> list[list[IndexHit]]:
        found = super().search_rows(collection, queries)
        return [[hit for hit in hits if hit.chunk_id not in self.lost] for hits in found]

    def delete_rows(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> None:
        super().delete_rows(collection, tenant, chunk_ids)
        self.lost -= set(chunk_ids)


@pytest.fixture
def filled(world: World) -> World:
    for number in range(DOCUMENTS):
        world.source.files[f"doc{number}.txt"] = f"# Manual {number}\nPump {number} weighs {number} kg.".encode()
    world.ingest()
    return world


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """A command's only record."""

    def call(command: Callable[..., None], **options: bool) -> dict[str, Any]:
        capsys.readouterr()
        command(as_json=True, **options)
        (line,) = capsys.readouterr().out.splitlines()
        record: dict[str, Any] = json.loads(line)
        return record

    return call


def replace_store(world: World, store: FakeIndex) -> None:
    world.index = world.fake_index = store


def test_another_store_is_filled_without_reading_or_embedding(filled: World, run: Callable[..., Any]) -> None:
    before, vectors = filled.fake_index, filled.fake_embedder.embedded
    filled.source.opened.clear()
    replace_store(filled, FakeIndex())
    record = run(rebuild)
    assert (record["expected"], record["written"], record["embedded"], record["removed"]) == (
        DOCUMENTS,
        DOCUMENTS,
        0,
        0,
    )
    assert filled.source.opened == []
    assert filled.fake_embedder.embedded == vectors
    assert filled.indexed() == filled.live_chunks()
    assert filled.found_in_index({EVERYONE}) == _found(filled, before)


def _found(world: World, store: FakeIndex) -> set[str]:
    now = world.fake_index
    replace_store(world, store)
    found = world.found_in_index({EVERYONE})
    replace_store(world, now)
    return found


def test_a_rebuild_that_broke_goes_on_with_what_is_missing(filled: World, run: Callable[..., Any]) -> None:
    store = BreakingIndex()
    replace_store(filled, store)
    with pytest.raises(BackendUnavailable):
        run(rebuild)
    first, _ = store.writes
    record = run(rebuild)
    assert record["written"] == DOCUMENTS - first
    assert filled.indexed() == filled.live_chunks()


def test_a_store_that_serves_has_every_row_at_every_moment_of_a_rebuild(filled: World, run: Callable[..., Any]) -> None:
    store = WatchedIndex()
    replace_store(filled, store)
    run(rebuild)
    store.sizes.clear()
    record = run(rebuild, again=True)
    assert record["written"] == DOCUMENTS
    assert store.sizes
    assert set(store.sizes) == {DOCUMENTS}


def test_rows_get_the_readers_that_their_documents_have_today(filled: World, run: Callable[..., Any]) -> None:
    filled.source.groups["doc7.txt"] = ("hr",)
    filled.ingest()
    replace_store(filled, FakeIndex())
    run(rebuild)
    assert len(filled.found_in_index({"hr"})) == 1
    assert filled.found_in_index({"hr"}) <= filled.indexed()


def test_verify_says_what_is_missing_and_extra_and_repairs_both(filled: World, run: Callable[..., Any]) -> None:
    pipeline = filled.serving_pipeline()
    assert pipeline is not None
    name = pipeline.collection.name
    chunk_ids = sorted(filled.indexed())
    vector = filled.fake_index.fetch_vectors(name, "default", chunk_ids[:1])[chunk_ids[0]]
    filled.fake_index.delete_rows(name, "default", chunk_ids[:3])
    filled.fake_index.upsert_rows(
        name,
        [IndexRow("left-over", "d", "default", vector, "pump", "files", "en", "txt", None, (EVERYONE,))],
    )
    record = run(verify)
    expected = {"expected": DOCUMENTS, "missing": 3, "extra": 1, "self_recall": 1.0, "repaired": 4}
    assert record == {"collection": name, **expected}
    assert filled.indexed() == filled.live_chunks()
    assert run(verify) == {"collection": name, **expected, "missing": 0, "extra": 0, "repaired": 0}


def test_verify_finds_and_mends_a_row_that_is_listed_and_cannot_be_found(
    filled: World, run: Callable[..., Any]
) -> None:
    store = ForgetfulIndex()
    replace_store(filled, store)
    run(rebuild)
    store.lost = set(sorted(filled.indexed())[:50])
    record = run(verify, all_vectors=True)
    assert record["missing"] == 0
    assert 0 < record["self_recall"] < 1
    assert record["repaired"] == round((1 - record["self_recall"]) * DOCUMENTS)
    assert filled.indexed() == filled.live_chunks()


def test_what_stays_wrong_after_the_repair_is_exit_code_1(filled: World, run: Callable[..., Any]) -> None:
    class StubbornIndex(ForgetfulIndex):
        def delete_rows(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> None:
            FakeIndex.delete_rows(self, collection, tenant, chunk_ids)

    store = StubbornIndex()
    replace_store(filled, store)
    run(rebuild)
    store.lost = filled.indexed()
    with pytest.raises(typer.Exit) as caught:
        verify(as_json=True)
    assert caught.value.exit_code == 1


def test_a_store_is_not_filled_while_a_source_is_ingested(filled: World) -> None:
    with filled.hold_source("default", filled.source.name):
        for command in (rebuild, verify):
            with pytest.raises(DeviceBusy):
                command()


def test_nothing_is_dropped_without_a_word_and_a_dropped_collection_can_be_rebuilt(
    filled: World, run: Callable[..., Any]
) -> None:
    with pytest.raises(ConfigurationError, match="Expertloop_") as caught:
        drop()
    assert "--yes" in caught.value.advice
    assert run(status)["present"] == DOCUMENTS
    drop(confirmed=True)
    assert (run(status)["present"], run(status)["expected"]) == (0, DOCUMENTS)
    assert run(rebuild)["written"] == DOCUMENTS


def test_before_the_first_ingest_there_is_nothing_to_rebuild(world: World) -> None:
    with pytest.raises(ConfigurationError, match="nothing is ingested yet"):
        rebuild()
