"""Opens a database, migrates it, and maps its errors once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, make_url

from tasks.errors import ArtifactCorrupt, BackendUnavailable, ConfigurationError, ProductError

HEAD_REVISION = "0007"
"""The newest file in migrations/versions; a test compares."""


KEYS_AT_ONCE = 10_000


class Database:
    """One engine; `read` and `write` are the only ways in.

    Isolation: SQLite in WAL mode gives each transaction a snapshot, and `write` begins IMMEDIATE, so that what it read
    is still true when it commits. PostgreSQL runs at READ COMMITTED; what must not race is fenced by a row lock on the
    lease.
    """

    def __init__(self, url: str, *, busy_timeout_seconds: float = 30) -> None:
        self._url = make_url(url)
        self._engine = _create_engine(self._url, busy_timeout_seconds)

    @property
    def shown_url(self) -> str:
        """The URL without its password."""
        return self._url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing is written."""
        with self._mapped_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One commit, or nothing."""
        with (
            self._mapped_errors(),
            self._engine.connect().execution_options(expertloop_writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    def migrate(self) -> None:
        """Bring the schema to the newest revision; does nothing when it is there.

        Raises:
            ConfigurationError: The database was written by a newer expertloop, or its folder cannot be made.
        """
        self._prepare_folder()
        if self._current_revision() == HEAD_REVISION:
            return
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('expertloop-migrations'))"))
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

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()

    def _prepare_folder(self) -> None:
        if self._url.get_backend_name() != "sqlite" or not self._url.database:
            return
        folder = Path(self._url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"cannot create {folder}: {error.strerror}", advice="set EXPERTLOOP_HOME to a folder you may write"
            ) from error

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.OperationalError, sa.exc.DatabaseError) as error:
            mapped = _map_error(error, self.shown_url)
            if mapped is None:
                raise
            raise mapped from error


def _create_engine(url: sa.URL, busy_timeout_seconds: float) -> Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    engine = sa.create_engine(url, connect_args={"timeout": busy_timeout_seconds, "check_same_thread": False})
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


def _map_error(error: sa.exc.DatabaseError, url: str) -> ProductError | None:
    """Ours for what a person can mend; None for what is a bug of ours (constraint, syntax, wrong type)."""
    cause = str(error.orig)
    if "malformed" in cause or "not a database" in cause:
        return ArtifactCorrupt(
            f"the database {url} is damaged: {cause}",
            advice="restore it from a backup, or move it away and run `expertloop ingest` to build a new one",
        )
    if isinstance(error, sa.exc.OperationalError):
        return BackendUnavailable(
            f"the database {url} does not answer: {cause}",
            advice="see that it runs, is not locked by another program and its disk is not full",
        )
    return None


def list_batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Keys for one `IN (…)` each: SQLite takes 32,766 parameters a statement, PostgreSQL 65,535."""
    return (keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE))


def upsert(connection: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows, replacing every other column of those whose primary key is there; one round trip a batch."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_postgresql

        statement: Any = insert_postgresql(table)
    else:
        from sqlalchemy.dialects.sqlite import insert as insert_sqlite

        statement = insert_sqlite(table)
    keys = [column.name for column in table.primary_key]
    replaced = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    if replaced:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=replaced)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, rows)
