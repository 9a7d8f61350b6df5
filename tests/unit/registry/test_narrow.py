"""Datasets whose readers were narrowed are marked, and their mark goes when they are widened again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.curation_models import Dataset, Pair, Split
from tasks.erasure_models import DatasetMark
from tasks.errors import ArtifactCorrupt
from tasks.integrations.database.datasets import DatabaseDatasets
from tasks.integrations.database.engine import Database
from tasks.integrations.database.erasure import DatabaseErasures
from tasks.models import derive_document_id
from tasks.registry.narrow import mark_narrowed
from tasks.registry.trained import TrainedFolders
from tests.fakes.curation import CuratedWorld
from tests.fakes.pairs import add_document, remove_document

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
TEXT = "The vault opens at seventeen bar."


class Members:
    """The database's, with one pair in one dataset."""

    def __init__(self, database: Database, world: CuratedWorld, *, split: Split = Split.TRAIN, scope: str = "everyone"):
        self._datasets, self._erasures = DatabaseDatasets(database), DatabaseErasures(database)
        self._world = world
        dataset = Dataset(dataset_id="d", tenant="default", scope=scope, counts={}, created_at=NOW, folder="datasets/d")
        self._datasets.add_dataset(dataset, {}, {world.only_pair().pair_id: split})

    def list_datasets(self, tenant: str) -> list[Dataset]:
        return self._datasets.list_datasets(tenant)

    def list_members(self, dataset_id: str) -> list[str]:
        return self._erasures.list_members(dataset_id)

    def read_pairs(self, tenant: str, pair_ids: Sequence[str]) -> list[Pair]:
        return self._world.pairs.read_pairs(tenant, pair_ids)


@pytest.fixture
def world(database: Database) -> CuratedWorld:
    world = CuratedWorld(database)
    add_document(database, "a.md", TEXT)
    quote = {"document": "a.md", "quote": TEXT}
    world.import_rows({"question": "When does the vault open?", "answer": "at seventeen bar", "evidence": [quote]})
    return world


def test_a_narrowed_document_marks_its_datasets_until_it_is_widened(database: Database, world: CuratedWorld) -> None:
    members, marks = Members(database, world), DatabaseErasures(database)
    assert mark_narrowed("default", members, marks, now=NOW) == []
    add_document(database, "a.md", TEXT, readers=["board"])
    assert mark_narrowed("default", members, marks, now=NOW) == ["d"]
    assert marks.list_marks("default")["d"].reason == "1 of its pairs may not be read any more by everyone"
    assert marks.list_marks("other") == {}
    add_document(database, "a.md", TEXT)
    assert mark_narrowed("default", members, marks, now=NOW) == []
    assert marks.list_marks("default") == {}


def test_a_group_that_may_still_read_is_served_as_before(database: Database, world: CuratedWorld) -> None:
    members = Members(database, world, scope="board")
    add_document(database, "a.md", TEXT, readers=["board"])
    assert mark_narrowed("default", members, DatabaseErasures(database), now=NOW) == []
    add_document(database, "a.md", TEXT, readers=["staff"])
    assert mark_narrowed("default", members, DatabaseErasures(database), now=NOW) == ["d"]


def test_a_deleted_document_marks_its_datasets(database: Database, world: CuratedWorld) -> None:
    members = Members(database, world)
    remove_document(database, derive_document_id("default", "test", "a.md"))
    assert mark_narrowed("default", members, DatabaseErasures(database), now=NOW) == ["d"]


def test_a_pair_that_was_only_examined_is_in_no_weights(database: Database, world: CuratedWorld) -> None:
    members = Members(database, world, split=Split.TEST)
    remove_document(database, derive_document_id("default", "test", "a.md"))
    assert mark_narrowed("default", members, DatabaseErasures(database), now=NOW) == []


def test_what_is_erased_stays_marked_whoever_may_read(database: Database, world: CuratedWorld) -> None:
    members, marks = Members(database, world), DatabaseErasures(database)
    marks.mark_datasets("default", [DatasetMark("d", "erased", "gone")], NOW)
    remove_document(database, derive_document_id("default", "test", "a.md"))
    mark_narrowed("default", members, marks, now=NOW)
    assert marks.list_marks("default")["d"].kind == "erased"
    add_document(database, "a.md", TEXT)
    mark_narrowed("default", members, marks, now=NOW)
    assert marks.list_marks("default")["d"] == DatasetMark("d", "erased", "gone")


def test_adapters_are_found_by_what_training_left(tmp_path: Path) -> None:
    for adapter, dataset in (("b", "d"), ("a", "d"), ("c", "other")):
        folder = tmp_path / "trainings" / adapter
        folder.mkdir(parents=True)
        (folder / "training.json").write_text(f'{{"adapter": {{"dataset_id": "{dataset}"}}}}')
    (tmp_path / "trainings" / "running").mkdir()
    assert TrainedFolders(tmp_path).find_adapters("default", ["d"]) == ["a", "b"]
    assert TrainedFolders(tmp_path / "absent").find_adapters("default", ["d"]) == []
    (tmp_path / "trainings" / "b" / "training.json").write_text("[]")
    with pytest.raises(ArtifactCorrupt, match="incomplete"):
        TrainedFolders(tmp_path).find_adapters("default", ["d"])
