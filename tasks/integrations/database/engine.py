"""Opens a database, migrates it, and says in our words what goes wrong with it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.database.address import SILENCE_SECONDS, limit_connecting, read_address, show_address
from tasks.integrations.database.faults import map_fault
from tasks.integrations.database.locks import lock_name

HEAD_REVISION = "0016"
"""The newest file in migrations/versions; a test compares."""

KEYS_AT_ONCE = 10_000
IDLE_SECONDS = 600
"""A transaction in which nothing happens for so long belongs to a process that hangs: it must not hold its locks."""


class Database:
    """One engine; `read` and `write` are the only ways in.

    Isolation, the same on both: `read` sees one moment (a snapshot of SQLite in WAL mode; REPEATABLE READ, READ ONLY on
    PostgreSQL, which never fails with a serialization error). `write` sees what is committed: SQLite begins IMMEDIATE,
    so that writers come one after another; PostgreSQL runs at READ COMMITTED, and what must not race takes a lock
    first: a row's (leases) or one with a name (`locks.py`).

    Args:
        url: `sqlite:///…` or `postgresql+psycopg://…`.
        busy_timeout_seconds: Longest wait for a lock that somebody else holds.
        statement_timeout_seconds: Longest statement on PostgreSQL.
        silence_seconds: Longest silence of PostgreSQL before it is asked whether it still speaks.

    Raises:
        ConfigurationError: The URL is wrong, or its driver is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        busy_timeout_seconds: float = 30,
        statement_timeout_seconds: float = 300,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._url = read_address(url)
        if self._url.get_backend_name() == "sqlite":
            self._engine = _create_sqlite(self._url, busy_timeout_seconds)
            self._reading, self._writing = self._engine, self._engine.execution_options(expertloop_writes=True)
        else:
            self._engine = _create_postgresql(self._url, busy_timeout_seconds, statement_timeout_seconds)
            _watch(self._engine, statement_timeout_seconds, silence_seconds)
            self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self._writing = self._engine.execution_options(isolation_level="READ COMMITTED")

    @property
    def shown_url(self) -> str:
        """The URL without its password."""
        return show_address(self._url)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing is written."""
        with self._mapped_errors(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One commit, or nothing."""
        with self._mapped_errors(), self._writing.begin() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the schema to the newest revision; does nothing when it is there.

        Raises:
            ConfigurationError: The database was written by a newer expertloop, or its folder cannot be made.
        """
        with self._folder():
            if self._current_revision() == HEAD_REVISION:
                return
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.write() as connection:
            _wait_for_migrators(connection, self.shown_url)
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise ConfigurationError(
                    f"the database {self.shown_url} has a schema this version does not know: {error}",
                    advice="upgrade expertloop, or point EXPERTLOOP_DATABASE_URL to another database",
                ) from error

    def _current_revision(self) -> str | None:
        """Read without Alembic, whose import would cost every command half a second."""
        with self.read() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()

    def scrub(self) -> None:
        """Make the files forget what rows no longer hold: deleted text stays in free pages until then.

        Raises:
            BackendUnavailable: Somebody reads for so long that the file cannot be written anew.
        """
        with self._mapped_errors(), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                self._scrub_sqlite(connection)
            else:
                connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("VACUUM"))

    def _scrub_sqlite(self, connection: Connection) -> None:
        """Past SQLAlchemy, which would begin a transaction: SQLite refuses VACUUM inside of one."""
        driver = connection.connection.driver_connection
        assert driver is not None
        try:
            driver.execute("VACUUM")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.OperationalError as error:
            raise BackendUnavailable(
                f"the database {self.shown_url} cannot be written anew: {error}",
                advice="its rows are clean, its file is not yet: run the same command again when nobody reads it",
            ) from error

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()

    @contextmanager
    def _folder(self) -> Iterator[None]:
        """The folder of a SQLite file, made if need be, and ours alone for the block.

        A new file is switched to WAL by who opens it first; of two who do so at once SQLite turns one away without
        waiting.
        """
        if self._url.get_backend_name() != "sqlite" or not self._url.database:
            yield
            return
        path = Path(self._url.database).parent
        try:
            path.mkdir(parents=True, exist_ok=True)
            folder = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise ConfigurationError(
                f"cannot create {path}: {error.strerror}", advice="set EXPERTLOOP_HOME to a folder you may write"
            ) from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            mapped = map_fault(error, self.shown_url)
            if mapped is None:
                raise
            raise mapped from error


def _create_sqlite(url: sa.URL, busy_timeout_seconds: float) -> Engine:
    connecting = {"timeout": busy_timeout_seconds, "check_same_thread": False}
    engine = sa.create_engine(url, connect_args=connecting, hide_parameters=True)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver's own BEGIN comes too late and knows no IMMEDIATE; `_begin_sqlite` does it instead.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("expertloop_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _create_postgresql(url: sa.URL, lock_seconds: float, statement_seconds: float) -> Engine:
    """An engine whose sessions give up in time; what the URL itself asks for (`?connect_timeout=3`) is stronger."""
    session = {
        "timezone": "UTC",
        "lock_timeout": int(lock_seconds * 1000),
        "statement_timeout": int(statement_seconds * 1000),
        "idle_in_transaction_session_timeout": IDLE_SECONDS * 1000,
    }
    options = " ".join(f"-c {name}={value}" for name, value in session.items())
    connecting = {**limit_connecting(url), "options": f"{options} {url.query.get('options', '')}".strip()}
    try:
        # Parameters are documents and questions: they belong into no log and no traceback.
        return sa.create_engine(url, pool_pre_ping=True, connect_args=connecting, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the database {show_address(url)} needs the driver {error.name}, which is not installed",
            advice="install it: pip install 'expertloop[postgresql]'",
        ) from error


def _watch(engine: Engine, statement_seconds: float, silence_seconds: float) -> None:
    from tasks.integrations.database.silence import watch_connections

    # A living server ends a statement by itself before we give up: its clock runs out first.
    limit_seconds = statement_seconds + silence_seconds
    watch_connections(engine, silence_seconds=silence_seconds, longest_silence_seconds=limit_seconds)


def _wait_for_migrators(connection: Connection, shown: str) -> None:
    """Of processes that start together one migrates; the others wait as long as that takes, and find it done."""
    if connection.dialect.name != "postgresql":
        return
    # On a connection of its own, without limits; it is closed at the end instead of being lent to others.
    driver: Any = connection.connection.driver_connection
    driver.longest_silence_seconds = None
    connection.detach()
    connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
    connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
    lock_name(connection, "migrations")
    encoding = connection.execute(sa.text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise ConfigurationError(
            f"the database {shown} keeps text as {encoding}, which has no room for every document",
            advice="create it with ENCODING 'UTF8' TEMPLATE template0",
        )


def list_batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Keys for one `IN (…)` each: SQLite takes 32,766 parameters a statement, PostgreSQL 65,535."""
    return (keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE))


def upsert(connection: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows, replacing every other column of those whose primary key is there; one round trip a batch.

    In the order of their keys: two processes that write the same rows then wait for each other instead of locking up.
    """
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    statement = _insert(connection, table)
    replaced = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    if replaced:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=replaced)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, sorted(rows, key=lambda row: [row[key] for key in keys]))


def update_rows(connection: Connection, statement: sa.Update, values: dict[str, dict[str, Any]]) -> None:
    """Update rows by their document_id, each with values of its own, the same columns in all; one round trip."""
    if not values:
        return
    columns = next(iter(values.values()))
    table = statement.table
    one = statement.where(table.c.document_id == sa.bindparam("changed_id")).values(
        {name: sa.bindparam(name) for name in columns}
    )
    connection.execute(one, [{"changed_id": key, **values[key]} for key in sorted(values)])


def insert_new(connection: Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Insert a row unless its primary key is there; returns whether it was not."""
    statement = _insert(connection, table).values(row).on_conflict_do_nothing()
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1


def _insert(connection: Connection, table: sa.Table) -> Any:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_postgresql

        return insert_postgresql(table)
    from sqlalchemy.dialects.sqlite import insert as insert_sqlite

    return insert_sqlite(table)
