"""On both databases: flips while somebody publishes or searches, a whole life, a dump restored."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.answer_models import Question
from tasks.documents.tasks import (
    compare_listing,
    finish_run,
    hold_source,
    list_source,
    prune_documents,
    publish_documents,
    read_documents,
)
from tasks.errors import BackendUnavailable
from tasks.models import EVERYONE, EmbedderSpec, IngestRequest, Passage
from tasks.retrieval.tasks import flip_collection, index_documents, sweep_index, update_readers
from tasks.settings import Settings
from tasks.wiring import use_application
from tests.databases import on_postgresql_alone
from tests.integration.world import World
from tests.postgresql import PostgreSQLServer, find_binaries


def flip_to_another(world: World, model: str) -> None:
    """What a run of another source with another embedder does at its end."""
    spec = EmbedderSpec(name="default", model=model)
    former = world.serving_pipeline()
    assert former is not None
    wanted = world.current_pipeline()
    pipeline = wanted.model_copy(update={"embedder": world.embedder(spec).identity, "embedder_spec": spec})
    world.collections.open_collection(pipeline)
    world.index.ensure_collection(pipeline.collection)
    assert world.collections.flip(pipeline) == former.collection.name
    world.index.drop_collection(former.collection.name)


@pytest.mark.parametrize("step", ["read", "indexed"])
def test_a_batch_that_was_read_before_a_flip_is_published_into_the_collection_that_serves(
    world_on_both: World, step: str
) -> None:
    world = world_on_both
    world.source.files |= {"a.txt": b"# A\nOne pump.", "b.txt": b"# B\nTwo pumps."}
    request = IngestRequest(source=world.source.name)
    with hold_source(request) as run:
        list_source.fn(run, request)
        compare_listing.fn(run)
        read_documents.fn(run, request, 1)
        if step == "read":
            flip_to_another(world, "other")
        index_documents.fn(run, 1)
        if step == "indexed":
            flip_to_another(world, "other")
        publish_documents.fn(run, 1)
        update_readers.fn(run)
        prune_documents.fn(run, confirmed=False)
        sweep_index.fn(run, flip_collection.fn(run))
        ledger = finish_run.fn(run, removed=0, blocked=0)
    assert (ledger.new, ledger.live_after) == (2, 2)
    assert set(world.visible().values()) == {"live"}
    assert world.indexed() == world.live_chunks() != set()
    assert len(world.live_chunks()) == 2


class FlippedOnce:
    """A passage reader before whose first answer another run flips the collection and publishes into it."""

    def __init__(self, world: World) -> None:
        self._world, self._reader = world, world.passages
        self.asked = 0

    def read_passages(self, tenant: str, chunk_ids: Sequence[str], principals: frozenset[str]) -> dict[str, Passage]:
        """As the database has it now."""
        self.asked += 1
        if self.asked == 1:
            self._flip()
        return self._reader.read_passages(tenant, chunk_ids, principals)

    def read_neighbours(
        self, tenant: str, version_id: str, positions: Sequence[int], principals: frozenset[str]
    ) -> dict[int, Passage]:
        """As the database has it now."""
        return self._reader.read_neighbours(tenant, version_id, positions, principals)

    def read_text(self, tenant: str, document_id: str, principals: frozenset[str]) -> str | None:
        """As the database has it now."""
        return self._reader.read_text(tenant, document_id, principals)

    def _flip(self) -> None:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("EXPERTLOOP_EMBEDDER_MODEL", "other")
            other = World(Settings())
            other.source, other.index, other.fake_index = self._world.source, self._world.index, self._world.fake_index
            use_application(other)
            other.ingest()
            other.database.close()


def test_a_search_that_a_flip_overtakes_finds_what_serves_then(world_on_both: World) -> None:
    world = world_on_both
    world.source.files["a.txt"] = b"# A\nOne heavy pump."
    world.ingest()
    reader = FlippedOnce(world)
    world.passages = reader  # type: ignore[assignment]
    question = Question(text="heavy pump", principals=frozenset({EVERYONE}))
    (hits,) = world.searcher.search([question], limit=3)
    assert [hit.passage.uri for hit in hits] == ["memory://a.txt"]
    assert {hit.passage.chunk_id for hit in hits} == world.live_chunks()
    assert reader.asked == 2


def test_a_whole_life_of_documents_ends_in_the_same_state(world_on_both: World) -> None:
    world = world_on_both
    world.source.files |= {f"{name}.txt": f"# {name}\nPump {name} weighs 3 kg.".encode() for name in "abcdeä"}
    world.source.files["broken.txt"] = b"BROKEN"
    first = world.ingest()
    assert (first.new, first.quarantined) == (6, 1)
    world.source.files["moved/a.txt"] = world.source.files.pop("a.txt")
    world.source.files["b.txt"] = b"# b\nNow 4 kg."
    world.source.files["c.txt"] = b"BROKEN"
    world.source.files["broken.txt"] = b"# Mended\nIt reads well."
    world.source.groups["d.txt"] = ("hr",)
    del world.source.files["e.txt"]
    second = world.ingest()
    assert second.balances
    assert (second.renamed, second.changed, second.outdated, second.new, second.removed) == (1, 1, 1, 1, 1)
    assert world.visible() == {
        "memory://b.txt": "live", "memory://broken.txt": "live", "memory://c.txt": "outdated",
        "memory://d.txt": "live", "memory://moved/a.txt": "live", "memory://ä.txt": "live",
    }  # fmt: skip
    assert world.indexed() == world.live_chunks()
    everyone = world.passages.read_passages("default", sorted(world.live_chunks()), frozenset({EVERYONE}))
    assert "memory://d.txt" not in {passage.uri for passage in everyone.values()}
    third = world.ingest()
    assert (third.unchanged, third.outdated, third.embedded) == (5, 1, 0)


def test_a_run_makes_up_for_what_was_due_before_it_began_unless_it_failed(world_on_both: World) -> None:
    world, name = world_on_both, world_on_both.source.name
    world.source.files["a.txt"] = b"# A\nOne pump."
    due = datetime.now(UTC)
    with pytest.raises(BackendUnavailable), hold_source(IngestRequest(source=name)):
        raise BackendUnavailable("the index is down")
    assert not world.runs.was_read_since("default", name, due)
    world.ingest()
    assert world.runs.was_read_since("default", name, due)
    assert not world.runs.was_read_since("default", "another", due)
    assert not world.runs.was_read_since("default", name, datetime.now(UTC))


@on_postgresql_alone
def test_a_dump_is_restored_and_the_vector_store_filled_from_it(
    world_on_both: World,
    postgresql: PostgreSQLServer,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, binaries = world_on_both, find_binaries()
    assert binaries is not None
    world.source.files |= {f"{name}.txt": f"# {name}\nPump {name} weighs 3 kg.".encode() for name in "abc"}
    world.ingest()
    dump, empty = tmp_path / "expertloop.dump", postgresql.create_database()
    name = database_url.rpartition("/")[2]
    write: list[str | Path] = [binaries / "pg_dump", "--format=custom", f"--file={dump}", postgresql.dsn(name)]
    subprocess.run(write, check=True, capture_output=True)
    to_empty = f"--dbname={postgresql.dsn(empty)}"
    read: list[str | Path] = [binaries / "pg_restore", "--no-owner", "--exit-on-error", to_empty, dump]
    subprocess.run(read, check=True, capture_output=True)
    monkeypatch.setenv("EXPERTLOOP_DATABASE_URL", postgresql.url(empty))
    restored = World(Settings())
    restored.source = world.source
    use_application(restored)
    ledger = restored.ingest()
    assert (ledger.unchanged, ledger.embedded) == (3, 0)
    assert restored.indexed() == restored.live_chunks() == world.live_chunks() != set()
    restored.database.close()
    postgresql.drop_database(empty)
