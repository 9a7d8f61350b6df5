"""Databases of other programs: sources, cases and outboxes. A PostgreSQL that freezes is given up as our own is."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from tasks.integrations.database.address import SILENCE_SECONDS, limit_connecting

LONGEST_SILENCE_SECONDS = 1800
"""Of a statement while its server lets others in: we set it no limit there, and a large query may think for long."""


def open_foreign_database(url: str | sa.URL) -> Engine:
    """An engine that keeps no connection; what the URL itself asks for (`?connect_timeout=3`) is stronger.

    Raises:
        ArgumentError: SQLAlchemy's, as are NoSuchModuleError for a dialect that it does not know, ModuleNotFoundError
            for a driver that is not installed and ValueError for a port that is no number.
    """
    address = sa.make_url(url)
    if address.get_driver_name() != "psycopg":
        return sa.create_engine(address, poolclass=NullPool, hide_parameters=True)
    from tasks.integrations.database.silence import watch_connections

    limits = limit_connecting(address)
    engine = sa.create_engine(address, poolclass=NullPool, hide_parameters=True, connect_args=limits)
    watch_connections(engine, silence_seconds=SILENCE_SECONDS, longest_silence_seconds=LONGEST_SILENCE_SECONDS)
    return engine
