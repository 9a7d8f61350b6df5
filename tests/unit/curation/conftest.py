"""A migrated database of the test's own, and a desk over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.integrations.database.engine import Database
from tests.fakes.curation import CuratedWorld


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'expertloop.db'}")
    database.migrate()
    return database


@pytest.fixture
def world(database: Database) -> CuratedWorld:
    return CuratedWorld(database)
