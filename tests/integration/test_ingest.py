"""The ingest flow: every listed file ends in exactly one count, and readers see what the counts say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.curation.collect import Importer, ImportOptions
from tasks.curation_ports import RawRow
from tasks.errors import ConfigurationError, TransientError
from tasks.models import EVERYONE, IngestRequest, Problem
from tests.integration.world import World, reopen

ALL = frozenset({EVERYONE})


def test_new_documents_become_visible_and_are_indexed(world: World) -> None:
    world.add_manuals(3)
    ledger = world.ingest()
    assert (ledger.listed, ledger.new, ledger.live_after) == (3, 3, 3)
    assert ledger.balances
    assert world.visible() == {f"memory://doc{n}.txt": "live" for n in range(3)}
    assert world.indexed() == world.live_chunks() != set()


def test_a_second_run_reads_and_embeds_nothing(world: World) -> None:
    world.add_manuals()
    world.ingest()
    world.source.opened.clear()
    embedded = world.fake_embedder.embedded
    ledger = world.ingest()
    assert (ledger.unchanged, ledger.new, ledger.embedded) == (8, 0, 0)
    assert world.source.opened == []
    assert world.fake_embedder.embedded == embedded


def test_a_changed_document_replaces_its_old_chunks(world: World) -> None:
    world.add_manuals()
    world.ingest()
    before = world.live_chunks()
    world.source.files["doc3.txt"] = b"# Manual 3\nPump 3 weighs 300 kg now."
    ledger = world.ingest()
    assert (ledger.changed, ledger.unchanged, ledger.live_after) == (1, 7, 8)
    assert world.indexed() == world.live_chunks()
    assert len(before - world.live_chunks()) == 1


def test_new_bytes_with_the_same_content_are_unchanged(world: World) -> None:
    world.add_manuals(1)
    world.ingest()
    document = world.source.files.pop("doc0.txt")
    world.source.files["doc0.txt"] = bytes(document)
    assert world.ingest().unchanged == 1


def test_a_renamed_document_keeps_its_vectors_and_takes_the_new_path(world: World) -> None:
    world.add_manuals()
    world.ingest()
    embedded = world.fake_embedder.embedded
    world.source.files["moved/doc0.txt"] = world.source.files.pop("doc0.txt")
    ledger = world.ingest()
    assert (ledger.renamed, ledger.removed, ledger.new, ledger.live_after) == (1, 0, 0, 8)
    assert world.fake_embedder.embedded == embedded
    assert "memory://moved/doc0.txt" in world.visible()
    assert "memory://doc0.txt" not in world.visible()
    assert world.indexed() == world.live_chunks()


def test_a_document_that_was_called_by_its_file_name_is_called_by_the_new_one(world: World) -> None:
    world.source.files["plain.txt"] = b"It weighs three kilograms."
    world.ingest()
    world.source.files["renamed.txt"] = world.source.files.pop("plain.txt")
    assert world.ingest().renamed == 1
    assert [document.title for document in world.catalogue.list_documents("default")] == ["renamed"]


def test_a_rename_without_the_embedding_cache_takes_the_vectors_over_from_the_index(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.integrations.database.vector_cache import NoVectorCache

    world.vector_cache = NoVectorCache()
    world.add_manuals(2)
    world.ingest()
    world.source.files["new.txt"] = world.source.files.pop("doc0.txt")
    ledger = world.ingest()
    assert (ledger.renamed, ledger.embedded) == (1, 0)
    assert world.indexed() == world.live_chunks()


def test_a_rename_and_a_copy_are_told_apart(world: World) -> None:
    world.add_manuals(2)
    world.ingest()
    world.source.files["copy.txt"] = world.source.files["doc0.txt"]
    ledger = world.ingest()
    assert (ledger.renamed, ledger.new, ledger.live_after) == (0, 1, 3)


def test_two_files_with_the_content_of_one_that_is_gone_claim_it_once(world: World) -> None:
    world.add_manuals(2)
    world.ingest()
    content = world.source.files.pop("doc0.txt")
    world.source.files |= {"a.txt": content, "b.txt": content}
    ledger = world.ingest()
    assert (ledger.renamed, ledger.new, ledger.removed, ledger.live_after) == (1, 1, 0, 3)
    assert world.indexed() == world.live_chunks()


def test_a_vanished_document_is_removed_from_sight_and_from_the_index(world: World) -> None:
    world.add_manuals()
    world.ingest()
    del world.source.files["doc5.txt"]
    ledger = world.ingest()
    assert (ledger.removed, ledger.live_after) == (1, 7)
    assert world.indexed() == world.live_chunks()


def test_a_document_that_comes_back_is_new_again(world: World) -> None:
    world.add_manuals(2)
    world.ingest()
    content = world.source.files.pop("doc0.txt")
    world.ingest()
    world.source.files["doc0.txt"] = content
    ledger = world.ingest()
    assert (ledger.new, ledger.live_after) == (1, 2)
    assert world.indexed() == world.live_chunks()


def test_a_listing_that_shrank_much_removes_nothing_until_a_person_confirms(world: World) -> None:
    world.add_manuals(20)
    world.ingest()
    for number in range(6):
        del world.source.files[f"doc{number}.txt"]
    ledger = world.ingest()
    assert (ledger.removed, ledger.prune_blocked, ledger.live_after) == (0, 6, 20)
    assert world.ingest(confirm_prune=True).removed == 6


def test_a_listing_that_fails_half_way_removes_nothing(world: World) -> None:
    world.add_manuals()
    world.ingest()
    world.source.listing_fails_after = 3
    with pytest.raises(TransientError, match="cut"):
        world.ingest()
    assert len(world.visible()) == 8
    world.source.listing_fails_after = None
    assert world.ingest().unchanged == 8


def test_an_unreadable_new_document_is_quarantined_and_its_neighbours_go_on(world: World) -> None:
    world.add_manuals(2)
    world.source.files["bad.txt"] = b"BROKEN"
    ledger = world.ingest()
    assert (ledger.new, ledger.quarantined, ledger.live_after) == (2, 1, 2)
    (entry,) = world.catalogue.list_quarantine("default")
    assert (entry.uri, entry.reason, entry.advice) == ("memory://bad.txt", "damaged", "repair it")


def test_a_quarantined_document_is_not_read_again_until_something_changed(world: World) -> None:
    world.source.files["bad.txt"] = b"BROKEN"
    world.ingest()
    assert world.ingest().quarantined == 1
    assert world.fake_partitioner.read == ["bad.txt"]
    world.fake_partitioner.capabilities = "tesseract"
    assert world.ingest().quarantined == 1
    assert world.fake_partitioner.read == ["bad.txt", "bad.txt"]


def test_a_repaired_document_leaves_quarantine_as_new(world: World) -> None:
    world.source.files["bad.txt"] = b"BROKEN"
    world.ingest()
    world.source.files["bad.txt"] = b"# Repaired\nIt reads well."
    ledger = world.ingest()
    assert (ledger.new, ledger.quarantined, ledger.live_after) == (1, 0, 1)
    assert list(world.catalogue.list_quarantine("default")) == []


def test_a_quarantined_file_that_is_deleted_is_forgotten(world: World) -> None:
    world.add_manuals(1)
    world.source.files["bad.txt"] = b"BROKEN"
    world.ingest()
    del world.source.files["bad.txt"]
    ledger = world.ingest()
    assert (ledger.removed, ledger.live_after) == (0, 1)
    assert list(world.catalogue.list_quarantine("default")) == []


def test_a_changed_document_that_cannot_be_read_keeps_its_old_version(world: World) -> None:
    world.add_manuals(2)
    world.ingest()
    chunks = world.live_chunks()
    world.source.files["doc0.txt"] = b"BROKEN"
    ledger = world.ingest()
    assert (ledger.outdated, ledger.live_after) == (1, 2)
    assert world.visible()["memory://doc0.txt"] == "outdated"
    assert world.live_chunks() == chunks
    passages = world.passages.read_passages("default", sorted(chunks), ALL)
    assert [p.outdated for p in passages.values() if p.uri == "memory://doc0.txt"] == [True]
    assert world.ingest().outdated == 1


def test_an_outdated_document_that_is_restored_is_live_again(world: World) -> None:
    world.add_manuals(1)
    world.ingest()
    good = world.source.files["doc0.txt"]
    world.source.files["doc0.txt"] = b"BROKEN"
    world.ingest()
    world.source.files["doc0.txt"] = good
    ledger = world.ingest()
    assert (ledger.changed, ledger.embedded) == (1, 0)
    assert world.visible() == {"memory://doc0.txt": "live"}


def test_an_empty_document_is_listed_as_empty(world: World) -> None:
    world.source.files["empty.txt"] = b""
    ledger = world.ingest()
    assert (ledger.new, ledger.live_after) == (1, 1)
    assert world.visible() == {"memory://empty.txt": "empty"}


def test_a_listed_problem_is_quarantined_without_opening_the_file(world: World) -> None:
    world.source.files["pipe"] = b""
    world.source.problems["pipe"] = Problem(reason="not-a-file", message="pipe is a pipe", advice="exclude it")
    assert world.ingest().quarantined == 1
    assert world.source.opened == []


def test_a_file_that_vanished_after_the_listing_is_quarantined(world: World) -> None:
    world.add_manuals(1)
    listing = list(world.source.list_documents())
    world.source.files.clear()
    world.source.list_documents = lambda: iter(listing)  # type: ignore[method-assign]
    assert world.ingest().quarantined == 1


def test_withdrawn_readers_lose_a_document_and_granted_ones_find_it(world: World) -> None:
    world.add_manuals(1)
    world.ingest()
    (chunk,) = world.live_chunks()
    world.source.groups["doc0.txt"] = ("hr",)
    assert world.ingest().unchanged == 1
    assert world.passages.read_passages("default", [chunk], ALL) == {}
    assert set(world.passages.read_passages("default", [chunk], frozenset({"hr"}))) == {chunk}
    assert world.found_in_index({"hr"}) == {chunk}
    assert world.found_in_index({EVERYONE}) == set()


def test_readers_that_cannot_be_told_any_more_withdraw_a_document_until_they_can(world: World) -> None:
    world.add_manuals(1)
    world.ingest()
    (chunk,) = world.live_chunks()
    world.source.groups["doc0.txt"] = ()
    world.source.problems["doc0.txt"] = Problem(reason="groups-unreadable", message="nobody may read it", advice="…")
    assert world.ingest().outdated == 1
    assert world.passages.read_passages("default", [chunk], frozenset({EVERYONE, "hr"})) == {}
    assert world.found_in_index({EVERYONE, "hr"}) == set()
    world.source.groups["doc0.txt"] = ("hr",)
    del world.source.problems["doc0.txt"]
    world.ingest()
    assert set(world.passages.read_passages("default", [chunk], frozenset({"hr"}))) == {chunk}
    assert world.found_in_index({"hr"}) == {chunk}
    assert world.found_in_index({EVERYONE}) == set()


def test_a_passage_that_was_shown_before_is_shown_as_it_is_now(world: World) -> None:
    world.add_manuals(1)
    world.ingest()

    def read() -> list[tuple[str, str, bool]]:
        passages = world.passages.read_passages("default", sorted(world.live_chunks()), ALL).values()
        return [(passage.uri, passage.chunk.text, passage.outdated) for passage in passages]

    ((uri, text, outdated),) = read()
    assert not outdated
    good, world.source.files["doc0.txt"] = world.source.files["doc0.txt"], b"BROKEN"
    world.ingest()
    assert read() == [(uri, text, True)]
    world.source.files["doc0.txt"] = good
    world.ingest()
    assert read() == [(uri, text, False)]
    world.source.groups["doc0.txt"] = ("hr",)
    world.ingest()
    assert read() == []


def test_what_a_source_is_trusted_holds_from_the_next_run_on_without_reading(world: World) -> None:
    world.add_manuals(1)
    world.ingest()
    (chunk,) = world.live_chunks()
    assert world.passages.list_believed_sources("default") is None
    world.source.trust = "low"
    assert world.ingest().unchanged == 1
    assert world.passages.read_passages("default", [chunk], ALL)[chunk].trust == "low"
    assert world.passages.list_believed_sources("default") == ()


def test_another_embedder_fills_a_second_collection_and_takes_over_in_one_commit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_manuals(3)
    world.ingest()
    old = world.serving_pipeline()
    assert old is not None
    monkeypatch.setenv("EXPERTLOOP_EMBEDDER_MODEL", "other")
    other = reopen(world)
    ledger = other.ingest()
    new = other.serving_pipeline()
    assert (ledger.unchanged, ledger.reprocessed) == (3, 3)
    assert new is not None
    assert new.embedder.name == "other"
    assert other.indexed() == other.live_chunks()
    with pytest.raises(ConfigurationError, match="no collection"):
        next(other.index.list_chunk_ids(old.collection.name, "default"))


def test_an_outdated_document_survives_a_change_of_the_embedder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add_manuals(2)
    world.ingest()
    world.source.files["doc0.txt"] = b"BROKEN"
    world.ingest()
    monkeypatch.setenv("EXPERTLOOP_EMBEDDER_MODEL", "other")
    other = reopen(world)
    ledger = other.ingest()
    assert (ledger.outdated, ledger.live_after) == (1, 2)
    assert other.visible()["memory://doc0.txt"] == "outdated"
    assert other.indexed() == other.live_chunks()


def test_a_lost_vector_store_is_filled_again_from_the_database(world: World) -> None:
    world.add_manuals(3)
    world.ingest()
    pipeline = world.serving_pipeline()
    assert pipeline is not None
    world.index.drop_collection(pipeline.collection.name)
    ledger = world.ingest()
    assert (ledger.unchanged, ledger.embedded) == (3, 0)
    assert world.indexed() == world.live_chunks() != set()


def test_a_run_that_was_cut_between_indexing_and_publishing_is_finished_by_the_next(world: World) -> None:
    from tasks.documents.tasks import compare_listing, hold_source, list_source, read_documents
    from tasks.retrieval.tasks import index_documents

    world.add_manuals(3)
    request = IngestRequest(source=world.source.name)
    with hold_source(request) as run:
        list_source.fn(run, request)
        assert compare_listing.fn(run) == 1
        index_documents.fn(run, read_documents.fn(run, request, 1))
    assert world.visible() == {}
    world.source.files["doc0.txt"] = b"# Manual 0\nChanged while nobody looked."
    ledger = world.ingest()
    assert (ledger.new, ledger.live_after) == (3, 3)
    assert world.indexed() == world.live_chunks()


def test_pairs_follow_their_documents_through_changes_renames_and_withdrawn_readers(world: World) -> None:
    world.add_manuals()
    world.ingest()
    rows = [
        {"question": f"How heavy is pump {n}?", "answer": f"{n} kg", "evidence": [quote_of(n)], "state": "approved"}
        for n in range(4)
    ]
    raw = [RawRow(number, row) for number, row in enumerate(rows, start=1)]
    (progress,) = Importer(world.open_desk(), ImportOptions("anna", datetime.now(UTC), {})).import_rows(raw)
    assert progress.summary.approved == 4, progress.lines
    world.source.files["doc0.txt"] = b"# Manual 0\nPump 0 weighs 500 kg now."
    world.source.files["renamed.txt"] = world.source.files.pop("doc1.txt")
    world.source.files["doc2.txt"] = b"# Manual 2\nSecond edition. Pump 2 weighs 2 kg."
    del world.source.files["doc3.txt"]
    world.ingest(confirm_prune=True)
    states = {pair.question: (pair.state.value, pair.evidence[0].uri) for pair in world.pairs.list_pairs("default")}
    assert states == {
        "How heavy is pump 0?": ("stale", "memory://doc0.txt"),
        "How heavy is pump 1?": ("approved", "memory://renamed.txt"),
        "How heavy is pump 2?": ("approved", "memory://doc2.txt"),
        "How heavy is pump 3?": ("stale", ""),
    }


def quote_of(number: int) -> dict[str, str]:
    return {"document": f"doc{number}.txt", "quote": f"Pump {number} weighs {number} kg."}
