"""PostgreSQL databases of others that freeze while they are read or written: told in time, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.errors import BackendUnavailable
from tasks.integrations.case_tables import read_table
from tasks.integrations.foreign_databases import open_foreign_database
from tasks.integrations.outbox_table import TableOutbox
from tasks.integrations.sources import build_source
from tasks.source_models import SqlConfig
from tests.network import Proxy
from tests.postgresql import PostgreSQLServer
from tests.unit.integrations.test_outboxes import message

pytestmark = pytest.mark.server

NOTICED_SECONDS = 10 + 2
"""The silence before the server is asked (docs/decisions/0024), and `connect_timeout` of the question."""

ROWS = 5000
"""More than are fetched at once, and more than waits on the way."""


@pytest.fixture
def proxy(postgresql: PostgreSQLServer) -> Iterator[Proxy]:
    with Proxy(postgresql.port).running() as proxy:
        yield proxy


@pytest.fixture
def url(postgresql: PostgreSQLServer) -> Iterator[sa.URL]:
    """Of a database with a table of rows and an empty one for messages, past the proxy."""
    name = postgresql.create_database()
    url = sa.make_url(postgresql.url(name)).update_query_dict({"connect_timeout": "2"})
    with open_foreign_database(url).begin() as connection:
        connection.execute(sa.text("CREATE TABLE cases (id int PRIMARY KEY, body text)"))
        connection.execute(sa.text(f"INSERT INTO cases SELECT n, repeat('x', 1000) FROM generate_series(1, {ROWS}) n"))
        connection.execute(sa.text("CREATE TABLE outbox (message_id text PRIMARY KEY)"))
    yield url
    postgresql.drop_database(name)


def test_a_frozen_database_of_a_source_of_cases_or_of_an_outbox_is_given_up_in_time(url: sa.URL, proxy: Proxy) -> None:
    watched = url.set(port=proxy.port).render_as_string(hide_password=False)
    rows = iter(
        build_source(SqlConfig(name="crm", url=watched, table="cases"), variables={}, max_file_mb=1).list_documents()
    )
    cases = read_table(watched)
    out = TableOutbox(watched)
    next(rows), next(cases)
    with ThreadPoolExecutor() as pool, open_foreign_database(url).begin() as holder:
        holder.execute(sa.text("LOCK TABLE outbox"))
        sending = pool.submit(out.deliver, message())
        wait_until_someone_waits(url)
        proxy.hang()
        waiting: list[Future[Any]] = [pool.submit(list, rows), pool.submit(list, cases), sending]
        wait(waiting, timeout=2 * NOTICED_SECONDS)
        proxy.heal()
        faults = [one.exception(timeout=0) for one in waiting]
    assert [type(fault) for fault in faults] == [BackendUnavailable] * 3, faults
    assert all(isinstance(fault, BackendUnavailable) and fault.advice for fault in faults)
    assert len(list(read_table(watched))) == ROWS


def wait_until_someone_waits(url: sa.URL) -> None:
    waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with open_foreign_database(url).connect() as connection:
        while not connection.execute(waits).scalar_one():
            time.sleep(0.02)
