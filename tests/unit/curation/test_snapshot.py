"""Datasets: split by document, clean of what is examined, the same for the same pairs, never edited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.curation.leaks import find_leaks
from tasks.curation.snapshot import Snapshot, hash_file, read_examples, read_manifest
from tasks.curation.split import assign_splits, derive_split
from tasks.curation_models import Example, FrozenPassage, Origin, Split
from tasks.errors import ArtifactCorrupt, BackendUnavailable, DatasetRejected
from tasks.integrations.database.cited import DatabaseCited
from tasks.integrations.database.datasets import DatabaseDatasets, DatabaseSplits
from tasks.integrations.database.engine import Database
from tasks.models import hash_text
from tests.fakes.curation import CuratedWorld
from tests.fakes.datasets import SHARES, fill, take, text_of
from tests.fakes.pairs import add_document, remove_document


def read_all(home: Path, taken: Snapshot) -> list[Example]:
    return [example for split in Split for example in read_examples(home / taken.dataset.folder, split)]


def test_a_snapshot_splits_by_document_and_lets_nothing_examined_into_training(
    world: CuratedWorld, tmp_path: Path
) -> None:
    fill(world)
    taken = take(world, tmp_path)
    splits = DatabaseSplits(world.database).read_splits("default")
    examples = read_all(tmp_path, taken)
    assert len(examples) == 12
    assert all(splits[example.evidence[0].document_id] is example.split for example in examples)
    assert {example.split for example in examples} == set(Split)
    learnt = [one for one in examples if one.split is Split.TRAIN]
    assert {splits[passage.document_id] for one in learnt for passage in one.passages} == {Split.TRAIN}
    assert any(one.reason == "held-out-passage" for one in taken.removals)
    assert all(any(passage.gold for passage in one.passages) for one in examples)
    assert find_leaks(examples, splits) == []


def test_the_same_pairs_are_the_same_dataset_and_the_files_do_not_change(world: CuratedWorld, tmp_path: Path) -> None:
    fill(world)
    first = take(world, tmp_path)
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / first.dataset.folder).iterdir()}
    second = take(world, tmp_path)
    assert (first.is_new, second.is_new, second.dataset) == (True, False, first.dataset)
    assert take(world, tmp_path, day=2).dataset == first.dataset
    assert {file.name: file.stat().st_mtime_ns for file in (tmp_path / first.dataset.folder).iterdir()} == before
    assert [one.dataset_id for one in DatabaseDatasets(world.database).list_datasets("default")] == [
        first.dataset.dataset_id
    ]
    assert sorted(path.name for path in (tmp_path / "datasets").iterdir()) == [first.dataset.dataset_id]


def test_what_a_killed_run_left_is_replaced(world: CuratedWorld, tmp_path: Path) -> None:
    fill(world)
    folder = tmp_path / take(world, tmp_path).dataset.folder
    (folder / "manifest.json").unlink()
    assert take(world, tmp_path).is_new
    assert read_manifest(folder)["counts"]["removed"] >= 0


@pytest.mark.parametrize("name", ["train.jsonl", "card.md", "removed.jsonl"])
def test_an_edited_dataset_is_refused(world: CuratedWorld, tmp_path: Path, name: str) -> None:
    fill(world)
    folder = tmp_path / take(world, tmp_path).dataset.folder
    file = folder / name
    file.chmod(0o644)
    file.write_text(file.read_text() + "\n")
    with pytest.raises(ArtifactCorrupt, match=name):
        read_manifest(folder)
    file.unlink()
    with pytest.raises(ArtifactCorrupt, match="incomplete"):
        read_manifest(folder)


def test_a_dataset_whose_manifest_was_edited_with_its_files_is_refused(world: CuratedWorld, tmp_path: Path) -> None:
    fill(world)
    folder = tmp_path / take(world, tmp_path).dataset.folder
    file, manifest = folder / "train.jsonl", folder / "manifest.json"
    told = hash_file(file)
    for one in (file, manifest):
        one.chmod(0o644)
    file.write_text(file.read_text() + "\n")
    manifest.write_text(manifest.read_text().replace(told, hash_file(file)))
    with pytest.raises(ArtifactCorrupt, match=r"manifest\.json .* was changed"):
        read_manifest(folder)


def test_pairs_that_not_all_of_the_scope_may_read_stay_out(world: CuratedWorld, tmp_path: Path) -> None:
    fill(world, readers=["hr"])
    with pytest.raises(DatasetRejected, match="no approved pair"):
        take(world, tmp_path)
    assert sum(take(world, tmp_path, scope="hr").dataset.counts[split] for split in Split) == 12


def test_one_document_is_no_dataset(world: CuratedWorld, tmp_path: Path) -> None:
    fill(world, 1)
    with pytest.raises(DatasetRejected, match="one document"):
        take(world, tmp_path)


def test_a_disk_that_cannot_be_written_leaves_no_dataset(world: CuratedWorld, tmp_path: Path) -> None:
    fill(world)
    (tmp_path / "datasets").write_text("a file where the folder should be")
    with pytest.raises(BackendUnavailable, match="cannot be written"):
        take(world, tmp_path)
    assert DatabaseDatasets(world.database).list_datasets("default") == []


def test_a_question_that_is_examined_is_not_learnt_from_another_document(world: CuratedWorld, tmp_path: Path) -> None:
    fill(world)
    take(world, tmp_path)
    splits = DatabaseSplits(world.database).read_splits("default")
    pairs = {splits[pair.evidence[0].document_id]: pair for pair in world.pairs.list_pairs("default")}
    examined, learnt = pairs[Split.TEST], pairs[Split.TRAIN]
    # The same question, answered from a document that is learnt from; a person accepted both answers.
    row = {
        "question": f"{examined.question[:-1]} please?",
        "answer": learnt.answer,
        "evidence": [{"document": learnt.evidence[0].document_id, "quote": learnt.evidence[0].quote}],
        "state": "approved",
        "accepted": ["conflict", "not-supported", "near-duplicate"],
    }
    summary, lines = world.import_rows(row, day=9)
    assert summary.approved == 1, lines
    taken = take(world, tmp_path)
    (removal,) = [one for one in taken.removals if one.reason == "near-test"]
    assert removal.other == examined.pair_id
    assert len(read_all(tmp_path, taken)) == 12


def test_the_manifest_counts_what_the_files_hold_and_the_card_says_it(world: CuratedWorld, tmp_path: Path) -> None:
    fill(world)
    taken = take(world, tmp_path)
    folder = tmp_path / taken.dataset.folder
    manifest = read_manifest(folder)
    lines = {name: (folder / name).read_text().splitlines() for name, told in manifest["files"].items() if told["rows"]}
    assert {name: len(found) for name, found in lines.items()} == {
        name: manifest["files"][name]["rows"] for name in lines
    }
    assert sum(manifest["counts"][split] for split in Split) == 12
    card = (folder / "card.md").read_text()
    assert f"| pairs | {' | '.join(str(manifest['counts'][split]) for split in Split)} |" in card
    example = json.loads((folder / "train.jsonl").read_text().splitlines()[0])
    assert all(hash_text(passage["text"]) == passage["text_sha256"] for passage in example["passages"])


def test_of_two_approved_pairs_of_one_meaning_the_older_is_taken(world: CuratedWorld, tmp_path: Path) -> None:
    fill(world)
    first = next(world.pairs.list_pairs("default"))
    words = first.question.split()
    twin = {
        "question": " ".join(words[::-1]),
        "answer": first.answer,
        "evidence": [{"document": first.evidence[0].document_id, "quote": first.evidence[0].quote}],
        "state": "approved",
    }
    # Imported without vectors, as late rows of a long file are: letters alone do not see that it is the same.
    assert world.import_rows(twin, day=9, embedded_rows=0)[0].approved == 1
    taken = take(world, tmp_path)
    assert [one.reason for one in taken.removals if one.document_id is None] == ["near-duplicate"]
    assert first.pair_id in {example.pair_id for example in read_all(tmp_path, taken)}


# --- splits ---


def assign(database: Database, *together: list[str]) -> dict[str, Split]:
    cited, store = DatabaseCited(database), DatabaseSplits(database)
    return assign_splits("default", cited, store, together=together, shares=SHARES)


def test_documents_that_say_the_same_or_are_quoted_together_share_a_split(database: Database) -> None:
    long = " ".join(f"sentence {number} about pumps" for number in range(50))
    twins = [add_document(database, name, f"{long} {name}") for name in ("a.md", "b.pdf")]
    others = [add_document(database, f"doc{number}.md", text_of(number)) for number in range(10)]
    splits = assign(database, others)
    assert splits[twins[0]] is splits[twins[1]]
    assert len({splits[other] for other in others}) == 1


def test_a_split_survives_new_text_new_documents_and_a_deletion(database: Database) -> None:
    ids = [add_document(database, f"doc{number}.md", text_of(number)) for number in range(10)]
    before = assign(database)
    add_document(database, "doc0.md", "quite another text")
    add_document(database, "new.md", "something new altogether")
    remove_document(database, ids[1])
    again = add_document(database, "doc1-again.md", text_of(1))
    after = assign(database)
    assert {id_: after[id_] for id_ in ids} == before
    assert after[again] is before[ids[1]]


def test_splits_follow_the_shares(database: Database) -> None:
    found = [derive_split(str(number), SHARES) for number in range(4000)]
    assert found.count(Split.TEST) / 4000 == pytest.approx(0.3, abs=0.03)
    assert found.count(Split.VALIDATION) / 4000 == pytest.approx(0.2, abs=0.03)


# --- leaks ---


def example(pair_id: str, split: Split, question: str, document_id: str, text: str) -> Example:
    passage = FrozenPassage(
        document_id=document_id,
        title="t",
        text=text,
        text_sha256=hash_text(text),
        start=0,
        end=9,
        rank=1,
        score=1,
        gold=True,
    )
    return Example(
        pair_id=pair_id,
        split=split,
        question=question,
        answer="yes",
        language="en",
        origin=Origin.IMPORT,
        answerable=True,
        readers=("everyone",),
        evidence=(),
        passages=(passage,),
    )


@pytest.mark.parametrize(
    ("question", "document_id", "text", "leak"),
    [
        ("When does it open at last?", "d1", "Bravo seals last ninety days in all.", False),
        ("When does it open at last?", "d2", "Bravo seals last ninety days in all.", True),
        ("When does it open at last?", "d1", "Alpha valves open at 20 bar, and never before that.", True),
        ("How hot may the water be?", "d1", "Bravo seals last ninety days in all.", True),
    ],
)
def test_every_kind_of_leak_is_found(question: str, document_id: str, text: str, *, leak: bool) -> None:
    held = example(
        "held", Split.TEST, "how hot may the water be", "d2", "Alpha valves open at 20 bar, and never before that."
    )
    learnt = example("learnt", Split.TRAIN, question, document_id, text)
    assert bool(find_leaks([learnt, held], {"d1": Split.TRAIN, "d2": Split.TEST})) == leak
