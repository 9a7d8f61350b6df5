"""What `EXPERTLOOP_DATABASE_URL` may be, and how it is shown: never with a password."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from tasks.errors import ConfigurationError

_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")
_ADVICE = "write sqlite:////absolute/path.db or postgresql+psycopg://user:password@host:5432/name"


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


def show_address(url: sa.URL) -> str:
    """Without the password, and without options, which may hold one, too."""
    return url.set(query={}).render_as_string(hide_password=True)
