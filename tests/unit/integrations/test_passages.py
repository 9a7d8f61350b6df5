"""The join of a search with the database costs what the search found, however many documents there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tasks.integrations.database.engine import Database
from tasks.integrations.database.passages import DatabasePassages
from tasks.integrations.database.schema import chunks, document_readers, documents, versions
from tests.databases import on_sqlite_alone

READERS = frozenset({"staff"})
ASKED = 300


def write_documents(database: Database, numbers: Sequence[int]) -> None:
    """Live ones of one chunk each, read by staff."""
    now = datetime(2026, 5, 4, 12, tzinfo=UTC)
    common = {"tenant": "default", "source": "s", "content_hash": "h", "groups": ["staff"]}
    version = common | {
        "fingerprint": "f", "state": "ready", "title": "t", "language": "en", "text": "Text.",
        "document_type": "md", "chunk_count": 1, "created_at": now,
    }  # fmt: skip
    document = common | {"file_name": "f", "state": "live", "readers_stale": False, "updated_at": now}
    chunk = {
        "position": 0, "start": 0, "end": 5, "text": "Text.", "repeated_header": "", "heading_path": [],
        "language": "en", "kind": "text", "element_ids": [], "embedding_key": "k",
    }  # fmt: skip
    rows: list[tuple[sa.Table, Any]] = [
        (versions, lambda n: version | {"version_id": f"v{n}", "document_id": f"d{n}"}),
        (
            documents,
            lambda n: document | {"document_id": f"d{n}", "live_version_id": f"v{n}", "path": f"{n}", "uri": f"u{n}"},
        ),
        (document_readers, lambda n: {"document_id": f"d{n}", "principal": "staff"}),
        (chunks, lambda n: chunk | {"chunk_id": f"c{n}", "version_id": f"v{n}"}),
    ]
    with database.write() as connection:
        for table, make in rows:
            connection.execute(sa.insert(table), [make(number) for number in numbers])


@contextmanager
def counting_steps(database: Database) -> Iterator[list[None]]:
    """One more entry each hundred instructions of SQLite's machine."""
    steps: list[None] = []

    def count(connection: Any, *_: object) -> None:
        connection.set_progress_handler(lambda: steps.append(None), 100)

    def stop(connection: Any, *_: object) -> None:
        connection.set_progress_handler(None, 0)

    sa.event.listen(database._engine, "checkout", count)
    sa.event.listen(database._engine, "checkin", stop)
    yield steps
    sa.event.remove(database._engine, "checkout", count)
    sa.event.remove(database._engine, "checkin", stop)


@on_sqlite_alone
def test_documents_that_a_search_did_not_find_cost_it_nothing(database: Database) -> None:
    def count_steps(numbers: Sequence[int]) -> int:
        write_documents(database, numbers)
        with counting_steps(database) as steps:
            found = DatabasePassages(database).read_passages("default", [f"c{n}" for n in range(ASKED)], READERS)
        assert len(found) == ASKED
        return len(steps)

    few, many = count_steps(range(ASKED)), count_steps(range(ASKED, 20 * ASKED))

    assert many < 1.3 * few
