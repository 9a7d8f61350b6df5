"""Mails nobody wishes for, from their bytes to the decision: each is decided, and none is answered by mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.case_models import Decision, Outcome
from tasks.cases.mails import MAX_CHARACTERS
from tasks.integrations.database.cases import DatabaseOutbox
from tasks.integrations.database.engine import Database
from tasks.integrations.outbox_mail import write_mail
from tests.databases import on_sqlite_alone
from tests.fakes.cases import NOW, CaseWorld

pytestmark = on_sqlite_alone  # what is judged is the mail, not the store


@pytest.fixture
def world(database: Database, tmp_path: Path) -> CaseWorld:
    return CaseWorld(database, tmp_path)


def mail(*headers: str, body: bytes = b"Is hail insured?") -> bytes:
    return "\r\n".join(("From: eva@customer.example", "Subject: Hail", *headers)).encode() + b"\r\n\r\n" + body


def decide(world: CaseWorld, content: bytes) -> Outcome:
    (handled,) = world.handler.handle([world.collector.make_mail(content)])
    assert handled.outcome
    return handled.outcome


def test_a_mail_without_faults_is_answered_alone(world: CaseWorld) -> None:
    """What the others below are compared with."""
    assert decide(world, mail()).decision is Decision.AUTO_REPLY


def test_five_megabytes_are_cut_and_left_to_a_person(world: CaseWorld) -> None:
    outcome = decide(world, mail(body=b"Is hail insured? " + b"and so on " * 500_000))
    assert outcome.decision is Decision.DRAFT
    (kept,) = world.store.list_cases("default")
    assert len(kept.case.body) <= MAX_CHARACTERS


def test_an_unknown_encoding_is_left_to_a_person(world: CaseWorld) -> None:
    body = "Is hail insured? Größe?".encode("windows-1252")
    assert decide(world, mail("Content-Type: text/plain; charset=klingon-8", body=body)).decision is Decision.DRAFT


def test_only_an_attachment_is_for_a_person_who_is_told_its_name(world: CaseWorld) -> None:
    kind = b'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="scan.pdf"'
    part = b"--b\r\n" + kind + b"\r\n\r\nx\r\n--b--\r\n"
    outcome = decide(world, mail("MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"', body=part))
    assert (outcome.decision, outcome.reply) == (Decision.ESCALATE, None)
    assert "scan.pdf" in outcome.reason


def test_an_html_mail_is_answered_by_its_words_and_its_pixel_is_in_no_question(world: CaseWorld) -> None:
    html = b"<html><body><p>Is hail insured?</p><img src='https://pixel.example/1.gif' width=1></body></html>"
    assert decide(world, mail("Content-Type: text/html", body=html)).decision is Decision.AUTO_REPLY
    assert not any("pixel" in question.text for call in world.answerer.calls for question in call)


def test_our_own_reply_that_comes_back_is_not_answered(world: CaseWorld, database: Database) -> None:
    """A mail loop: whatever address it comes from by now."""
    decide(world, mail())
    outbox = DatabaseOutbox(database)
    (sent,) = outbox.list_due("default", ("reply",), NOW, 10)
    back = write_mail(sent, "someone@elsewhere.example")
    assert decide(world, back.as_bytes()).decision is Decision.REJECT
    assert outbox.count_waiting("default", ("reply", "draft")) == 1
