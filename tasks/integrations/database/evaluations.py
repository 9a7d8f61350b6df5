"""Evaluations and their results: a killed run goes on where it stopped, and every run stays comparable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tasks.errors import ConfigurationError
from tasks.evaluation_models import EvaluationRun, JudgedAnswer
from tasks.integrations.database.engine import Database, upsert
from tasks.integrations.database.schema import evaluation_results, evaluations

_ADVICE = "list the runs: expertloop evaluate --runs"


class DatabaseEvaluations:
    """The `EvaluationStore` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin_run(self, run: EvaluationRun, *, again: bool) -> None:
        """Write the run where it is not known; with `again`, forget its results first."""
        same = evaluations.c.run_id == run.run_id
        with self._database.write() as connection:
            if again:
                connection.execute(sa.delete(evaluation_results).where(evaluation_results.c.run_id == run.run_id))
                connection.execute(sa.delete(evaluations).where(same))
            if connection.execute(sa.select(evaluations.c.run_id).where(same)).one_or_none() is None:
                connection.execute(sa.insert(evaluations).values(run.model_dump(exclude={"judged"})))

    def write_results(self, run_id: str, results: Mapping[int, JudgedAnswer]) -> None:
        """Store results by the question's position in its file."""
        rows = [
            {"run_id": run_id, "position": position, "result": result.model_dump(mode="json")}
            for position, result in results.items()
        ]
        with self._database.write() as connection:
            upsert(connection, evaluation_results, rows)

    def read_results(self, run_id: str) -> dict[int, JudgedAnswer]:
        """What is stored of a run, by position and in its order."""
        query = (
            sa.select(evaluation_results.c.position, evaluation_results.c.result)
            .where(evaluation_results.c.run_id == run_id)
            .order_by(evaluation_results.c.position)
        )
        with self._database.read() as connection:
            return {row.position: JudgedAnswer.model_validate(row.result) for row in connection.execute(query)}

    def finish_run(self, run_id: str, summary: Mapping[str, Any]) -> None:
        """All questions are judged."""
        values = {"summary": dict(summary), "finished_at": datetime.now(UTC)}
        with self._database.write() as connection:
            connection.execute(sa.update(evaluations).where(evaluations.c.run_id == run_id).values(values))

    def find_run(self, tenant: str, name: str) -> EvaluationRun:
        """The run of an id or of its unique beginning.

        Raises:
            ConfigurationError: There is none, or more than one.
        """
        found = self._read(evaluations.c.tenant == tenant, evaluations.c.run_id.startswith(name, autoescape=True))
        if len(found) == 1:
            return found[0]
        what = f"{len(found)} evaluations have ids that begin with" if found else "no evaluation has the id"
        raise ConfigurationError(f"{what} {name!r}", advice=_ADVICE)

    def list_runs(self, tenant: str) -> list[EvaluationRun]:
        """Every run, the newest first."""
        return self._read(evaluations.c.tenant == tenant)

    def _read(self, *conditions: sa.ColumnElement[bool]) -> list[EvaluationRun]:
        judged = (
            sa.select(sa.func.count())
            .where(evaluation_results.c.run_id == evaluations.c.run_id)
            .scalar_subquery()
            .label("judged")
        )
        query = sa.select(evaluations, judged).where(*conditions).order_by(evaluations.c.started_at.desc())
        with self._database.read() as connection:
            return [EvaluationRun.model_validate(dict(row)) for row in connection.execute(query).mappings()]
