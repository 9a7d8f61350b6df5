"""A PostgreSQL that is frozen, or behind a network that fails: said in time, and mended without a restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import psutil
import pytest
import sqlalchemy as sa

from tasks.errors import BackendUnavailable
from tasks.integrations.database.engine import HEAD_REVISION, Database
from tasks.integrations.database.locks import lock_name
from tests.databases import on_postgresql_alone
from tests.network import Proxy
from tests.postgresql import PostgreSQLServer

pytestmark = [pytest.mark.server, on_postgresql_alone]

SILENCE_SECONDS = 0.5
CONNECT_SECONDS = 2
"""libpq knows no shorter one."""

NOTICED_SECONDS = SILENCE_SECONDS + 2 * CONNECT_SECONDS
"""A pooled connection is silent, nobody is let in, and no new one can be opened."""

Open = Callable[..., Database]


@pytest.fixture
def open_at(database_url: str) -> Iterator[Open]:
    """Opens the test's database at a port, with time limits of the test's own; closed at the end."""
    opened: list[Database] = []

    def open_at(port: int | None = None, statement_timeout_seconds: float = 60) -> Database:
        url = sa.make_url(database_url).update_query_dict({"connect_timeout": str(CONNECT_SECONDS)})
        shown = url.set(port=port or url.port).render_as_string(hide_password=False)
        opened.append(
            Database(shown, statement_timeout_seconds=statement_timeout_seconds, silence_seconds=SILENCE_SECONDS)
        )
        return opened[-1]

    yield open_at
    for database in opened:
        database.close()


@pytest.fixture
def proxy(postgresql: PostgreSQLServer) -> Iterator[Proxy]:
    with Proxy(postgresql.port).running() as proxy:
        yield proxy


def ask(database: Database, statement: str = "SELECT 1") -> object:
    with database.read() as connection:
        return connection.execute(sa.text(statement)).scalar_one()


class Working(NamedTuple):
    """A statement, and the process of the server that works on it."""

    done: Future[object]
    process: int


@contextmanager
def at_work(database: Database, seconds: float = 60) -> Iterator[Working]:
    """A statement that the server has begun and that takes so long."""
    begun = threading.Event()
    process: list[int] = []

    def work() -> object:
        with database.read() as connection:
            process.append(connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())
            begun.set()
            return connection.execute(sa.text(f"SELECT 'done' FROM pg_sleep({seconds})")).scalar_one()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        assert begun.wait(60)
        yield Working(done, process[0])


@contextmanager
def unavailable(seconds: float, words: str = "the database") -> Iterator[None]:
    """The block fails as it should, and in time; twice as late is in time where many others work on the machine."""
    started = time.monotonic()
    with pytest.raises(BackendUnavailable, match=words):
        yield
    assert time.monotonic() - started < 2 * seconds


def test_a_frozen_server_is_noticed_in_time_and_the_same_object_works_when_it_is_thawed(
    open_at: Open, postgresql: PostgreSQLServer
) -> None:
    database = open_at()
    with at_work(database) as working:
        with postgresql.frozen():
            with unavailable(NOTICED_SECONDS, "said nothing"):
                working.done.result()
            with unavailable(NOTICED_SECONDS):
                ask(database)
        assert ask(database) == 1


def test_a_pooled_connection_to_a_frozen_server_is_noticed_when_it_is_lent(
    open_at: Open, postgresql: PostgreSQLServer
) -> None:
    database = open_at()
    assert ask(database) == 1
    with postgresql.frozen(), unavailable(NOTICED_SECONDS):
        ask(database)
    assert ask(database) == 1


def test_one_process_of_the_server_that_hangs_is_given_up_after_the_longest_statement(open_at: Open) -> None:
    database = open_at(statement_timeout_seconds=1)
    with at_work(database) as working:
        process = psutil.Process(working.process)
        process.suspend()
        try:
            with unavailable(1 + 3 * SILENCE_SECONDS, "longer than any statement"):
                working.done.result()
            assert ask(database) == 1
        finally:
            process.resume()


def test_a_network_that_hangs_is_noticed_with_one_connection_more(open_at: Open, proxy: Proxy) -> None:
    database = open_at(proxy.port)
    with at_work(database) as working:
        known = proxy.connections
        proxy.hang()
        with unavailable(NOTICED_SECONDS, "said nothing"):
            working.done.result()
        assert proxy.connections == known + 1
        proxy.heal()
        assert ask(database) == 1


@pytest.mark.parametrize("fault", ["refuse", "reset"])
def test_a_connection_that_breaks_is_said_at_once_and_replaced(open_at: Open, proxy: Proxy, fault: str) -> None:
    database = open_at(proxy.port)
    with at_work(database) as working:
        getattr(proxy, fault)()
        with unavailable(1):
            working.done.result()
        with unavailable(1):
            ask(database)
        proxy.heal()
        assert ask(database) == 1


def test_a_write_that_was_cut_in_its_middle_is_no_write(open_at: Open, proxy: Proxy) -> None:
    database = open_at(proxy.port)
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE cut (word text)"))
    proxy.cut_after(200_000)
    insert = sa.text("INSERT INTO cut VALUES (:word)")
    with unavailable(NOTICED_SECONDS), database.write() as connection:
        for _ in range(100):
            connection.execute(insert, [{"word": "x" * 100} for _ in range(100)])
    proxy.heal()
    assert ask(database, "SELECT count(*) FROM cut") == 0


def test_a_long_statement_of_a_server_that_speaks_is_waited_for(open_at: Open, proxy: Proxy) -> None:
    database = open_at(proxy.port)
    with at_work(database, seconds=4 * SILENCE_SECONDS) as working:
        known = proxy.connections
        assert working.done.result() == "done"
        assert proxy.connections > known, "it was asked meanwhile"


def test_a_migration_is_waited_for_however_long_it_takes(open_at: Open) -> None:
    first, second = open_at(), open_at(statement_timeout_seconds=SILENCE_SECONDS)
    with first.write() as connection:
        connection.execute(sa.text("DELETE FROM alembic_version"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('0012')"))
    locked = threading.Event()

    def hold() -> None:
        with first.write() as connection:
            lock_name(connection, "migrations")
            locked.set()
            connection.execute(sa.text(f"SELECT pg_sleep({5 * SILENCE_SECONDS})"))
            connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{HEAD_REVISION}'"))

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert locked.wait(60)
        second.migrate()
        holding.result()
