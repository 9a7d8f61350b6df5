"""Freezes approved pairs into a dataset: files that never change, under an id made of what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from tasks.curation.card import write_card
from tasks.curation.decontaminate import (
    LikenessOptions,
    describe_contamination,
    drop_held_passages,
    find_contaminated,
)
from tasks.curation.desk import Desk
from tasks.curation.freeze import freeze_passages, split_pairs, take_pairs
from tasks.curation.leaks import find_leaks
from tasks.curation.split import SplitShares, assign_splits
from tasks.curation_models import Dataset, Example, Removal, Split
from tasks.curation_ports import DatasetStore, SplitStore
from tasks.errors import ArtifactCorrupt, BackendUnavailable, DatasetRejected
from tasks.models import EVERYONE, Noun, derive_id

DATASET_FORMAT = "1"
"""Raise it when the same pairs would give other files."""

MANIFEST = "manifest.json"
_CARD = "card.md"
_FILES = tuple(f"{split}.jsonl" for split in Split)
_REMOVED = "removed.jsonl"


class SnapshotOptions(Noun):
    """What decides a dataset besides the pairs; it is part of its id."""

    scope: str = Field(default=EVERYONE, description="everyone that the trained adapter will serve may read all of it")
    passages: int = Field(
        default=6, ge=1, description="frozen for each pair: as many as serving shows, and distractors"
    )
    shares: SplitShares = SplitShares()
    likeness: LikenessOptions = LikenessOptions()


class Snapshot(Noun):
    """What became of the pairs."""

    dataset: Dataset
    is_new: bool
    removals: tuple[Removal, ...]


def take_snapshot(
    desk: Desk,
    splits: SplitStore,
    datasets: DatasetStore,
    *,
    home: Path,
    options: SnapshotOptions,
    facts: Mapping[str, str],
    now: datetime,
    report: Callable[[str], None] = lambda _: None,
) -> Snapshot:
    """Check, split, retrieve, decontaminate, prove that nothing leaks, write; the same data twice is one dataset.

    Args:
        home: Datasets lie in its folder `datasets`.
        facts: Versions that the passages came from: collection, embedder, expertloop.
        report: Is told what is being done.

    Raises:
        DatasetRejected: There are no approved pairs, all of them rest on one document, or a leak remains.
        BackendUnavailable: The files cannot be written.
    """
    report("checking approved pairs again")
    pairs, removals = take_pairs(desk, options.scope)
    together = [list({one.document_id for one in pair.evidence}) for pair in pairs]
    _require_enough(together)
    report("assigning documents to splits")
    by_document = assign_splits(desk.tenant, desk.ports.cited, splits, together=together, shares=options.shares)
    placed, crossing = split_pairs(pairs, by_document, options.shares)
    report(f"retrieving passages for {len(placed)} pairs")
    examples = list(freeze_passages(desk, placed, scope=options.scope, passages=options.passages))
    report("comparing what is learnt with what is examined")
    examples, contaminated = _decontaminate(examples, desk, options)
    examples, dropped = drop_held_passages(examples, by_document, desk.ports.embedder, options.likeness)
    leaks = find_leaks(examples, by_document)
    if leaks:
        raise DatasetRejected(
            f"a leak remains: {leaks[0]}", advice="this is a fault of ours: report it with the command"
        )
    removals = sorted(
        [*removals, *crossing, *contaminated, *dropped], key=lambda one: (one.pair_id, one.reason, str(one))
    )
    report("writing files")
    return _write(desk.tenant, examples, removals, datasets, home=home, options=options, facts=facts, now=now)


def _require_enough(together: Sequence[Sequence[str]]) -> None:
    cited = {id_ for ids in together for id_ in ids}
    if not together:
        raise DatasetRejected(
            "no approved pair may enter a dataset",
            advice="approve some with: expertloop curate review; see curate list",
        )
    if len(cited) < 2:
        raise DatasetRejected(
            "all approved pairs rest on one document, so nothing could be held out",
            advice="approve pairs of other documents, too",
        )


def _decontaminate(
    examples: Sequence[Example], desk: Desk, options: SnapshotOptions
) -> tuple[list[Example], list[Removal]]:
    found = find_contaminated(examples, desk.ports.embedder, options.likeness)
    removals = [describe_contamination(examples[index], examples[held], what) for index, (held, what) in found.items()]
    return [one for index, one in enumerate(examples) if index not in found], removals


# --- files --------------------------------------------------------------------------------------------------------


def _write(
    tenant: str,
    examples: Sequence[Example],
    removals: Sequence[Removal],
    datasets: DatasetStore,
    *,
    home: Path,
    options: SnapshotOptions,
    facts: Mapping[str, str],
    now: datetime,
) -> Snapshot:
    root = home / "datasets"
    scratch = root / f".writing-{os.getpid()}"
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        manifest = _write_files(scratch, tenant, examples, removals, options, facts)
        folder = root / str(manifest["dataset_id"])
        is_new = _settle(scratch, folder)
    except OSError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise BackendUnavailable(
            f"the dataset cannot be written: {error}", advice=f"free space in {root} and run it again"
        ) from error
    dataset = Dataset(
        dataset_id=manifest["dataset_id"],
        tenant=tenant,
        scope=options.scope,
        counts=manifest["counts"],
        created_at=now,
        folder=f"datasets/{manifest['dataset_id']}",
    )
    kept = datasets.add_dataset(dataset, manifest, {one.pair_id: one.split for one in examples})
    return Snapshot(dataset=kept, is_new=is_new, removals=tuple(removals))


def _settle(scratch: Path, folder: Path) -> bool:
    """Move the finished folder to its name; False when the same dataset is there already, which stays."""
    if (folder / MANIFEST).exists():
        read_manifest(folder)
        shutil.rmtree(scratch)
        return False
    # A folder without a manifest is what a killed run left.
    shutil.rmtree(folder, ignore_errors=True)
    for file in scratch.iterdir():
        file.chmod(0o444)
    scratch.rename(folder)
    return True


def _write_files(
    folder: Path,
    tenant: str,
    examples: Sequence[Example],
    removals: Sequence[Removal],
    options: SnapshotOptions,
    facts: Mapping[str, str],
) -> dict[str, Any]:
    """Every file, the manifest last: where it stands, the dataset is whole."""
    by_split = {split: sorted((e for e in examples if e.split is split), key=lambda e: e.pair_id) for split in Split}
    files = {f"{split}.jsonl": write_lines(folder / f"{split}.jsonl", by_split[split]) for split in Split}
    files[_REMOVED] = write_lines(folder / _REMOVED, removals)
    hashes = {name: told["sha256"] for name, told in files.items()}
    known: dict[str, Any] = {"format": DATASET_FORMAT, "tenant": tenant, "options": options.model_dump(mode="json")}
    manifest: dict[str, Any] = {
        "dataset_id": derive_dataset_id(known, hashes),
        **known,
        "facts": dict(facts),
        "counts": {split.value: len(by_split[split]) for split in Split} | {"removed": len(removals)},
        "statistics": _count(by_split, removals),
    }
    card = folder / _CARD
    card.write_text(write_card(manifest), encoding="utf-8")
    files[_CARD] = {"sha256": hash_file(card), "rows": None}
    manifest["files"] = files
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return manifest


def derive_dataset_id(manifest: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    """The id of what a dataset was made of: its options, and the sha256 of each file but the card, by name."""
    options = json.dumps(manifest["options"], separators=(",", ":"), ensure_ascii=False)
    files = (f"{name} {sha256}" for name, sha256 in sorted(hashes.items()) if name != _CARD)
    return derive_id("dataset", manifest["format"], manifest["tenant"], options, *files)


def write_lines(file: Path, rows: Iterable[Noun]) -> dict[str, Any]:
    """One JSON object a line; returns what the manifest says of the file."""
    count = 0
    with file.open("w", encoding="utf-8", errors="replace") as out:
        for row in rows:
            out.write(row.model_dump_json() + "\n")
            count += 1
    return {"sha256": hash_file(file), "rows": count}


def hash_file(file: Path) -> str:
    """sha256 of a file's bytes."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _count(by_split: Mapping[Split, Sequence[Example]], removals: Sequence[Removal]) -> dict[str, Any]:
    return {
        "splits": {
            split.value: {
                "pairs": len(found),
                "documents": len({one.document_id for e in found for one in e.evidence}),
                "unanswerable": sum(not e.answerable for e in found),
                "gold_found": sum(any(p.gold and p.rank for p in e.passages) for e in found if e.answerable),
                "languages": dict(sorted(Counter(e.language for e in found).items())),
                "origins": dict(sorted(Counter(e.origin.value for e in found).items())),
                "question_characters": sum(len(e.question) for e in found),
                "answer_characters": sum(len(e.answer) for e in found),
            }
            for split, found in by_split.items()
        },
        "removed": dict(sorted(Counter(one.reason for one in removals).items())),
    }


# --- reading ------------------------------------------------------------------------------------------------------


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a dataset whose files are what was written, by the id that is made of them.

    Raises:
        ArtifactCorrupt: A file is missing or was changed.
    """
    advice = "datasets are never edited: remove the folder and run `expertloop curate snapshot` again"
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        hashes = {name: told["sha256"] for name, told in manifest["files"].items()}
        wrong = [name for name, sha256 in hashes.items() if hash_file(folder / name) != sha256]
        # What was erased since is not in the files any more; the id is of those that were written.
        if derive_dataset_id(manifest, manifest.get("former_files") or hashes) != folder.name:
            wrong.append(MANIFEST)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactCorrupt(f"the dataset in {folder} is incomplete: {error}", advice=advice) from error
    if wrong:
        raise ArtifactCorrupt(f"{', '.join(wrong)} of the dataset in {folder} was changed", advice=advice)
    return manifest


def read_examples(folder: Path, split: Split) -> list[Example]:
    """The examples of a split, in order of pair_id; call `read_manifest` first, which proves that they are genuine."""
    with (folder / f"{split}.jsonl").open(encoding="utf-8") as lines:
        return [Example.model_validate_json(line) for line in lines]
