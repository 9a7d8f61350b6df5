"""A migrated database of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.integrations.database.engine import Database


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'expertloop.db'}")
    database.migrate()
    return database
