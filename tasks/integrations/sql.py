"""A query over any SQLAlchemy URL as rows; nothing is ever written, and every transaction ends with a rollback.

The uri of a row is `sql:SOURCE/KEY`: readable, stable, and free of hosts and passwords.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, CursorResult, Engine, event, exc, inspect
from sqlalchemy.engine import make_url

from tasks.errors import BackendUnavailable, ConfigurationError, ProductError
from tasks.integrations.foreign_databases import open_foreign_database
from tasks.integrations.rows import Row
from tasks.models import Problem
from tasks.source_models import SqlConfig

_ROWS_A_FETCH = 1000
_SQLITE_TERMINAL = ("SQLITE_ERROR", "SQLITE_NOTADB", "SQLITE_READONLY", "SQLITE_AUTH", "SQLITE_CANTOPEN")
_TERMINAL = (exc.ProgrammingError, exc.DataError, exc.NotSupportedError, exc.IntegrityError, exc.InternalError)
_READ_ONLY = {
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


class SqlReader:
    """Implements `RowReader` over SQLAlchemy.

    Args:
        config: The source; references in its url are already replaced.
    """

    unit = "row"

    def __init__(self, config: SqlConfig) -> None:
        self._config = config

    def make_uri(self, path: str) -> str:
        """`sql:SOURCE/KEY`."""
        return f"sql:{quote(self._config.name, safe='')}/{path}"

    def find_key(self) -> tuple[str, ...]:
        """The configured key, else the table's primary key.

        Raises:
            ConfigurationError: There is no such table, or it has no primary key.
        """
        if self._config.key or self._config.table is None:
            return self._config.key
        schema, _, table = self._config.table.rpartition(".")
        with self._connect() as connection:
            inspector = inspect(connection)
            tables = [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
            if table not in tables:
                near = difflib.get_close_matches(table, tables, n=1)
                raise self._refuse(
                    f"there is no table {self._config.table}",
                    f"did you mean {near[0]}?" if near else f"the tables are: {', '.join(tables) or 'none'}",
                )
            key = inspector.get_pk_constraint(table, schema or None)["constrained_columns"]
        if not key:
            raise self._refuse(f"table {table} has no primary key", "name the columns that tell rows apart in 'key'")
        return tuple(key)

    def read_rows(self, check_columns: Callable[[Sequence[str]], None]) -> Iterator[tuple[int, Row | Problem]]:
        """Stream the rows of the query or table, counted from 1.

        Raises:
            ConfigurationError: The query or a column is wrong.
            BackendUnavailable: The database does not answer, or stopped before the end.
        """
        with self._connect() as connection:
            statement = self._config.query or _select_all(connection, self._config.table or "")
            with _stream(connection, statement) as result:
                columns = list(result.keys())
                check_columns(columns)
                for number, values in enumerate(result, start=1):
                    yield number, dict(zip(columns, values, strict=True))

    def read_tables(self) -> Iterator[tuple[str, Iterator[Row]]]:
        """The tables of `overview_tables` and their rows; read each before asking for the next."""
        for table in self._config.overview_tables:
            with self._connect() as connection, _stream(connection, _select_all(connection, table)) as result:
                columns = list(result.keys())
                yield table, (dict(zip(columns, values, strict=True)) for values in result)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        try:
            with self._make_engine().connect() as connection:
                if statement := _READ_ONLY.get(connection.dialect.name):
                    connection.exec_driver_sql(statement)
                yield connection
        except exc.SQLAlchemyError as error:
            raise self._map_error(error) from error

    def _make_engine(self) -> Engine:
        try:
            engine = open_foreign_database(self._config.url)
        except ModuleNotFoundError as error:
            raise self._refuse(
                f"the driver {error.name} is not installed",
                "install it, for PostgreSQL: pip install 'expertloop[postgresql]'",
            ) from error
        except ValueError as error:  # a port that is no number
            raise self._refuse(
                "the url is no SQLAlchemy URL", "write for example postgresql+psycopg://host/name"
            ) from error
        if engine.dialect.name == "sqlite":
            self._prepare_sqlite(engine)
        return engine

    def _prepare_sqlite(self, engine: Engine) -> None:
        database = engine.url.database or ":memory:"
        if database != ":memory:" and not database.startswith("file:") and not Path(database).is_file():
            # SQLite would make an empty database here.
            raise self._refuse(f"there is no database file {database}", "correct the url, or create the database first")
        event.listen(engine, "connect", _restrain_sqlite)

    def _map_error(self, error: exc.SQLAlchemyError) -> ProductError:
        said = self._hide_password(str(getattr(error, "orig", None) or error).strip().partition("\n")[0])
        if isinstance(error, exc.DBAPIError) and not _is_terminal(error):
            return BackendUnavailable(
                f"source {self._config.name}: the database does not answer: {said}",
                advice="nothing was removed; check that it runs and can be reached, run again",
            )
        return self._refuse(said, "correct url, query or table of this source")

    def _hide_password(self, text: str) -> str:
        try:
            password = make_url(self._config.url).password
        except (exc.ArgumentError, ValueError):
            return "the url cannot be read"
        return text.replace(password, "***") if password else text

    def _refuse(self, fault: str, advice: str) -> ConfigurationError:
        return ConfigurationError(f"source {self._config.name}: {fault}", advice=advice)


def _is_terminal(error: exc.DBAPIError) -> bool:
    if error.connection_invalidated:
        return False
    if code := getattr(error.orig, "sqlite_errorname", None):
        return code in _SQLITE_TERMINAL
    return isinstance(error, _TERMINAL)


def _restrain_sqlite(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA query_only = ON")
    # One cell with bytes that are no UTF-8 must not end the listing.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")


def _select_all(connection: Connection, table: str) -> str:
    quoted = (connection.dialect.identifier_preparer.quote_identifier(part) for part in table.split("."))
    return f"SELECT * FROM {'.'.join(quoted)}"  # noqa: S608 - quoted by the dialect


def _stream(connection: Connection, statement: str) -> CursorResult[Any]:
    # Without parameters the driver leaves % and : in the statement alone.
    options = connection.execution_options(stream_results=True, no_parameters=True)
    return options.exec_driver_sql(statement).yield_per(_ROWS_A_FETCH)
