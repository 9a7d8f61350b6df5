"""Cases in another program's database: the rows of one table, streamed, read and never written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.foreign_databases import open_foreign_database

_ROWS_A_FETCH = 200


def read_table(url: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every row with its number, in the order of the primary key.

    Args:
        url: SQLAlchemy's, with `?table=name`; columns are named like a case's fields.

    Raises:
        ConfigurationError: No such database, driver or table.
        BackendUnavailable: It does not answer.
    """
    advice = "write for example postgresql+psycopg://user@host/name?table=tickets"
    try:
        address = sa.make_url(url)
        engine = open_foreign_database(address.difference_update_query(["table"]))
        with engine.connect() as connection:
            table = sa.Table(str(address.query.get("table", "cases")), sa.MetaData(), autoload_with=connection)
            query = sa.select(table).order_by(*table.primary_key.columns)
            with connection.execution_options(yield_per=_ROWS_A_FETCH).execute(query) as rows:
                for number, row in enumerate(rows.mappings(), start=1):
                    yield number, dict(row)
    except exc.NoSuchTableError as error:
        raise ConfigurationError(f"the database of cases has no table {error}", advice=advice) from error
    except exc.OperationalError as error:
        raise BackendUnavailable("the database of cases does not answer", advice="run it again later") from error
    except (exc.SQLAlchemyError, ModuleNotFoundError, ValueError) as error:
        raise ConfigurationError(f"the cases' table cannot be read: {type(error).__name__}", advice=advice) from error
