"""Questions without an answer, counted: the work list of whoever writes the documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tasks.answer_models import Answer, Gap
from tasks.errors import ConfigurationError
from tasks.integrations.database.engine import Database, upsert
from tasks.integrations.database.locks import lock_name
from tasks.integrations.database.schema import gaps
from tasks.language import detect_language
from tasks.models import derive_id


class DatabaseGaps:
    """Counts abstained questions by their words; who asked is not kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record_answers(self, tenant: str, answers: Sequence[Answer]) -> None:
        """Count every abstained answer among them; a closed gap that is asked again opens again."""
        abstained = [one for one in answers if one.abstained and one.question.strip()]
        if not abstained:
            return
        rows = _describe(tenant, abstained, datetime.now(UTC))
        with self._database.write() as connection:
            lock_name(connection, "gaps")
            query = sa.select(gaps.c.gap_id, gaps.c.asked, gaps.c.first_asked).where(gaps.c.gap_id.in_(list(rows)))
            for known in connection.execute(query):
                row = rows[known.gap_id]
                row |= {"asked": row["asked"] + known.asked, "first_asked": known.first_asked}
            upsert(connection, gaps, list(rows.values()))

    def list_gaps(self, tenant: str) -> list[Gap]:
        """The open ones, the most asked first."""
        query = (
            sa.select(*(gaps.c[name] for name in Gap.model_fields))
            .where(gaps.c.tenant == tenant, gaps.c.closed_at.is_(None))
            .order_by(gaps.c.asked.desc(), gaps.c.last_asked.desc(), gaps.c.gap_id)
        )
        with self._database.read() as connection:
            return [Gap.model_validate(dict(row._mapping)) for row in connection.execute(query)]

    def count_gaps(self, tenant: str) -> int:
        """How many are open."""
        query = sa.select(sa.func.count()).where(gaps.c.tenant == tenant, gaps.c.closed_at.is_(None))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def close_gap(self, tenant: str, gap_id: str) -> None:
        """Take one from the list.

        Raises:
            ConfigurationError: No open gap has the id.
        """
        change = (
            sa.update(gaps)
            .where(gaps.c.tenant == tenant, gaps.c.gap_id == gap_id, gaps.c.closed_at.is_(None))
            .values(closed_at=datetime.now(UTC))
        )
        with self._database.write() as connection:
            if connection.execute(change).rowcount == 0:
                raise ConfigurationError(f"no open gap has the id {gap_id}", advice="run: expertloop gaps")


def _describe(tenant: str, answers: Sequence[Answer], now: datetime) -> dict[str, dict[str, Any]]:
    """A row a question by gap_id, each as if it had never been asked before."""
    rows: dict[str, dict[str, Any]] = {}
    for answer in answers:
        key = _derive_gap_id(tenant, answer.question)
        rows[key] = {
            "gap_id": key,
            "tenant": tenant,
            "question": answer.question,
            "language": detect_language(answer.question),
            "reason": answer.reason or "",
            "asked": rows[key]["asked"] + 1 if key in rows else 1,
            "first_asked": now,
            "last_asked": now,
            "sources": list(answer.sources),
            "closed_at": None,
        }
    return rows


def _derive_gap_id(tenant: str, question: str) -> str:
    """Case, spaces and the last question mark make no other question."""
    return derive_id("gap", tenant, " ".join(question.casefold().split()).rstrip("?! ."))
