"""A real database and the real flow over fakes of what is outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.settings import Settings
from tasks.wiring import use_application
from tests.integration.service import Service, fill, make_world, opened
from tests.integration.world import World


@pytest.fixture
def world(home: Path, prefect_api: None) -> World:
    """A fresh world; tasks find it through the settings of this test's home."""
    world = World(Settings())
    use_application(world)
    return world


@pytest.fixture
def world_on_both(home: Path, prefect_api: None, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A fresh world on each database: for what the databases could do differently."""
    monkeypatch.setenv("EXPERTLOOP_DATABASE_URL", database_url)
    world = World(Settings())
    use_application(world)
    yield world
    world.database.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, prefect_api: None) -> Iterator[Service]:
    """One server for all tests that change nothing but keys."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("EXPERTLOOP_HOME", str(tmp_path_factory.mktemp("home")))
        world = make_world(environment)
        fill(world)
    with opened(world) as service:
        yield service


@pytest.fixture
def own(home: Path, prefect_api: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A server whose documents the test may change."""
    world = make_world(monkeypatch)
    fill(world)
    with opened(world) as service:
        yield service


@pytest.fixture
def empty(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A server that has nothing to show, with small limits."""
    world = make_world(
        monkeypatch,
        EXPERTLOOP_BODY_KB="4",
        EXPERTLOOP_BODY_TIMEOUT_SECONDS="2",
        EXPERTLOOP_RATE_PER_MINUTE="3",
    )
    with opened(world) as service:
        yield service
