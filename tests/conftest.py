"""What every test shares: a home of its own, both databases, the real data sets, a Prefect API for flows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.postgresql import PostgreSQLServer, running_postgresql
from tests.weaviate_server import WeaviateServer, find_binary

if TYPE_CHECKING:
    from tasks.integrations.database.engine import Database

REPOSITORY = Path(__file__).parent.parent

# Before anything imports Prefect: its state must never land in the home of who runs the tests.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")

# How long an example takes says how busy the machine is.
settings.register_profile("expertloop", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("expertloop")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make check` runs, so that CI need not run it twice."""
    for item in items:
        room = item.path.relative_to(REPOSITORY / "tests").parts[0]
        if room in {"unit", "contract"} and not any(map(item.get_closest_marker, ("server", "slow"))):
            item.add_marker("quick")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An EXPERTLOOP_HOME of the test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("EXPERTLOOP_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    """One PostgreSQL a process of pytest; skipped where there is none, a failure with CI=true."""
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgresql: PostgreSQLServer) -> str:
    """A database with the product's tables: a copy of it is there sooner than all migrations have run."""
    from tasks.integrations.database.engine import Database

    name = postgresql.create_database()
    template = Database(postgresql.url(name))
    template.migrate()
    template.close()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of the test's own: every test that takes this runs on both.

    `@on_sqlite_alone` (tests/databases.py) is for tests whose second run would cost more than it could find.
    """
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'home' / 'expertloop.db'}"
        return
    server: PostgreSQLServer = request.getfixturevalue("postgresql")
    name = server.create_database(template=request.getfixturevalue("migrated_template"))
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def open_database(database_url: str) -> Iterator[Callable[[], Database]]:
    """Opens the test's database once more, as another process would; every one is closed at the end."""
    from tasks.integrations.database.engine import Database

    opened: list[Database] = []

    def open_once_more() -> Database:
        opened.append(Database(database_url))
        return opened[-1]

    yield open_once_more
    for database in opened:
        database.close()


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    """The test's database with its tables."""
    opened = open_database()
    opened.migrate()
    return opened


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("EXPERTLOOP_DATA", REPOSITORY / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip("EXPERTLOOP_DATA names no folder: the real data sets are not on this machine")
    return folder


@pytest.fixture(scope="session")
def weaviate_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeaviateServer]:
    """One real Weaviate for all tests of this process; each keeps to collections of its own."""
    server = WeaviateServer(tmp_path_factory.mktemp("weaviate"), find_binary())
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[None]:
    """One temporary Prefect API for every test that runs a flow."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=180),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield
