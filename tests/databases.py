"""On which databases a test runs; every test that takes the fixture `database` runs on both."""

from __future__ import annotations

import pytest

on_sqlite_alone = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tests that say nothing about the database, or whose second run costs more than it could find."""

on_postgresql_alone = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
"""For what only a server has: connections, passwords, rows that two transactions want at once."""
