"""The `RunLog` port: one row a run, its ledger, and the staging rows that go away with it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.integrations.database.engine import Database, upsert
from tasks.integrations.database.leases import check_lease
from tasks.integrations.database.schema import documents, listing, runs, sources, versions
from tasks.models import Ledger, Run, Trust, derive_id

LIVE = ("live", "empty", "outdated")


class DatabaseRunLog:
    """Begins and ends runs; what a killed run left is marked abandoned by the next one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin_run(self, *, tenant: str, source: str, trust: Trust, lease_token: str, fingerprint: str) -> Run:
        """A new run of the source, which is believed as far as `trust` says from now on.

        The lease makes sure that it is the only run.
        """
        mine = (runs.c.tenant == tenant, runs.c.source == source)
        with self._database.write() as connection:
            check_lease(connection, lease_token)
            upsert(connection, sources, [{"tenant": tenant, "source": source, "trust": trust}])
            connection.execute(sa.update(runs).where(*mine, runs.c.status == "running").values(status="abandoned"))
            former = sa.select(runs.c.run_id).where(*mine)
            connection.execute(sa.delete(listing).where(listing.c.run_id.in_(former)))
            number = connection.execute(sa.select(sa.func.max(runs.c.number)).where(*mine)).scalar_one() or 0
            run = Run(
                run_id=derive_id("run", tenant, source, number + 1),
                tenant=tenant,
                source=source,
                lease_token=lease_token,
                fingerprint=fingerprint,
                started_at=datetime.now(UTC),
            )
            connection.execute(sa.insert(runs).values(_run_row(run, number + 1, _count_live(connection, run))))
        return run

    def clear_listing(self, run: Run) -> None:
        """Forget what an attempt before this one listed."""
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            connection.execute(sa.delete(listing).where(listing.c.run_id == run.run_id))

    def add_embedded(self, run_id: str, count: int) -> None:
        """Count chunks whose vector was computed in this run."""
        with self._database.write() as connection:
            connection.execute(sa.update(runs).where(runs.c.run_id == run_id).values(embedded=runs.c.embedded + count))

    def finish_run(self, run: Run, *, removed: int, prune_blocked: int) -> Ledger:
        """Balance the ledger, store it, drop the staging rows.

        Raises:
            AssertionError: It does not balance: a bug of ours, which must not pass silently.
        """
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            ledger = _count_ledger(connection, run, removed=removed, prune_blocked=prune_blocked)
            if not ledger.balances:
                raise AssertionError(f"the ledger of run {run.run_id} does not balance: {ledger}")
            status = "prune-blocked" if prune_blocked else "done"
            values = {"status": status, "ledger": ledger.model_dump(), "removed": removed}
            connection.execute(
                sa.update(runs).where(runs.c.run_id == run.run_id).values(values | {"finished_at": datetime.now(UTC)})
            )
            connection.execute(sa.delete(listing).where(listing.c.run_id == run.run_id))
        return ledger

    def fail_run(self, run: Run, error: str) -> None:
        """Note why a run ended early; what it published stays, the rest is done by the next run."""
        with self._database.write() as connection:
            connection.execute(
                sa.update(runs)
                .where(runs.c.run_id == run.run_id, runs.c.status == "running")
                .values(status="failed", error=error, finished_at=datetime.now(UTC))
            )

    def was_read_since(self, tenant: str, source: str, moment: datetime) -> bool:
        """Whether a run that began then or later read the source to its end."""
        query = sa.select(runs.c.run_id).where(
            runs.c.tenant == tenant,
            runs.c.source == source,
            runs.c.status.in_(("done", "prune-blocked")),
            runs.c.started_at >= moment,
        )
        with self._database.read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def count_progress(self, tenant: str, source: str) -> tuple[int, int]:
        """(decided, listed) documents of the running run; zeros when none runs."""
        query = (
            sa.select(sa.func.count(listing.c.outcome), sa.func.count())
            .join(runs, runs.c.run_id == listing.c.run_id)
            .where(runs.c.tenant == tenant, runs.c.source == source, runs.c.status == "running")
        )
        with self._database.read() as connection:
            decided, listed = connection.execute(query).one()
        return int(decided), int(listed)

    def read_last_runs(self, tenant: str) -> list[dict[str, Any]]:
        """The newest run of every source, by source."""
        newest = sa.select(runs.c.source, sa.func.max(runs.c.number).label("number")).where(runs.c.tenant == tenant)
        last = newest.group_by(runs.c.source).subquery()
        query = (
            sa.select(runs)
            .join(last, sa.and_(runs.c.source == last.c.source, runs.c.number == last.c.number))
            .where(runs.c.tenant == tenant)
            .order_by(runs.c.source)
        )
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _run_row(run: Run, number: int, live: int) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "tenant": run.tenant,
        "source": run.source,
        "number": number,
        "status": "running",
        "live_before": live,
        "removed": 0,
        "embedded": 0,
        "started_at": run.started_at,
    }


def _count_live(connection: Connection, run: Run) -> int:
    query = sa.select(sa.func.count()).where(
        documents.c.tenant == run.tenant, documents.c.source == run.source, documents.c.state.in_(LIVE)
    )
    return int(connection.execute(query).scalar_one())


def _count_ledger(connection: Connection, run: Run, *, removed: int, prune_blocked: int) -> Ledger:
    by_outcome = sa.select(listing.c.outcome, sa.func.count()).where(listing.c.run_id == run.run_id)
    outcomes = Counter({row[0]: row[1] for row in connection.execute(by_outcome.group_by(listing.c.outcome))})
    stored = connection.execute(sa.select(runs).where(runs.c.run_id == run.run_id)).mappings().one()
    written = sa.select(sa.func.coalesce(sa.func.sum(versions.c.chunk_count), 0)).where(
        versions.c.tenant == run.tenant, versions.c.source == run.source, versions.c.created_at >= run.started_at
    )
    reprocessed = sa.select(sa.func.count()).where(listing.c.run_id == run.run_id, listing.c.reprocess)
    return Ledger(
        source=run.source,
        tenant=run.tenant,
        run_id=run.run_id,
        listed=outcomes.total(),
        **{word: outcomes[word] for word in ("new", "changed", "renamed", "unchanged", "outdated", "quarantined")},
        removed=removed,
        live_before=stored["live_before"],
        live_after=_count_live(connection, run),
        reprocessed=connection.execute(reprocessed).scalar_one(),
        embedded=stored["embedded"],
        chunks=connection.execute(written).scalar_one(),
        prune_blocked=prune_blocked,
        seconds=round((datetime.now(UTC) - run.started_at).total_seconds(), 3),
    )
