"""What a PostgreSQL that fails is called, who may help, and that no message shows a password."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from tasks.errors import ArtifactCorrupt, BackendUnavailable, ConfigurationError, ProductError
from tasks.integrations.database import faults
from tasks.integrations.database.engine import Database
from tasks.integrations.database.faults import map_fault
from tests.databases import on_postgresql_alone
from tests.postgresql import PASSWORD, ROLE, PostgreSQLServer

OpenAt = Callable[..., Database]


@pytest.fixture
def open_at() -> Iterator[OpenAt]:
    """Opens any URL, with time limits of the test's own; closed at the end."""
    opened: list[Database] = []

    def open_at(url: str, **limits: float) -> Database:
        opened.append(Database(url, **limits))
        return opened[-1]

    yield open_at
    for database in opened:
        database.close()


def raised(database: Database, statement: str = "SELECT 1") -> ProductError:
    with pytest.raises(ProductError) as caught, database.write() as connection:
        connection.execute(sa.text(statement))
    assert PASSWORD not in f"{caught.value} {caught.value.advice}"
    assert "\n" not in caught.value.message
    return caught.value


def test_every_class_of_error_that_the_driver_knows_has_its_meaning() -> None:
    states = {getattr(error, "sqlstate", None) for error in vars(psycopg.errors).values()}
    known = {state for state in states if isinstance(state, str)}
    assert len(known) > 200
    decided = faults.TRANSIENT.keys() | faults.CONFIGURED_WRONG.keys() | faults.BUGS
    assert {state[:2] for state in known} - decided == set()
    assert known >= faults.CORRUPT
    assert faults.TRANSIENT.keys() & faults.BUGS == faults.CONFIGURED_WRONG.keys() & faults.BUGS == set()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.errors.SerializationFailure, BackendUnavailable),
        (psycopg.errors.DeadlockDetected, BackendUnavailable),
        (psycopg.errors.DiskFull, BackendUnavailable),
        (psycopg.errors.TooManyConnections, BackendUnavailable),
        (psycopg.errors.AdminShutdown, BackendUnavailable),
        (psycopg.errors.ReadOnlySqlTransaction, BackendUnavailable),
        (psycopg.errors.InvalidPassword, ConfigurationError),
        (psycopg.errors.DataCorrupted, ArtifactCorrupt),
        (psycopg.errors.UniqueViolation, None),
        (psycopg.errors.SyntaxError, None),
        (psycopg.errors.InternalError_, None),
    ],
)
def test_an_error_is_transient_or_terminal_or_a_bug(
    error: type[psycopg.Error], expected: type[ProductError] | None
) -> None:
    wrapped = sa.exc.DBAPIError.instance("SELECT 1", None, error("said so"), psycopg.Error)
    assert isinstance(wrapped, sa.exc.DBAPIError)
    mapped = map_fault(wrapped, "postgresql://db")
    assert type(mapped) is (expected or type(None))
    assert mapped is None or "said so" in mapped.message


@on_postgresql_alone
@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ((f":{PASSWORD}@", ":falsch@"), "password authentication failed"),
        ((f":{PASSWORD}@", "@"), "no password supplied"),
        ((f"{ROLE}:", "nobody:"), "password authentication failed"),
        (("/test", "/missing"), "does not exist"),
    ],
    ids=["password", "no-password", "role", "database"],
)
def test_a_wrong_address_is_terminal_and_says_what_to_correct(
    database_url: str, open_at: OpenAt, wrong: tuple[str, str], word: str
) -> None:
    error = raised(open_at(database_url.replace(*wrong)))
    assert isinstance(error, ConfigurationError)
    assert word in error.message
    assert "EXPERTLOOP_DATABASE_URL" in error.advice
    assert ":***@" in error.message or word == "no password supplied"


@on_postgresql_alone
def test_a_role_without_the_right_to_make_tables_is_told_so(
    database_url: str, postgresql: PostgreSQLServer, open_at: OpenAt
) -> None:
    with suppress(psycopg.errors.DuplicateObject):
        postgresql.execute(sql.SQL("CREATE ROLE reader LOGIN PASSWORD 'geheim-7'"))
    with pytest.raises(ConfigurationError, match="does not allow"):
        open_at(postgresql.url("postgres").replace(f"{ROLE}:", "reader:")).migrate()


def test_a_server_that_is_not_there_is_transient(open_at: OpenAt) -> None:
    error = raised(open_at(f"postgresql://{ROLE}:{PASSWORD}@127.0.0.1:1/name"))
    assert isinstance(error, BackendUnavailable)
    assert "does not answer" in error.message


@on_postgresql_alone
def test_a_lock_is_not_waited_for_longer_than_allowed(database_url: str, open_at: OpenAt) -> None:
    with open_at(database_url).write() as connection:
        connection.execute(sa.text("LOCK TABLE leases"))
        error = raised(open_at(database_url, busy_timeout_seconds=0.1), "SELECT 1 FROM leases")
    assert isinstance(error, BackendUnavailable)
    assert "locked" in error.message


@on_postgresql_alone
def test_a_statement_that_takes_too_long_is_stopped(database_url: str, open_at: OpenAt) -> None:
    error = raised(open_at(database_url, statement_timeout_seconds=0.1), "SELECT pg_sleep(60)")
    assert isinstance(error, BackendUnavailable)
    assert "statement timeout" in error.message


@on_postgresql_alone
def test_a_connection_that_was_cut_is_replaced_and_the_next_transaction_works(
    database_url: str, postgresql: PostgreSQLServer, open_at: OpenAt
) -> None:
    database = open_at(database_url)
    mine = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}").format(
        sql.Literal(database_url.rpartition("/")[2])
    )

    def is_cut_off_while_it_reads() -> None:
        with database.read() as connection:
            connection.execute(sa.text("SELECT 1"))
            postgresql.execute(mine)
            connection.execute(sa.text("SELECT 1"))

    with pytest.raises(BackendUnavailable):
        is_cut_off_while_it_reads()
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
    postgresql.execute(mine)
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1, "an idle one is tried before it is used"


@on_postgresql_alone
def test_a_database_that_has_no_room_for_every_character_is_refused(
    postgresql: PostgreSQLServer, database_url: str, open_at: OpenAt
) -> None:
    postgresql.execute(sql.SQL("DROP DATABASE IF EXISTS latin"))
    postgresql.execute(
        sql.SQL("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    )
    with pytest.raises(ConfigurationError, match="LATIN1") as caught:
        open_at(postgresql.url("latin")).migrate()
    assert "UTF8" in caught.value.advice


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("no url", "no database URL"),
        ("postgresql://host:port/name", "no database URL"),
        ("mysql://host/name", "not supported"),
        ("postgresql+psycopg2://host/name", "not supported"),
        ("postgresql://user:geh@eim-7@host/name", "%40"),
        ("postgresql://user:geheim-7@host", "names no database"),
    ],
)
def test_a_url_that_cannot_work_is_refused_before_anything_is_asked(url: str, word: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Database(url)
    assert word in f"{caught.value.message} {caught.value.advice}"
    assert "eim-7" not in f"{caught.value.message} {caught.value.advice}"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_shown_url_has_neither_password_nor_options(scheme: str) -> None:
    with closing(Database(f"{scheme}://ä:geheim-7@host:1/name?sslpassword=geheim-8&connect_timeout=3")) as database:
        assert database.shown_url == "postgresql+psycopg://%C3%A4:***@host:1/name"


def test_a_missing_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match="psycopg") as caught:
        Database("postgresql://user:geheim-7@host/name")
    assert "expertloop[postgresql]" in caught.value.advice
