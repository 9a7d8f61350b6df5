"""What the automation room needs of the world."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tasks.automation_models import QueuedTraining, TrainingState


class TrainingQueue(Protocol):
    """Trainings that were asked for; every method is one commit."""

    def add_training(self, training: QueuedTraining) -> QueuedTraining:
        """Keep one; one that is known stays as it is. Returns what is kept."""

    def find_open(self, tenant: str, scope: str) -> QueuedTraining | None:
        """The oldest that waits or runs."""

    def start_training(self, training_id: str, now: datetime) -> QueuedTraining | None:
        """It runs, once more; None when it has ended meanwhile."""

    def postpone_training(self, training_id: str, reason: str) -> None:
        """It waits again; nothing when it has ended."""

    def end_training(
        self, training_id: str, state: TrainingState, now: datetime, *, reason: str, adapter_id: str = ""
    ) -> bool:
        """It is done or has failed; False, nothing written, when it had ended before."""

    def list_trainings(self, tenant: str, states: Sequence[TrainingState] = ()) -> list[QueuedTraining]:
        """Those in these states, or all, the newest first."""
