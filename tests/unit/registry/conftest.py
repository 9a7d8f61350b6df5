"""The application over the test's own database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.integrations.database.engine import Database
from tasks.settings import Settings
from tasks.wiring import Application


@pytest.fixture
def app(database: Database, database_url: str, tmp_path: Path) -> Iterator[Application]:
    """On both databases."""
    app = Application(Settings(home=tmp_path / "home", database_url=database_url))
    yield app
    app.database.close()
