"""The `TrainingQueue` port."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from tasks.automation_models import OPEN, QueuedTraining, TrainingState
from tasks.integrations.database.automation_schema import trainings
from tasks.integrations.database.engine import Database, insert_new

_IS_OPEN = trainings.c.state.in_([state.value for state in OPEN])


class DatabaseTrainings:
    """Trainings that were asked for; each ends once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_training(self, training: QueuedTraining) -> QueuedTraining:
        """Keep one; one that is known stays as it is. Returns what is kept."""
        with self._database.write() as connection:
            insert_new(connection, trainings, training.model_dump(mode="json") | _times(training))
            return _read_one(connection, training.training_id)

    def find_open(self, tenant: str, scope: str) -> QueuedTraining | None:
        """The oldest that waits or runs."""
        mine = sa.and_(trainings.c.tenant == tenant, trainings.c.scope == scope, _IS_OPEN)
        query = sa.select(trainings).where(mine).order_by(trainings.c.asked_at, trainings.c.training_id).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return _training(row) if row else None

    def start_training(self, training_id: str, now: datetime) -> QueuedTraining | None:
        """It runs, once more; None when it has ended meanwhile."""
        values = {"state": TrainingState.RUNNING.value, "attempts": trainings.c.attempts + 1, "started_at": now}
        return self._change(training_id, values)

    def postpone_training(self, training_id: str, reason: str) -> None:
        """It waits again; nothing when it has ended."""
        self._change(training_id, {"state": TrainingState.WAITING.value, "reason": reason})

    def end_training(
        self, training_id: str, state: TrainingState, now: datetime, *, reason: str, adapter_id: str = ""
    ) -> bool:
        """It is done or has failed; False, nothing written, when it had ended before."""
        values = {"state": state.value, "ended_at": now, "reason": reason, "adapter_id": adapter_id}
        return self._change(training_id, values) is not None

    def list_trainings(self, tenant: str, states: Sequence[TrainingState] = ()) -> list[QueuedTraining]:
        """Those in these states, or all, the newest first."""
        query = sa.select(trainings).where(trainings.c.tenant == tenant)
        if states:
            query = query.where(trainings.c.state.in_([state.value for state in states]))
        query = query.order_by(trainings.c.asked_at.desc(), trainings.c.training_id)
        with self._database.read() as connection:
            return [_training(row) for row in connection.execute(query).mappings()]

    def _change(self, training_id: str, values: dict[str, Any]) -> QueuedTraining | None:
        """Compare and set: only what is open changes."""
        mine = sa.and_(trainings.c.training_id == training_id, _IS_OPEN)
        with self._database.write() as connection:
            changed = connection.execute(sa.update(trainings).where(mine).values(values)).rowcount
            return _read_one(connection, training_id) if changed else None


def _times(training: QueuedTraining) -> dict[str, datetime | None]:
    return training.model_dump(include={"asked_at", "started_at", "ended_at"})


def _read_one(connection: Connection, training_id: str) -> QueuedTraining:
    query = sa.select(trainings).where(trainings.c.training_id == training_id)
    return _training(connection.execute(query).mappings().one())


def _training(row: RowMapping) -> QueuedTraining:
    return QueuedTraining.model_validate(dict(row))
