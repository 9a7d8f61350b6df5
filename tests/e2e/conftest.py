"""What end-to-end tests share: a shell with a home of its own, and one real Prefect server where many commands run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.command import CommandLine, prefect_server
from tests.postgresql import PostgreSQLServer


@pytest.fixture
def shell(tmp_path: Path) -> CommandLine:
    """A shell in an empty folder."""
    return CommandLine(tmp_path)


DATABASES = ["sqlite", "postgresql"]


@pytest.fixture(params=DATABASES)
def shell_on_both(request: pytest.FixtureRequest, shell: CommandLine) -> Iterator[CommandLine]:
    """A shell whose commands keep their state in each of the databases."""
    with keeping_state(request) as settings:
        yield shell.set(**settings)


@pytest.fixture(scope="module", params=DATABASES)
def either_database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings under which a file's tests keep their state in each of the databases."""
    with keeping_state(request) as settings:
        yield settings


@contextmanager
def keeping_state(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings for the database of a parameter; an empty one, gone at the end."""
    if request.param == "sqlite":
        yield {}
        return
    server: PostgreSQLServer = request.getfixturevalue("postgresql")
    name = server.create_database()
    yield {"EXPERTLOOP_DATABASE_URL": server.url(name)}
    server.drop_database(name)


@pytest.fixture(scope="session")
def api_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Prefect server for all commands that need none of their own: it saves each of them a start."""
    with prefect_server(tmp_path_factory.mktemp("prefect-server")) as url:
        yield url
