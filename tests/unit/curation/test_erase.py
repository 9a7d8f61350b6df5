"""Erased text leaves frozen datasets, which say so and can still be proven."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.curation.erase import erase_from_dataset, find_text
from tasks.curation.snapshot import read_examples, read_manifest
from tasks.curation_models import Example, Split
from tasks.errors import ArtifactCorrupt
from tasks.integrations.database.engine import Database
from tests.fakes.curation import CuratedWorld
from tests.fakes.datasets import fill, take

AT = "2026-08-01T00:00:00+00:00"


@pytest.fixture
def dataset(database: Database, tmp_path: Path) -> Path:
    world = CuratedWorld(database)
    fill(world)
    return tmp_path / take(world, tmp_path).dataset.folder


def read_all(folder: Path) -> list[Example]:
    return [example for split in Split for example in read_examples(folder, split)]


def contents(folder: Path) -> str:
    return "".join(file.read_text(encoding="utf-8") for file in sorted(folder.iterdir()))


def test_a_document_leaves_pairs_and_passages_of_other_pairs(dataset: Path) -> None:
    victim = next(e for e in read_all(dataset) if any(_shows(o, e) for o in read_all(dataset) if o != e))
    document_id = victim.evidence[0].document_id
    before, former = len(read_all(dataset)), read_manifest(dataset)
    assert victim.evidence[0].quote in contents(dataset)
    emptied = erase_from_dataset(dataset, pair_ids=(), document_ids={document_id}, at=AT)
    assert emptied.examples == 1
    assert emptied.passages >= 1
    assert victim.evidence[0].quote not in contents(dataset)
    assert victim.question not in contents(dataset)
    assert len(read_all(dataset)) == before - 1
    manifest = read_manifest(dataset)
    assert manifest["dataset_id"] == former["dataset_id"]
    assert manifest["former_files"] == {name: told["sha256"] for name, told in former["files"].items()}
    assert manifest["erased"] == [{"at": AT, **emptied.model_dump()}]
    assert sum(manifest["counts"][split] for split in Split) == before - 1
    assert "## Erased" in (dataset / "card.md").read_text()


def _shows(other: Example, victim: Example) -> bool:
    return victim.evidence[0].document_id in {one.document_id for one in other.passages}


def test_erasing_again_finds_nothing_and_writes_nothing(dataset: Path) -> None:
    pair_id = read_all(dataset)[0].pair_id
    assert find_text(dataset, pair_ids={pair_id}, document_ids=())
    assert erase_from_dataset(dataset, pair_ids={pair_id}, document_ids=(), at=AT).anything
    written = (dataset / "manifest.json").read_bytes()
    assert not find_text(dataset, pair_ids={pair_id}, document_ids=())
    assert not erase_from_dataset(dataset, pair_ids={pair_id}, document_ids=(), at="later").anything
    assert (dataset / "manifest.json").read_bytes() == written
    assert [file for file in dataset.parent.iterdir() if file != dataset] == []


def test_two_erasures_keep_the_hashes_of_the_first_snapshot(dataset: Path) -> None:
    first, second = (example.pair_id for example in read_all(dataset)[:2])
    former = read_manifest(dataset)["files"]["train.jsonl"]["sha256"]
    erase_from_dataset(dataset, pair_ids={first}, document_ids=(), at=AT)
    erase_from_dataset(dataset, pair_ids={second}, document_ids=(), at="later")
    manifest = read_manifest(dataset)
    assert manifest["former_files"]["train.jsonl"] == former
    assert [note["at"] for note in manifest["erased"]] == [AT, "later"]
    assert (dataset / "card.md").read_text().count("## Erased") == 1


@pytest.mark.parametrize("killed_after", ["manifest", "first rename"])
def test_a_killed_rewrite_is_finished_by_the_next(dataset: Path, tmp_path: Path, killed_after: str) -> None:
    """What lies there after each step is made by hand: the finished rewrite beside, the dataset moved away or not."""
    pair_id = read_all(dataset)[0].pair_id
    copy = tmp_path / "copy" / dataset.name
    copy.mkdir(parents=True)
    for file in dataset.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    erase_from_dataset(dataset, pair_ids={pair_id}, document_ids=(), at=AT)
    dataset.rename(dataset.with_name(f".erasing-{dataset.name}"))
    copy.rename(dataset if killed_after == "manifest" else dataset.with_name(f".erased-{dataset.name}"))
    assert not erase_from_dataset(dataset, pair_ids={pair_id}, document_ids=(), at="later").anything
    assert pair_id not in contents(dataset)
    assert [file for file in dataset.parent.iterdir() if file != dataset] == []


def test_a_rewrite_without_a_manifest_is_thrown_away(dataset: Path) -> None:
    half = dataset.with_name(f".erasing-{dataset.name}")
    half.mkdir()
    (half / "train.jsonl").write_text("")
    before = contents(dataset)
    assert not erase_from_dataset(dataset, pair_ids={"unknown"}, document_ids=(), at=AT).anything
    assert contents(dataset) == before
    assert not half.exists()


def test_a_dataset_edited_by_hand_is_not_cleaned_in_silence(dataset: Path) -> None:
    (dataset / "train.jsonl").chmod(0o644)
    (dataset / "train.jsonl").write_text("{}\n")
    with pytest.raises(ArtifactCorrupt, match=r"train\.jsonl"):
        erase_from_dataset(dataset, pair_ids={"x"}, document_ids=(), at=AT)


def test_a_dataset_whose_folder_is_gone_holds_nothing(dataset: Path, tmp_path: Path) -> None:
    absent = tmp_path / "datasets" / "absent"
    assert not erase_from_dataset(absent, pair_ids={"x"}, document_ids=(), at=AT).anything
    assert json.loads((dataset / "manifest.json").read_text())
