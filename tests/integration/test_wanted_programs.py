"""Parts of documents that want a program that is not installed: read once it is there, and nothing else is."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tasks.integrations.database.schema import documents
from tasks.models import EVERYONE, IngestRequest, derive_document_id
from tests.integration.world import World, reopen

ALL = frozenset({EVERYONE})


def fill_with_picture(world: World) -> None:
    world.add_manuals(3)
    world.source.files["scan.txt"] = b"# Minutes\nThe board met.\nPICTURE Signed by Anna."


def signature_is_read(world: World, path: str = "scan.txt") -> bool:
    text = world.passages.read_text("default", derive_document_id("default", world.source.name, path), ALL)
    assert text is not None
    return "Signed by Anna" in text


def list_wanted(world: World) -> list[str]:
    """Reasons of parts that readers are told were not read."""
    with world.database.read() as connection:
        parts = connection.execute(sa.select(documents.c.part_problems)).scalars().all()
    return [one["problem"]["reason"] for some in parts for one in some or ()]


def install(world: World, *programs: str) -> None:
    world.fake_partitioner.capabilities = ",".join(programs)
    world.fake_partitioner.supplied = frozenset(f"needs-{program}" for program in programs)


def test_parts_that_wanted_a_program_are_read_once_it_is_there_and_nothing_else_is(world_on_both: World) -> None:
    world = world_on_both
    fill_with_picture(world)
    assert world.ingest().new == 4
    read = world.fake_partitioner.read
    read.clear()
    for programs in ((), ("pandoc",)):
        install(world, *programs)
        assert world.ingest().unchanged == 4
    assert (read, list_wanted(world), signature_is_read(world)) == ([], ["needs-tesseract"], False)
    install(world, "tesseract", "pandoc")
    for _ in range(2):
        assert world.ingest().unchanged == 4
        assert (read, list_wanted(world), signature_is_read(world)) == (["scan.txt"], [], True)
        assert world.indexed() == world.live_chunks()


def test_readers_see_the_incomplete_version_until_the_complete_one_is_published(world: World) -> None:
    from tasks.documents.tasks import compare_listing, hold_source, list_source, read_documents
    from tasks.retrieval.tasks import index_documents

    fill_with_picture(world)
    world.ingest()
    before = world.live_chunks()
    install(world, "tesseract")
    request = IngestRequest(source=world.source.name)
    with hold_source(request) as run:
        list_source.fn(run, request)
        assert compare_listing.fn(run) == 1
        read = read_documents.fn(run, request, 1)
        assert (world.live_chunks(), signature_is_read(world)) == (before, False)
        index_documents.fn(run, read)
    assert (world.live_chunks(), signature_is_read(world)) == (before, False)
    # Killed here, the next run finds it read.
    world.fake_partitioner.read.clear()
    assert world.ingest().unchanged == 4
    assert (world.fake_partitioner.read, list_wanted(world), signature_is_read(world)) == ([], [], True)
    assert world.indexed() == world.live_chunks()


def test_a_flip_makes_the_complete_one_of_two_readings_live(
    world_on_both: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.documents.tasks import compare_listing, hold_source, list_source, read_documents
    from tasks.retrieval.tasks import index_documents

    fill_with_picture(world_on_both)
    world_on_both.ingest()
    monkeypatch.setenv("EXPERTLOOP_EMBEDDER_MODEL", "other")
    world = reopen(world_on_both)
    request = IngestRequest(source=world.source.name)
    with hold_source(request) as run:
        list_source.fn(run, request)
        for batch in range(1, compare_listing.fn(run) + 1):
            index_documents.fn(run, read_documents.fn(run, request, batch))
    assert world.serving_pipeline() == world_on_both.serving_pipeline()
    install(world, "tesseract")
    world.ingest()
    assert world.serving_pipeline() == world.current_pipeline()
    assert (list_wanted(world), signature_is_read(world)) == ([], True)
    assert world.indexed() == world.live_chunks()
    world.database.close()


def test_a_document_that_cannot_be_read_with_the_program_stays_live_and_is_not_tried_each_time(world: World) -> None:
    fill_with_picture(world)
    world.source.files["scan.txt"] = b"# Minutes\nThe board met.\nSMEARED PICTURE"
    world.ingest()
    install(world, "tesseract")
    world.fake_partitioner.read.clear()
    for _ in range(2):
        assert world.ingest().unchanged == 4
        assert world.visible()["memory://scan.txt"] == "live"
        assert (world.fake_partitioner.read, list_wanted(world)) == (["scan.txt"], ["damaged"])
    assert world.indexed() == world.live_chunks()


def test_a_renamed_document_is_completed_by_the_run_after_that_in_which_both_happened(world: World) -> None:
    fill_with_picture(world)
    world.ingest()
    world.source.files["minutes.txt"] = world.source.files.pop("scan.txt")
    install(world, "tesseract")
    assert world.ingest().renamed == 1
    world.ingest()
    assert signature_is_read(world, "minutes.txt")


def test_a_rename_takes_along_that_a_program_is_wanted(world: World) -> None:
    fill_with_picture(world)
    world.ingest()
    world.source.files["minutes.txt"] = world.source.files.pop("scan.txt")
    assert world.ingest().renamed == 1
    assert list_wanted(world) == ["needs-tesseract"]
    install(world, "tesseract")
    world.fake_partitioner.read.clear()
    world.ingest()
    assert world.fake_partitioner.read == ["minutes.txt"]
    assert (list_wanted(world), signature_is_read(world, "minutes.txt")) == ([], True)
