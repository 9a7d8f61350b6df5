"""The nouns of what runs by itself."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from tasks.models import Noun, derive_id
from tasks.training_models import RetrainRequest


class RetrainLimits(Noun):
    """When enough has accumulated; see the settings of the same names."""

    min_new_pairs: int
    min_share: float
    cooldown_hours: float


class Readiness(Noun):
    """Whether a training may start now, by what the database says."""

    scope: str
    ready: bool
    new_pairs: int = Field(description="approved, fit to train on, and not seen by the champion")
    needed_pairs: int = Field(description="new ones that make it ready, were there no other reason to wait")
    reason: str

    @property
    def missing_pairs(self) -> int:
        """New ones until the next training."""
        return max(0, self.needed_pairs - self.new_pairs)


class TrainingState(StrEnum):
    """Where a training stands; the first two are open."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


OPEN = (TrainingState.WAITING, TrainingState.RUNNING)


class QueuedTraining(Noun):
    """One dataset that is trained on by itself: a row, so that a killed worker's work is taken up again."""

    training_id: str
    tenant: str
    scope: str
    dataset_id: str
    request: RetrainRequest
    state: TrainingState = TrainingState.WAITING
    attempts: int = Field(default=0, ge=0, description="how often it was begun or taken up again")
    adapter_id: str = Field(default="", description="once it is done")
    reason: str = Field(default="", description="what it waits for, or how it ended")
    asked_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None


def derive_training_id(tenant: str, dataset_id: str, request: RetrainRequest) -> str:
    """One training a dataset and configuration; what changes no weights does not count."""
    decisive = request.config.model_dump_json(exclude={"preset", "micro_batch_examples", "devices"})
    return derive_id("training", tenant, dataset_id, decisive)


def name_turn(tenant: str, scope: str) -> str:
    """The lease of a scope: whoever has it is the only one that trains for it."""
    return f"training of {tenant} {scope}"
