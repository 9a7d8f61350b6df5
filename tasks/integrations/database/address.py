"""What `EXPERTLOOP_DATABASE_URL` may be, and how it is shown: never with a password."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from tasks.errors import ConfigurationError

_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")
_ADVICE = "write sqlite:////absolute/path.db or postgresql+psycopg://user:password@host:5432/name"

CONNECT_SECONDS = 10
SILENCE_SECONDS = 10
"""After so long without a word a server is asked whether it still speaks (docs/decisions/0024)."""


def read_address(text: str) -> sa.URL:
    """The URL of a database that we can use.

    Raises:
        ConfigurationError: It is no URL, names another kind of database, or holds a password that cuts it in two.
    """
    try:
        url = make_url(text)
    except (sa.exc.ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise ConfigurationError("EXPERTLOOP_DATABASE_URL is no database URL", advice=_ADVICE) from error
    if url.drivername in _POSTGRESQL:
        _check_server(url)
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite":
        raise ConfigurationError(
            f"EXPERTLOOP_DATABASE_URL names {url.drivername}, which is not supported", advice=_ADVICE
        )
    return url


def _check_server(url: sa.URL) -> None:
    if "@" in (url.host or ""):
        # The rest of the password was taken for the host: no message may show it.
        raise ConfigurationError(
            "the password in EXPERTLOOP_DATABASE_URL holds an @, which ends it too early",
            advice="write %40 for @ in the password (and %2F for /, %3A for :, %25 for %)",
        )
    if not url.database:
        raise ConfigurationError("EXPERTLOOP_DATABASE_URL names no database", advice=_ADVICE)


def limit_connecting(url: sa.URL) -> dict[str, Any]:
    """What libpq is told about PostgreSQL servers that do not answer; what the URL itself says is stronger."""
    wanted = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "expertloop",
        # A server that vanished with its machine sends nothing: ask for a sign of life, and give up without one.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }
    return {name: value for name, value in wanted.items() if name not in url.query}


def show_address(url: sa.URL) -> str:
    """Without the password, and without options, which may hold one, too."""
    return url.set(query={}).render_as_string(hide_password=True)
