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
