"""What models said in the arms, and the reports: an evaluation goes on where it stopped, and asks nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tasks.arm_models import ArmAnswer, StoredReport
from tasks.integrations.database.arms_schema import arm_answers, arm_reports
from tasks.integrations.database.engine import Database, list_batches, upsert
from tasks.integrations.database.schema import documents, versions
from tasks.models import derive_id

_FIELDS = tuple(arm_answers.c[name] for name in ArmAnswer.model_fields)


class DatabaseArms:
    """The `ArmStore` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_answers(self, tenant: str, answer_keys: Sequence[str]) -> dict[str, ArmAnswer]:
        """Those of the keys that there are, by key."""
        found: dict[str, ArmAnswer] = {}
        with self._database.read() as connection:
            for keys in list_batches(answer_keys):
                query = sa.select(*_FIELDS).where(arm_answers.c.tenant == tenant, arm_answers.c.answer_key.in_(keys))
                for row in connection.execute(query).mappings():
                    found[row["answer_key"]] = ArmAnswer.model_validate(dict(row))
        return found

    def write_answers(self, tenant: str, answers: Sequence[ArmAnswer]) -> None:
        """Keep answers, in one commit."""
        now = datetime.now(UTC)
        rows = [{**one.model_dump(), "tenant": tenant, "created_at": now} for one in answers]
        with self._database.write() as connection:
            upsert(connection, arm_answers, rows)

    def write_report(self, tenant: str, stored: StoredReport) -> None:
        """Keep the report of a dataset, adapter and champion, replacing an earlier one."""
        report = stored.report
        key = derive_id("arm-report", tenant, report.dataset_id, report.adapter_id or "", report.champion_id or "")
        row: dict[str, Any] = {
            "report_id": key,
            "tenant": tenant,
            "dataset_id": report.dataset_id,
            "adapter_id": report.adapter_id,
            "stored": stored.model_dump(mode="json"),
            "created_at": datetime.now(UTC),
        }
        with self._database.write() as connection:
            upsert(connection, arm_reports, [row])

    def find_report(self, tenant: str) -> StoredReport | None:
        """The newest report that has an adapter."""
        query = (
            sa.select(arm_reports.c.stored)
            .where(arm_reports.c.tenant == tenant, arm_reports.c.adapter_id.is_not(None))
            .order_by(arm_reports.c.created_at.desc(), arm_reports.c.report_id)
            .limit(1)
        )
        with self._database.read() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return StoredReport.model_validate(found) if found else None


def count_changes(database: Database, tenant: str, *, since: datetime) -> tuple[int, int, datetime | None]:
    """How many documents are live, how many got new content since then, and when the first content was read.

    What a document was first read as is no change, and neither is the same content read by another pipeline.
    """
    live = sa.select(sa.func.count()).where(documents.c.tenant == tenant, documents.c.live_version_id.is_not(None))
    contents = (
        sa.select(versions.c.document_id, versions.c.content_hash, sa.func.min(versions.c.created_at).label("first"))
        .join(documents, documents.c.document_id == versions.c.document_id)
        .where(versions.c.tenant == tenant, documents.c.live_version_id.is_not(None))
        .group_by(versions.c.document_id, versions.c.content_hash)
        .subquery()
    )
    told = sa.select(contents.c.document_id).group_by(contents.c.document_id)
    changed = told.having(sa.func.count() > 1, sa.func.max(contents.c.first) >= since).subquery()
    with database.read() as connection:
        count = connection.execute(live).scalar_one()
        moved = connection.execute(sa.select(sa.func.count()).select_from(changed)).scalar_one()
        first = connection.execute(sa.select(sa.func.min(versions.c.created_at)).where(versions.c.tenant == tenant))
        return int(count), int(moved), first.scalar_one_or_none()
