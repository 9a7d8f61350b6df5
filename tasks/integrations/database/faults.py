"""What a database's errors mean to us, mapped once: SQLite by its words, PostgreSQL by SQLSTATE.

PostgreSQL's classes are in its manual, appendix A. A test fails when psycopg knows a class that is in none of the sets.
"""

from __future__ import annotations

import sqlalchemy as sa

from tasks.errors import ArtifactCorrupt, BackendUnavailable, ConfigurationError, ProductError

TRANSIENT = {
    "08": "does not answer",
    "25": "takes no changes now",  # a transaction that idled too long, or a standby that is not the primary yet
    "40": "let another transaction go first",  # deadlock, serialization
    "53": "has no room left",  # disk, memory, connections
    "55": "was locked for too long",
    "57": "stopped the statement",  # shut down, starting up, statement_timeout
    "58": "has a failing disk",
}
CONFIGURED_WRONG = {
    "0P": "does not know the role",
    "28": "lets nobody in with this user and password",
    "3D": "does not exist",
    "3F": "has no schema to write to",
    "42501": "does not allow it to this user",
    "54": "finds a name or value too long",
    "F0": "is configured wrong",
}
CORRUPT = frozenset({"XX001", "XX002"})
BUGS = frozenset({
    *("00", "01", "02", "03", "09", "0A", "0B", "0F", "0L", "0Z", "10", "20", "21", "22", "23", "24", "26", "27"),
    *("2B", "2D", "2F", "34", "38", "39", "3B", "42", "44", "72", "HV", "P0", "XX"),
})  # fmt: skip
"""Ours: a wrong statement, a constraint, a value of the wrong type."""

_REFUSED = (
    "password authentication failed",
    "no password supplied",
    "pg_hba.conf",
    "does not exist",
    "permission denied",
    "is not permitted to log in",
    "not currently accepting connections",
    "unrecognized configuration parameter",
    "does not support SSL",
    "certificate verify failed",
)
"""libpq keeps no SQLSTATE of a connection that failed; a server that speaks another language counts as transient."""

_SERVER_ADVICE = "see that it runs and can be reached, then run again; nothing is lost"
_SETTING_ADVICE = "correct EXPERTLOOP_DATABASE_URL, or create role and database as docs/operations.md says"
_SQLITE_ADVICE = "see that it runs, is not locked by another program and its disk is not full"
_CORRUPT_ADVICE = "restore it from a backup, or move it away and run `expertloop ingest` to build a new one"


def map_fault(error: sa.exc.SQLAlchemyError, shown: str) -> ProductError | None:
    """Ours for what a person can mend or time may; None for what is a bug of ours.

    Args:
        error: As SQLAlchemy raises it.
        shown: The database's URL without a password.
    """
    if isinstance(error, sa.exc.TimeoutError):
        return BackendUnavailable(
            f"every connection to the database {shown} is in use", advice="ask less at once, or run again later"
        )
    if not isinstance(error, sa.exc.DBAPIError):
        return None
    cause = " ".join(str(error.orig).partition("\n")[0].split())
    if hasattr(error.orig, "sqlstate"):
        return _map_postgresql(error, cause, shown)
    return _map_sqlite(error, cause, shown)


def _map_sqlite(error: sa.exc.DBAPIError, cause: str, shown: str) -> ProductError | None:
    if "malformed" in cause or "not a database" in cause:
        return ArtifactCorrupt(f"the database {shown} is damaged: {cause}", advice=_CORRUPT_ADVICE)
    if isinstance(error, sa.exc.OperationalError):
        return BackendUnavailable(f"the database {shown} does not answer: {cause}", advice=_SQLITE_ADVICE)
    return None


def _map_postgresql(error: sa.exc.DBAPIError, cause: str, shown: str) -> ProductError | None:
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return _map_connecting(error, cause, shown)
    if state in CORRUPT:
        return ArtifactCorrupt(f"the database {shown} is damaged: {cause}", advice=_CORRUPT_ADVICE)
    for key in (state, state[:2]):
        if key in CONFIGURED_WRONG:
            return ConfigurationError(f"the database {shown} {CONFIGURED_WRONG[key]}: {cause}", advice=_SETTING_ADVICE)
        if key in TRANSIENT:
            return BackendUnavailable(f"the database {shown} {TRANSIENT[key]}: {cause}", advice=_SERVER_ADVICE)
    return None


def _map_connecting(error: sa.exc.DBAPIError, cause: str, shown: str) -> ProductError | None:
    """A connection that failed or was lost; psycopg's own complaints about our values are bugs."""
    if isinstance(error, sa.exc.OperationalError) and any(words in cause for words in _REFUSED):
        return ConfigurationError(f"the database {shown} refuses the connection: {cause}", advice=_SETTING_ADVICE)
    if isinstance(error, sa.exc.OperationalError) or error.connection_invalidated:
        return BackendUnavailable(f"the database {shown} does not answer: {cause}", advice=_SERVER_ADVICE)
    return None
