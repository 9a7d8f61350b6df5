"""Erasure over a real database: a subject's text is in no row of no table afterwards, everybody else's is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.access_models import AuditEntry, Feedback, ServedAnswer, Verdict
from tasks.answer_models import Answer, Citation
from tasks.case_models import Case, Decision, Outcome, OutgoingMessage, Step
from tasks.curation_models import PairState
from tasks.erasure_models import Subject
from tasks.errors import ConfigurationError, DeviceBusy
from tasks.integrations.database.cases import DatabaseCases, DatabaseOutbox
from tasks.integrations.database.cases_schema import cases
from tasks.integrations.database.engine import Database
from tasks.integrations.database.erased_texts import CLEANED, TEXTLESS, DatabaseTexts, HiddenDocuments
from tasks.integrations.database.erasure import DatabaseErasures
from tasks.integrations.database.schema import audit, metadata
from tasks.integrations.database.served import DatabaseServedLog
from tasks.models import derive_document_id, derive_id
from tasks.settings import Settings
from tasks.wiring import Application
from tests.databases import on_sqlite_alone
from tests.fakes.curation import CuratedWorld
from tests.fakes.pairs import add_document

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECRET = "The vault of Zürich opens at seventeen bar."
PLAIN = "The cellar door opens at four bar."


def dump(database: Database) -> str:
    """Every value of every row, as JSON texts hold it, too."""
    with database.read() as connection:
        rows = [row for table in metadata.sorted_tables for row in connection.execute(table.select())]
    return repr(rows)


def pair(document: str, quote: str, **more: Any) -> dict[str, Any]:
    answer = quote.split(" opens ")[1].rstrip(".")
    return {
        "question": f"When does {quote.split(' opens ')[0]} open?",
        "answer": answer,
        "evidence": [{"document": document, "quote": quote}],
        **more,
    }


def served(answer_id: str, principal: str, text: str, uri: str) -> ServedAnswer:
    answer = Answer(question=f"{principal} asks", text=text, sources=(uri,))
    return ServedAnswer(
        answer_id=answer_id, tenant="default", principal=principal, principals=(principal,), at=NOW, answer=answer
    )


@pytest.fixture
def world(database: Database) -> CuratedWorld:
    """A secret and a plain document, a pair of each by another author, and who was served what."""
    world = CuratedWorld(database)
    for name, text in (("secret.md", SECRET), ("plain.md", PLAIN)):
        add_document(database, name, text)
    world.import_rows(pair("secret.md", SECRET))
    world.import_rows(pair("plain.md", PLAIN), author="ben")
    log = DatabaseServedLog(database)
    entries = [
        AuditEntry(
            request_id=f"r{number}",
            action="answer",
            tenant="default",
            principal=who,
            key_id=who,
            at=NOW,
            question_hash="h",
        )
        for number, who in enumerate(("anna", "ben"))
    ]
    answers = [
        served("a1", "anna", PLAIN, "test:///plain.md"),
        served("a2", "ben", SECRET, uri_of(database, "secret.md")),
    ]
    log.record(entries, answers)
    log.add_feedback(
        Feedback(
            answer_id="a1", tenant="default", principal="anna", verdict=Verdict.CORRECTED, text="Anna knows", at=NOW
        )
    )
    return world


def document_id(path: str) -> str:
    return derive_document_id("default", "test", path)


def uri_of(database: Database, path: str) -> str:
    (document,) = DatabaseErasures(database).find_document("default", path).documents
    return document.uri


def handle_case(database: Database, sender: str, reply: str, about: str) -> None:
    """A mail that was answered from a document; its reply waits in the outbox."""
    case_id = derive_id("case", sender)
    case = Case(case_id=case_id, id="7", process="p", tenant="default", sender=sender, body="Where is my pump")
    citation = Citation(
        number=1, document_id=about, chunk_id="c", uri="u", title="t", page=None, quote=reply, start=0, end=1
    )
    outcome = Outcome(
        route="service",
        route_confidence=1,
        urgency="low",
        language="en",
        decision=Decision.AUTO_REPLY,
        reason="sure",
        confidence=1,
        reply=reply,
        citations=(citation,),
        trail=(Step(name="ask", seconds=1, details={"text": reply}),),
    )
    message = OutgoingMessage(
        message_id=derive_id("message", sender),
        case_id=case.case_id,
        tenant="default",
        kind="reply",
        customer=sender,
        recipient=sender,
        subject="Re",
        body=reply,
        decision=Decision.AUTO_REPLY,
    )
    store = DatabaseCases(database)
    store.receive_cases([case], NOW)
    store.finish_cases([(case, outcome)], [message], NOW)


def erase_rows(database: Database, subject: Subject) -> dict[str, int]:
    stores = (HiddenDocuments(database), DatabaseTexts(database))
    return {one.what: one.count for store in stores for one in store.erase(subject)}


def test_every_table_is_cleaned_or_known_to_hold_no_text() -> None:
    """A new table with text needs an eraser; name it in one of the sets once it has one, or needs none."""
    assert CLEANED.isdisjoint(TEXTLESS)
    assert set(metadata.tables) == CLEANED | TEXTLESS


def test_no_row_holds_an_erased_document_and_hashes_stay(database: Database, world: CuratedWorld) -> None:
    subject = DatabaseErasures(database).find_document("default", "secret.md")
    assert "seventeen bar" in dump(database)
    counts = erase_rows(database, subject)
    assert counts["pairs emptied"] == counts["document records"] == counts["served answers"] == 1
    left = dump(database)
    for word in ("seventeen", "Zürich", "Z\\u00fcrich", "secret.md"):
        assert word not in left
    assert subject.documents[0].content_hashes[0] in left
    assert PLAIN in left
    emptied, kept = sorted(world.pairs.list_pairs("default"), key=lambda one: one.question)
    assert (emptied.state, emptied.reason, emptied.pair_id) == (PairState.REJECTED, "erased", subject.pair_ids[0])
    assert [entry.action for entry in emptied.history] == ["import"]
    assert kept.answer == "at four bar"


def test_findings_of_other_pairs_forget_what_an_erased_one_said(database: Database, world: CuratedWorld) -> None:
    rival = pair("plain.md", PLAIN, question=pair("secret.md", SECRET)["question"])
    other = pair("secret.md", SECRET, question=pair("plain.md", PLAIN)["question"])
    world.import_rows(rival, other, author="ben", day=2)
    assert "→ at seventeen bar" in dump(database)
    counts = erase_rows(database, DatabaseErasures(database).find_document("default", "secret.md"))
    assert counts["findings of other pairs"] > 0
    left = dump(database)
    assert "seventeen" not in left
    assert "→ at four bar" not in left, "of a pair that is empty now, too"
    assert set(erase_rows(database, DatabaseErasures(database).find_author("default", "nobody")).values()) == {0}


def test_no_row_holds_an_erased_author(database: Database, world: CuratedWorld) -> None:
    subject = DatabaseErasures(database).find_author("default", "anna")
    counts = erase_rows(database, subject)
    assert (counts["verdicts"], counts["served answers"], counts["audit entries renamed"]) == (1, 1, 1)
    left = dump(database)
    assert "anna" not in left
    assert "Anna knows" not in left
    assert "seventeen bar" in left  # the document is not theirs, and what ben was served of it neither
    with database.read() as connection:
        audited = {row.principal: row.question_hash for row in connection.execute(audit.select())}
    assert audited == {"ben": "h", subject.pseudonym: "h"}


def test_erasing_twice_changes_nothing(database: Database, world: CuratedWorld) -> None:
    erasures = DatabaseErasures(database)
    subject = erasures.find_author("default", "anna")
    erase_rows(database, subject)
    left = dump(database)
    again = erasures.find_author("default", "anna")
    assert again.pair_ids == subject.pair_ids
    assert set(erase_rows(database, again).values()) == {0}
    assert dump(database) == left


def test_a_withdrawn_pair_stays_withdrawn_when_it_is_imported_again(database: Database, world: CuratedWorld) -> None:
    erase_rows(database, DatabaseErasures(database).find_document("default", "secret.md"))
    add_document(database, "secret.md", SECRET)
    summary, _ = world.import_rows(pair("secret.md", SECRET), day=2)
    assert (summary.imported, summary.unchanged) == (0, 1)
    assert {one.state for one in world.pairs.list_pairs("default") if not one.question} == {PairState.REJECTED}


def test_a_document_is_found_by_its_names_and_nothing_else_is(database: Database, world: CuratedWorld) -> None:
    erasures = DatabaseErasures(database)
    names = (document_id("secret.md"), uri_of(database, "secret.md"), "secret.md")
    assert {erasures.find_document("default", name).document_ids for name in names} == {(document_id("secret.md"),)}
    add_document(database, "other/secret.md", "Something else.")
    with pytest.raises(ConfigurationError, match="no document is called"):
        erasures.find_document("default", "unknown.md")
    with pytest.raises(ConfigurationError, match="no document is called"):
        erasures.find_document("another", "plain.md")


def test_a_document_with_the_very_same_bytes_is_told_of(database: Database, world: CuratedWorld) -> None:
    add_document(database, "copy.md", SECRET)
    erasures = DatabaseErasures(database)
    assert erasures.find_copies(erasures.find_document("default", "secret.md")) == [uri_of(database, "copy.md")]


def test_cases_forget_what_an_erased_document_answered_and_send_nothing_of_it(
    database: Database, world: CuratedWorld
) -> None:
    subject = DatabaseErasures(database).find_document("default", "secret.md")
    handle_case(database, "carl@example.com", "Dear Carl, at seventeen bar", subject.document_ids[0])
    handle_case(database, "dora@example.com", "Dear Dora, at four bar", document_id("plain.md"))
    counts = erase_rows(database, subject)
    assert (counts["cases emptied"], counts["messages of cases"]) == (1, 1)
    left = dump(database)
    assert "Dear Carl" not in left
    assert "carl@example.com" in left  # the customer's own words are not the document's
    outbox = DatabaseOutbox(database)
    assert [one.customer for one in outbox.list_due("default", ["reply"], NOW, 9)] == ["dora@example.com"]


def test_cases_of_an_erased_sender_keep_route_and_decision_alone(database: Database, world: CuratedWorld) -> None:
    handle_case(database, "carl@example.com", "Dear Carl, at four bar", document_id("plain.md"))
    counts = erase_rows(database, DatabaseErasures(database).find_author("default", "Carl@example.com"))
    assert (counts["cases emptied"], counts["messages of cases"]) == (1, 1)
    left = dump(database)
    for word in ("carl@example.com", "Dear Carl", "Where is my pump"):
        assert word not in left
    with database.read() as connection:
        (row,) = connection.execute(cases.select())
    assert (row.state, row.decision, row.outcome["route"]) == ("closed", "auto-reply", "service")


@on_sqlite_alone
def test_no_file_of_the_database_holds_what_was_erased(database: Database, world: CuratedWorld, tmp_path: Path) -> None:
    files = [file for file in (tmp_path / "home").rglob("*") if file.is_file()]
    assert any(b"seventeen bar" in file.read_bytes() for file in files)
    erase_rows(database, DatabaseErasures(database).find_document("default", "secret.md"))
    assert not any(b"seventeen" in file.read_bytes() for file in files)


@on_sqlite_alone
def test_the_whole_product_erases_while_no_ingest_runs(database: Database, world: CuratedWorld, tmp_path: Path) -> None:
    app = Application(Settings(home=tmp_path / "home"))
    subject = app.find_subject("secret.md")
    with app.hold_source("default", "test"), pytest.raises(DeviceBusy):
        app.erase(subject)
    assert "seventeen" in dump(database)
    certificate = app.erase(subject)
    assert "seventeen" not in dump(database)
    assert app.erasures.list_certificates("default") == [certificate]
    assert certificate.pairs == subject.pair_ids
    assert certificate.subject_hash == subject.subject_hash
    assert "secret.md" not in certificate.model_dump_json()
    places = " ".join(one.where for one in certificate.not_covered)
    assert all(word in places for word in ("backups", "Prefect", "in its source", "adapters", "LanceDB"))
    with pytest.raises(ConfigurationError, match="no document is called"):
        app.find_subject("secret.md")
