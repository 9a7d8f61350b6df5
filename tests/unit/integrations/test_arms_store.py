"""Answers of arms and reports in the database, and how often documents change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tasks.arm_models import ArmAnswer, StoredReport
from tasks.integrations.database.arms import DatabaseArms, count_changes
from tasks.integrations.database.engine import Database
from tasks.integrations.database.schema import documents, versions
from tasks.training_models import ArmsReport, GateDecision

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def store(database: Database) -> DatabaseArms:
    return DatabaseArms(database)


def make_answer(key: str, text: str = "four") -> ArmAnswer:
    return ArmAnswer(answer_key=key, pair_id="p", text=text, prompt_tokens=9, completion_tokens=1, seconds=0.25)


def make_report(adapter_id: str | None, questions: int = 80) -> StoredReport:
    report = ArmsReport(dataset_id="d", adapter_id=adapter_id, questions=questions, arms={})
    return StoredReport(report=report, decision=GateDecision(decision="reject", reasons=("because",)))


def test_answers_come_back_by_key_and_within_their_tenant(store: DatabaseArms) -> None:
    store.write_answers("default", [make_answer("a"), make_answer("b")])
    store.write_answers("default", [make_answer("b", "fünf\0")])
    found = store.read_answers("default", ["a", "b", "c"])
    assert {key: one.text for key, one in found.items()} == {"a": "four", "b": "fünf\N{REPLACEMENT CHARACTER}"}
    assert found["a"] == make_answer("a")
    assert store.read_answers("other", ["a"]) == {}


def test_the_newest_report_with_an_adapter_is_found(store: DatabaseArms) -> None:
    assert store.find_report("default") is None
    store.write_report("default", make_report("first"))
    store.write_report("default", make_report("second"))
    store.write_report("default", make_report(None))
    assert store.find_report("default") == make_report("second")
    store.write_report("default", make_report("first", questions=90))
    assert store.find_report("default") == make_report("first", questions=90)
    assert store.find_report("other") is None


def test_a_document_changed_when_it_got_new_content_lately(database: Database) -> None:
    """First readings, old changes and the same content read by another pipeline are none."""
    contents = {
        "changed": [("x", 90), ("y", 3)],
        "changed long ago": [("x", 90), ("y", 60)],
        "new": [("x", 3)],
        "read anew": [("x", 90), ("x", 2)],
        "gone": [("x", 90), ("y", 3)],
    }
    with database.write() as connection:
        for name, versions_of in contents.items():
            _add_document(connection, name, versions_of)
    assert count_changes(database, "default", since=NOW - timedelta(days=30)) == (4, 1, NOW - timedelta(days=90))
    assert count_changes(database, "other", since=NOW) == (0, 0, None)


def _add_document(connection: sa.Connection, name: str, contents: list[tuple[str, int]]) -> None:
    connection.execute(
        sa.insert(documents).values(
            document_id=name, tenant="default", source="s", path=name, uri=name, file_name=name, state="live",
            live_version_id=None if name == "gone" else f"{name} 0", groups=[], readers_stale=False, updated_at=NOW,
        )
    )  # fmt: skip
    for number, (content, days_ago) in enumerate(contents):
        connection.execute(
            sa.insert(versions).values(
                version_id=f"{name} {number}", document_id=name, tenant="default", source="s", content_hash=content,
                fingerprint=str(number), state="ready", title=name, language="en", text="", groups=[],
                document_type="txt", chunk_count=0, created_at=NOW - timedelta(days=days_ago),
            )
        )  # fmt: skip
