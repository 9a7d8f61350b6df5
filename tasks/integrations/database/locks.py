"""Locks with a name, held until the transaction ends: what SQLite's one writer at a time gives us for nothing.

PostgreSQL at READ COMMITTED lets two transactions each read what the other is about to change. Which of ours must not:

- migrations: one process migrates (`Database.migrate`).
- collections: who moves live versions from one collection to another (exclusively) and who writes versions that must
  be live in the collection that serves (shared: sources do not wait for each other).
- gaps: counting up a question.
- champions: who serves; a move stands on the move before it, and on what is marked.
- cases: numbering cases in the order in which they come.
"""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def lock_name(
    connection: Connection,
    name: Literal["migrations", "collections", "gaps", "champions", "cases"],
    *,
    shared: bool = False,
) -> None:
    """Wait for the lock; statements after this one see what its former holder committed."""
    if connection.dialect.name == "postgresql":
        function = sa.func.pg_advisory_xact_lock_shared if shared else sa.func.pg_advisory_xact_lock
        connection.execute(sa.select(function(sa.func.hashtext(f"expertloop-{name}"))))
