"""Takes erased text out of frozen datasets: a dataset then says so, and stays provable.

The folder is written anew beside and swapped by two renames; what a killed run left is finished or thrown away by the
next one. The dataset keeps its id and the hashes of its former files: what was trained on it can still be named.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.curation.snapshot import MANIFEST, hash_file, read_examples, read_manifest, write_lines
from tasks.curation_models import Example, Removal, Split
from tasks.errors import BackendUnavailable
from tasks.models import Noun

_REMOVED = "removed.jsonl"


class Emptied(Noun):
    """What was taken out of one dataset."""

    examples: int = 0
    passages: int = 0
    removals: int = 0

    @property
    def anything(self) -> bool:
        """Whether the dataset held text of the subject."""
        return bool(self.examples or self.passages or self.removals)


def find_text(folder: Path, *, pair_ids: Collection[str], document_ids: Collection[str]) -> bool:
    """Whether a dataset holds text of these pairs or documents.

    Raises:
        ArtifactCorrupt: Its files are not what was written.
    """
    _settle(folder)
    return folder.exists() and _Remains(folder, pair_ids, document_ids).emptied.anything


def erase_from_dataset(folder: Path, *, pair_ids: Collection[str], document_ids: Collection[str], at: str) -> Emptied:
    """Write a dataset without the text of these pairs and documents; one that holds none stays as it is.

    Args:
        folder: Of the dataset; one that is gone holds nothing.
        pair_ids: Pairs that leave it.
        document_ids: Documents whose passages leave the other pairs, and whose pairs leave it.
        at: ISO time, for its manifest and card.

    Raises:
        ArtifactCorrupt: Its files are not what was written.
        BackendUnavailable: It cannot be written.
    """
    _settle(folder)
    if not folder.exists():
        return Emptied()
    remains = _Remains(folder, pair_ids, document_ids)
    if remains.emptied.anything:
        try:
            remains.write(_beside(folder, "erasing"), at)
            _settle(folder)
        except OSError as error:
            raise BackendUnavailable(
                f"the dataset in {folder} cannot be written: {error}", advice="free space there and run it again"
            ) from error
    return remains.emptied


class _Remains:
    """What of a dataset stays."""

    def __init__(self, folder: Path, pair_ids: Collection[str], document_ids: Collection[str]) -> None:
        self._folder = folder
        self._pairs, self._documents = frozenset(pair_ids), frozenset(document_ids)
        self._counts: Counter[str] = Counter()
        self._manifest = read_manifest(folder)
        self._examples = {split: [*self._keep_examples(read_examples(folder, split))] for split in Split}
        with (folder / _REMOVED).open(encoding="utf-8") as lines:
            self._removals = [*self._keep_removals(map(Removal.model_validate_json, lines))]
        self.emptied = Emptied(**self._counts)

    def _keep_examples(self, examples: Iterable[Example]) -> Iterable[Example]:
        for example in examples:
            cited = {one.document_id for one in example.evidence}
            if example.pair_id in self._pairs or not cited.isdisjoint(self._documents):
                self._counts["examples"] += 1
                continue
            kept = tuple(one for one in example.passages if one.document_id not in self._documents)
            self._counts["passages"] += len(example.passages) - len(kept)
            yield example if len(kept) == len(example.passages) else example.model_copy(update={"passages": kept})

    def _keep_removals(self, removals: Iterable[Removal]) -> Iterable[Removal]:
        """Their messages may quote."""
        for removal in removals:
            if removal.pair_id in self._pairs or removal.document_id in self._documents or removal.other in self._gone:
                self._counts["removals"] += 1
            else:
                yield removal

    @property
    def _gone(self) -> frozenset[str]:
        return self._pairs | self._documents

    def write(self, scratch: Path, at: str) -> None:
        """Every file, the manifest last."""
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        files = {f"{split}.jsonl": write_lines(scratch / f"{split}.jsonl", self._examples[split]) for split in Split}
        files[_REMOVED] = write_lines(scratch / _REMOVED, self._removals)
        notes = [*self._manifest.get("erased", []), {"at": at, **self.emptied.model_dump()}]
        card = scratch / "card.md"
        card.write_text(_write_card((self._folder / "card.md").read_text(encoding="utf-8"), notes), encoding="utf-8")
        files["card.md"] = {"sha256": hash_file(card), "rows": None}
        former = self._manifest.get("former_files") or {n: f["sha256"] for n, f in self._manifest["files"].items()}
        counts = {split.value: len(self._examples[split]) for split in Split} | {"removed": len(self._removals)}
        manifest = {**self._manifest, "counts": counts, "erased": notes, "former_files": former, "files": files}
        _write_manifest(scratch, manifest)


def _write_manifest(scratch: Path, manifest: Mapping[str, Any]) -> None:
    for file in scratch.iterdir():
        file.chmod(0o444)
    # Written under another name first: where it stands, the folder is whole.
    unfinished = scratch / f".{MANIFEST}"
    unfinished.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.chmod(0o444)
    unfinished.rename(scratch / MANIFEST)


_ERASED = "\n## Erased\n"


def _write_card(card: str, notes: Iterable[Mapping[str, Any]]) -> str:
    lines = [
        f"- {note['at']}: {note['examples']} pairs, {note['passages']} passages of other pairs, "
        f"{note['removals']} lines about pairs left out\n"
        for note in notes
    ]
    told = "The figures above are those of the snapshot. Its text was changed since: it is not trained on any more.\n\n"
    return f"{card.partition(_ERASED)[0]}{_ERASED}\n{told}{''.join(lines)}"


def _settle(folder: Path) -> None:
    """Put a finished rewrite into the folder's place, and throw away what is left of others."""
    scratch, former = _beside(folder, "erasing"), _beside(folder, "erased")
    if (scratch / MANIFEST).exists():
        if folder.exists():
            shutil.rmtree(former, ignore_errors=True)
            folder.rename(former)
        scratch.rename(folder)
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.rmtree(former, ignore_errors=True)


def _beside(folder: Path, state: str) -> Path:
    return folder.with_name(f".{state}-{folder.name}")
