"""What a training's processes and the one that started them say to each other: a line of JSON each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from tasks import errors
from tasks.errors import ProductError
from tasks.integrations.qlora.memory import is_out_of_memory
from tasks.models import Noun
from tasks.training_ports import TrainingJob, TrainingOutcome, TrainingProgress

_OUT_OF_MEMORY = "MemoryError"


class Assignment(NamedTuple):
    """What a process is told to do: its part of a training."""

    job: TrainingJob
    base: Path
    """The base model's folder."""
    micro: int
    """Examples that it computes at once."""
    device: str
    rank: int
    """Its place among `job.config.devices` processes, from 0."""
    meeting: str
    """Where the processes find each other: the address of a file that is not there yet."""


class Failure(Noun):
    """An error that a process ended with, by the name of its class."""

    kind: str
    message: str
    advice: str
    details: dict[str, Any]


class Told(Noun):
    """A line of a process: one of three."""

    progress: TrainingProgress | None = None
    outcome: TrainingOutcome | None = None
    failure: Failure | None = None


_ASSIGNMENTS = TypeAdapter(Assignment)


def write_assignment(assignment: Assignment) -> bytes:
    """One line."""
    return _ASSIGNMENTS.dump_json(assignment) + b"\n"


def read_assignment(line: bytes) -> Assignment:
    """As it was written."""
    return _ASSIGNMENTS.validate_json(line)


def describe_failure(error: Exception) -> Failure | None:
    """The errors that whoever started the process must know apart; None: it is a bug, and stays a traceback."""
    if isinstance(error, ProductError):
        kind = type(error).__name__
        return Failure(kind=kind, message=error.message, advice=error.advice, details=error.details)
    if is_out_of_memory(error):
        return Failure(kind=_OUT_OF_MEMORY, message=str(error)[:200], advice="", details={})
    return None


def rebuild_error(failure: Failure) -> Exception:
    """The error as the process raised it."""
    if failure.kind == _OUT_OF_MEMORY:
        return MemoryError(failure.message)
    kind: type[ProductError] = getattr(errors, failure.kind)
    return kind(failure.message, advice=failure.advice, **failure.details)
