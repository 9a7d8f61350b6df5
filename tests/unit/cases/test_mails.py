"""Mails as cases: what is read, what is not fetched, what no machine may answer."""

from __future__ import annotations

import socket
from typing import NoReturn

import pytest

from tasks.cases.mails import MAX_CHARACTERS, read_mail, strip_markup


def mail(*headers: str, body: bytes = b"Hello?") -> bytes:
    lines = ("From: Eva <eva@customer.example>", "Subject: Hail", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_a_mail_has_sender_subject_and_body() -> None:
    read = read_mail(mail("Message-ID: <1@customer.example>", body=b"Is hail insured?"))
    assert (read.sender, read.subject, read.body) == ("eva@customer.example", "Hail", "Is hail insured?")
    assert (read.message_id, read.automatic, read.problems) == ("<1@customer.example>", "", ())


def test_the_words_of_an_html_mail_are_read_and_its_pictures_are_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **keywords: object) -> NoReturn:
        raise AssertionError("a request left")

    monkeypatch.setattr(socket, "socket", refuse)
    html = (
        b"<html><style>p{color:red}</style><p>Is <b>hail</b> insured?</p><img src='https://pixel.example/1.gif'></html>"
    )
    assert read_mail(mail("Content-Type: text/html", body=html)).body == "Is hail insured?"


def test_scripts_and_styles_are_no_words() -> None:
    assert strip_markup("<script>evil()</script><p>one<br>two</p>") == "one\ntwo"


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Precedence: bulk",
        "List-Id: <news.example>",
        "X-Autoreply: yes",
        "Return-Path: <>",
    ],
)
def test_mails_of_machines_are_recognised(header: str) -> None:
    assert read_mail(mail(header)).automatic


def test_a_person_who_says_auto_submitted_no_is_a_person() -> None:
    assert read_mail(mail("Auto-Submitted: no")).automatic == ""


def test_earlier_mails_that_are_quoted_are_left_out() -> None:
    body = b"One more thing?\n\nOn 7 May 2026 Eva wrote:\n> What is your fax number?"
    assert read_mail(mail(body=body)).body == "One more thing?"
    assert read_mail(mail(body=b"> old question?\nnew question?")).body == "new question?"


@pytest.mark.parametrize("charset", ["klingon-8", "utf-8"])
def test_an_unknown_or_wrong_encoding_is_read_and_said(charset: str) -> None:
    read = read_mail(mail(f"Content-Type: text/plain; charset={charset}", body="Größe?".encode("windows-1252")))
    assert read.body == "Größe?"
    assert "windows-1252" in read.problems[0]


@pytest.mark.parametrize(
    ("charset", "encoding", "noted"),
    [
        ("iso-8859-1", "windows-1252", False),
        ("windows-1252", "windows-1252", False),
        ("us-ascii", "windows-1252", True),
        ("us-ascii", "utf-8", True),
        ("iso-8859-1", "utf-8", True),
    ],
)
def test_what_is_said_to_be_latin_is_read_as_it_was_written(charset: str, encoding: str, *, noted: bool) -> None:
    text = "Prüfgebühr – „20 €“?"
    read = read_mail(mail(f"Content-Type: text/plain; charset={charset}", body=text.encode(encoding)))
    assert (read.body, bool(read.problems)) == (text, noted)


def test_what_is_said_to_be_ascii_and_is_has_no_problem() -> None:
    read = read_mail(mail("Content-Type: text/plain; charset=us-ascii", body=b"Is hail insured?"))
    assert (read.body, read.problems) == ("Is hail insured?", ())


def test_five_megabytes_of_text_are_cut_and_the_cut_is_said() -> None:
    read = read_mail(mail(body=b"Is hail insured? " * 300_000))
    assert len(read.body) <= MAX_CHARACTERS
    assert "were read" in read.problems[0]


def test_attachments_are_named() -> None:
    body = (
        b'--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename="scan.csv"\r\n\r\n1,2\r\n--b--\r\n'
    )
    read = read_mail(mail("MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"', body=body))
    assert (read.body, read.attachments) == ("", ("scan.csv",))


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe", b"Content-Type: multipart/mixed\n\n--", b"From: =?utf-8?q?=ff?=\n\n"]
)
def test_damaged_mails_are_read_as_far_as_they_go(content: bytes) -> None:
    assert isinstance(read_mail(content).body, str)


def test_who_answers_below_what_they_quote_is_read() -> None:
    body = b"On 7 May 2026 Eva wrote:\n> What is your fax number?\n> Eva\n\nAnd what is insured?"
    assert read_mail(mail(body=body)).body == "And what is insured?"
    old = b"On 7 May 2026 Eva wrote:\nWhat is your fax number?"
    assert read_mail(mail(body=old)).body == "", "what nobody marks as quoted may be ours"


@pytest.mark.parametrize("charset", ["undefined", "no\0ne", "klingon", "idna"])
def test_an_encoding_that_is_none_is_guessed_and_noted(charset: str) -> None:
    read = read_mail(mail(f"Content-Type: text/plain; charset={charset}", body="Wie hoch? Fünf Öfen.".encode()))
    assert read.body == "Wie hoch? Fünf Öfen."
    assert "read as" in read.problems[0]


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Type: application/pdf; name=scan.pdf", "Content-Disposition: attachment"),
        ("Content-Type: text/plain; name=scan.pdf", "Content-Disposition: attachment; filename=scan.pdf"),
    ],
)
def test_a_mail_that_is_nothing_but_an_attachment_has_one(headers: tuple[str, ...]) -> None:
    read = read_mail(mail(*headers, body=b"%PDF-1.7"))
    assert (read.body, read.attachments) == ("", ("scan.pdf",))


def test_the_end_of_a_page_s_head_may_be_left_out() -> None:
    html = "<html><head><meta charset=utf-8><title>x</title><body><p>How long?</p>"
    assert strip_markup(html) == "How long?"


@pytest.mark.parametrize(
    ("sender", "subject"),
    [
        ("MAILER-DAEMON@mx.example", "Hail"),
        ("postmaster@mx.example", "Hail"),
        ("eva@x.example", "Automatic reply: your claim"),
        ("eva@x.example", "Out of Office: your claim"),
        ("eva@x.example", "Automatische Antwort: Ihr Schaden"),
        ("eva@x.example", "Abwesenheitsnotiz: Ihr Schaden"),
        ("eva@x.example", "Undelivered Mail Returned to Sender"),
    ],
)
def test_a_machine_that_does_not_say_so_in_a_header_is_recognised(sender: str, subject: str) -> None:
    assert read_mail(f"From: {sender}\r\nSubject: {subject}\r\n\r\nBack on Monday.".encode()).automatic


@pytest.mark.parametrize("subject", ["Re: Automatic reply: hail", "Out of office hours?", "Automatic pump"])
def test_a_person_who_writes_of_machines_is_a_person(subject: str) -> None:
    assert read_mail(f"From: eva@x.example\r\nSubject: {subject}\r\n\r\nHello?".encode()).automatic == ""
