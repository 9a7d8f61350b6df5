"""What only the embedded store must do: share its folder between processes, survive kills, damage and a full disk."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pytest

from tasks.errors import ArtifactCorrupt, BackendUnavailable, ConfigurationError
from tasks.integrations.lancedb import LanceIndex
from tasks.models import CollectionSpec
from tasks.ports import IndexRow, VectorIndex
from tests.contract.vector_index import (
    DIMENSION,
    NAME,
    QUERY,
    ROW,
    SPEC,
    find,
    find_ids,
    list_ids,
    make_rows,
    make_vector,
)


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
