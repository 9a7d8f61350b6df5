"""The texts of one listing of rows, on disk."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.errors import BackendUnavailable


class RowSpool:
    """The texts of one listing, in a temporary file that the operating system forgets with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The empty name is SQLite's private database on disk; listing and opening may happen in different threads.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        weakref.finalize(self, self._database.close)
        with self._guarded():
            self._database.execute("PRAGMA journal_mode = OFF")
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute("CREATE TABLE texts (path TEXT PRIMARY KEY, content BLOB) WITHOUT ROWID")

    def add(self, path: str, content: bytes) -> bool:
        """Keep a text; False when the path has one already, which then stays."""
        with self._guarded():
            done = self._database.execute("INSERT OR IGNORE INTO texts VALUES (?, ?)", (path, content))
            return done.rowcount == 1

    def read(self, path: str) -> bytes | None:
        """The text of a path."""
        with self._guarded():
            row = self._database.execute("SELECT content FROM texts WHERE path = ?", (path,)).fetchone()
            return None if row is None else row[0]

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise BackendUnavailable(
                    f"the temporary file of a listing failed: {error}",
                    advice="free space in the folder for temporary files",
                ) from error
