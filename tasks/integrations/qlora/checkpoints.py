"""Checkpoints that a kill cannot spoil: only one with its mark, which is written last, is gone on from."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from tasks.errors import BackendUnavailable

_MARK = "complete.json"


class Sitting(NamedTuple):
    """What was spent until a checkpoint, over all sittings."""

    seconds: float = 0.0
    peak_bytes: int = 0
    resumed: int = 0


def find_checkpoint(folder: Path) -> Path | None:
    """The last complete checkpoint; incomplete ones are removed."""
    best: tuple[int, Path] | None = None
    for one in folder.glob("checkpoint-*"):
        if not (one / _MARK).exists():
            shutil.rmtree(one, ignore_errors=True)
            continue
        step = int(one.name.removeprefix("checkpoint-"))
        best = max(best or (step, one), (step, one))
    return best[1] if best else None


def mark_complete(checkpoint: Path, sitting: Sitting) -> None:
    """Everything in it is on the disk."""
    for file in checkpoint.iterdir():
        _sync(file)
    scratch = checkpoint / f".{_MARK}"
    scratch.write_text(json.dumps(sitting._asdict()), encoding="utf-8")
    _sync(scratch)
    scratch.rename(checkpoint / _MARK)


def read_sitting(checkpoint: Path) -> Sitting:
    """What was spent until then."""
    return Sitting(**json.loads((checkpoint / _MARK).read_text(encoding="utf-8")))


def explain_full_disk(folder: Path, error: Exception) -> BackendUnavailable:
    """The error of a checkpoint that cannot be written."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return BackendUnavailable(
        f"a checkpoint cannot be written to {folder}: {reason}",
        advice="free space there and run it again: it goes on from the last checkpoint that is whole",
    )


def _sync(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
