"""Who works on what: a row with a heartbeat, and the fence that every commit of the holder checks.

A holder is judged by whether its `beats` move, not by clocks of two hosts; one on this host by its process.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from tasks.errors import DeviceBusy, ProductError
from tasks.integrations.database.engine import Database, insert_new
from tasks.integrations.database.schema import leases
from tasks.models import derive_id

logger = logging.getLogger(__name__)


class Leases:
    """Exclusive work, one holder a name.

    Args:
        database: Where the rows are.
        lease_seconds: How long a holder on another host may be silent before it counts as dead.
    """

    def __init__(self, database: Database, *, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds

    @contextmanager
    def hold(self, name: str) -> Iterator[str]:
        """Hold the lease while the block runs; yields the token that `check_lease` wants.

        Waits up to `lease_seconds` for a holder on another host to show life.

        Raises:
            DeviceBusy: Another living holder has it.
        """
        token = self._acquire(name)
        stopped = threading.Event()
        heart = threading.Thread(target=self._beat, args=(name, token, stopped), daemon=True, name=f"lease {name}")
        heart.start()
        try:
            yield token
        finally:
            stopped.set()
            heart.join()
            with self._database.write() as connection:
                connection.execute(sa.delete(leases).where(leases.c.name == name, leases.c.token == token))

    def is_held(self, name: str) -> bool:
        """Whether somebody has the lease; a holder on another host counts as alive, since one look cannot tell."""
        with self._database.read() as connection:
            holder = connection.execute(sa.select(leases).where(leases.c.name == name)).mappings().one_or_none()
        return holder is not None and not _is_dead(holder)

    def _acquire(self, name: str) -> str:
        waited = threading.Event()
        observed: RowMapping | None = None
        deadline_parts = 20
        for _ in range(deadline_parts + 1):
            token, holder = self._try_acquire(name, silent=None)
            if token:
                return token
            assert holder is not None
            if holder["host"] == socket.gethostname() or (observed and _moved(observed, holder)):
                raise _busy(name, holder)
            observed = observed or holder
            waited.wait(self._lease_seconds / deadline_parts)
        token, holder = self._try_acquire(name, silent=observed)
        if token is None:
            assert holder is not None
            raise _busy(name, holder)
        return token

    def _try_acquire(self, name: str, *, silent: RowMapping | None) -> tuple[str | None, RowMapping | None]:
        mine, row = leases.c.name == name, _own_row(name)
        with self._database.write() as connection:
            # Inserting comes first: on PostgreSQL two may look at once, and both would find nobody.
            while not insert_new(connection, leases, row):
                query = sa.select(leases).where(mine).with_for_update()
                holder = connection.execute(query).mappings().one_or_none()
                if holder is None:
                    continue  # released between the two statements
                if not _is_dead(holder) and not (silent and not _moved(silent, holder)):
                    return None, holder
                logger.warning("lease taken over name=%s from_host=%s from_pid=%s", name, holder["host"], holder["pid"])
                connection.execute(sa.update(leases).where(mine).values(row))
                break
        return str(row["token"]), None

    def _beat(self, name: str, token: str, stopped: threading.Event) -> None:
        beat = sa.update(leases).where(leases.c.name == name, leases.c.token == token)
        while not stopped.wait(self._lease_seconds / 6):
            try:
                with self._database.write() as connection:
                    connection.execute(beat.values(beats=leases.c.beats + 1))
            except ProductError as error:
                # A beat may fail while the database is busy; if it goes on, the fence stops the run at its next commit.
                logger.warning("lease heartbeat failed name=%s error=%s", name, error)


def check_lease(connection: Connection, token: str) -> None:
    """The fence: inside a write, make sure that the run still holds its lease; being at work is a beat, too.

    The changed row stays locked until the commit, so that nobody takes over in between.

    Raises:
        DeviceBusy: It was silent so long that another run took over; nothing is committed.
    """
    beat = sa.update(leases).where(leases.c.token == token).values(beats=leases.c.beats + 1)
    if connection.execute(beat).rowcount == 0:
        raise DeviceBusy(
            "this run was silent for too long and another one took its place",
            advice="nothing is lost: the other run finishes the work, or run the command again",
        )


def _own_row(name: str) -> dict[str, object]:
    process = psutil.Process()
    host, started, now = socket.gethostname(), process.create_time(), datetime.now(UTC)
    return {
        "name": name,
        "token": derive_id("lease", name, host, process.pid, started, threading.get_ident(), now.isoformat()),
        "host": host,
        "pid": process.pid,
        "process_started": started,
        "beats": 0,
        "taken_at": now,
    }


def _is_dead(holder: RowMapping) -> bool:
    if holder["host"] != socket.gethostname():
        return False
    try:
        process = psutil.Process(holder["pid"])
        return abs(process.create_time() - holder["process_started"]) > 1 or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _moved(before: RowMapping, now: RowMapping) -> bool:
    return bool(before["token"] != now["token"] or before["beats"] != now["beats"])


def _busy(name: str, holder: RowMapping) -> DeviceBusy:
    return DeviceBusy(
        f"{name} is being worked on by process {holder['pid']} on {holder['host']} since {holder['taken_at']:%H:%M:%S}",
        advice="it will finish by itself; run the command again afterwards",
    )
