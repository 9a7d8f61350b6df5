"""What every test shares: a home of its own, the real data sets, a Prefect API for flows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.weaviate_server import WeaviateServer, find_binary

REPOSITORY = Path(__file__).parent.parent

# Before anything imports Prefect: its state must never land in the home of who runs the tests.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An EXPERTLOOP_HOME of the test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("EXPERTLOOP_HOME", str(folder))
    return folder


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
