"""Mails as programs write them: every text is read once, and every attachment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.document_ports import PartitionJob
from tasks.encodings import resolve_encoding
from tasks.integrations.unstructured import UnstructuredPartitioner
from tasks.models import PartitionedDocument
from tasks.settings import Settings
from tests.fakes.hostile_files import mail_with

pytestmark = pytest.mark.slow

Read = Callable[[bytes, str], PartitionedDocument]

HEAD = b"From: Ada <ada@example.com>\r\nTo: bob@example.com\r\nSubject: Valves\r\nMIME-Version: 1.0\r\n"
PLAIN, HTML = "Content-Type: text/plain; charset=utf-8", "Content-Type: text/html; charset=utf-8"
NOTES = 'Content-Type: application/octet-stream; name="notes.txt"\r\nContent-Disposition: {}; filename="notes.txt"'
PICTURE = 'Content-Type: image/png; name="logo.png"\r\nContent-ID: <logo>\r\nContent-Disposition: inline'
P7S = "Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Disposition: attachment"
PGP = "Content-Type: application/pgp-signature; name=signature.asc"


def part(headers: str, text: str | bytes) -> bytes:
    return headers.encode() + b"\r\n\r\n" + (text if isinstance(text, bytes) else text.encode())


def multipart(subtype: str, *parts: bytes) -> bytes:
    # A boundary is unique in its mail, however deep the parts are nested.
    boundary = f"=_{subtype}_{sum(map(len, parts))}".encode()
    start = b'Content-Type: multipart/%b; boundary="%b"\r\n\r\n' % (subtype.encode(), boundary)
    return start + b"".join(b"--%b\r\n%b\r\n" % (boundary, one) for one in parts) + b"--%b--\r\n" % boundary


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_bytes(data: bytes, name: str) -> PartitionedDocument:
        file = tmp_path / name
        file.write_bytes(data)
        partitioner = UnstructuredPartitioner(Settings(partition_workers=1, partition_strategy="fast"))
        (outcome,) = partitioner.partition_documents([PartitionJob("k", file, name, None)])
        assert outcome.document is not None, outcome.problem
        return outcome.document

    return read_bytes


def texts(document: PartitionedDocument) -> list[tuple[str | None, str]]:
    """Part and text of all elements but the head's."""
    return [(element.part, element.text) for element in document.elements[2:]]


def test_a_page_that_apple_mail_cuts_at_its_attachment_is_read_to_its_end(read: Read) -> None:
    page = multipart(
        "mixed",
        part(HTML, "<html><body><p>Look at this:</p></body></html>"),
        part(NOTES.format("inline"), "Notes of the plant."),
        part(HTML, "<html><body><p>It was written on Monday.</p></body></html>"),
    )
    document = read(HEAD + multipart("alternative", part(PLAIN, "Look, on Monday."), page), "mail.eml")
    assert texts(document) == [
        (None, "Look at this:"), (None, "It was written on Monday."), ("notes.txt", "Notes of the plant.")
    ]  # fmt: skip
    assert document.problems == ()


def test_the_footer_that_a_mailing_list_appends_is_read(read: Read) -> None:
    written = multipart("alternative", part(PLAIN, "Plain."), part(HTML, "<p>The page.</p>"))
    document = read(HEAD + multipart("mixed", written, part(PLAIN, "Leave this list at lists.example.")), "mail.eml")
    assert texts(document) == [(None, "The page."), (None, "Leave this list at lists.example.")]


@pytest.mark.parametrize("name", ["", '; name="notes.txt"'])
def test_an_inline_text_beside_a_page_s_pictures_is_read(read: Read, name: str) -> None:
    page = multipart(
        "related",
        part(HTML, "<p>The page.</p>"),
        part(PICTURE, b"\x89PNG\r\n\x1a\n"),
        part(PLAIN + name + "\r\nContent-Disposition: inline", "Notes of the plant."),
    )
    document = read(HEAD + multipart("mixed", page, part(NOTES.format("attachment"), "More.")), "mail.eml")
    assert texts(document) == [
        (None, "The page."), ("notes.txt" if name else None, "Notes of the plant."), ("notes.txt", "More.")
    ]  # fmt: skip
    assert document.problems == (), "a picture of a page is no document"


@pytest.mark.parametrize("page", ["<html><body><img src='cid:logo'></body></html>", ""])
def test_the_plain_text_is_read_where_the_page_has_none(read: Read, page: str) -> None:
    document = read(HEAD + multipart("alternative", part(PLAIN, "Plain."), part(HTML, page)), "mail.eml")
    assert texts(document) == [(None, "Plain.")]


def test_a_file_that_is_in_both_branches_is_read_once_and_one_in_either_too(read: Read) -> None:
    both, other = part(NOTES.format("attachment"), "In both."), part(NOTES.format("attachment"), "In one.")
    plain = multipart("mixed", part(PLAIN, "Plain."), both, other)
    page = multipart("mixed", part(HTML, "<p>The page.</p>"), both)
    document = read(HEAD + multipart("alternative", plain, page), "mail.eml")
    assert texts(document) == [(None, "The page."), ("notes.txt", "In both."), ("notes.txt", "In one.")]


def test_an_invitation_is_read_once(read: Read) -> None:
    calendar = part("Content-Type: text/calendar; method=REQUEST", "BEGIN:VCALENDAR\r\nEND:VCALENDAR")
    document = read(HEAD + multipart("alternative", part(PLAIN, "Come at nine."), calendar), "mail.eml")
    assert texts(document) == [(None, "Come at nine.")]


@pytest.mark.parametrize("signature", [P7S, PGP, "Content-Type: application/octet-stream; name=smime.p7s"])
def test_what_is_signed_is_read_once_and_its_signature_is_no_document(read: Read, signature: str) -> None:
    written = multipart("mixed", part(PLAIN, "Signed words."), part(NOTES.format("attachment"), "Signed notes."))
    document = read(HEAD + multipart("signed", written, part(signature, b"\x30\x82\x01\x02\x00\xff")), "mail.eml")
    assert texts(document) == [(None, "Signed words."), ("notes.txt", "Signed notes.")]
    assert document.problems == ()


def test_a_signature_that_a_mailing_list_moved_is_no_document_either(read: Read) -> None:
    signature = part(P7S, b"\x30\x82\x01\x02\x00\xff")
    document = read(HEAD + multipart("mixed", part(PLAIN, "Words."), signature, part(PLAIN, "Footer.")), "mail.eml")
    assert (texts(document), document.problems) == ([(None, "Words."), (None, "Footer.")], ())


def test_a_mail_that_is_forwarded_is_a_part_with_parts(read: Read) -> None:
    forwarded = part("Content-Type: message/rfc822", bytes(mail_with(("evil.txt", b"Enclosed."), body="Inner.")))
    document = read(HEAD + multipart("mixed", part(PLAIN, "See below."), forwarded), "mail.eml")
    assert texts(document)[0] == (None, "See below.")
    assert texts(document)[-2:] == [("attachment 1.eml", "Inner."), ("attachment 1.eml > evil.txt", "Enclosed.")]


def test_a_part_that_is_encrypted_is_a_problem_of_its_own(read: Read) -> None:
    secret = multipart(
        "encrypted",
        part("Content-Type: application/pgp-encrypted", "Version: 1"),
        part("Content-Type: application/octet-stream", "-----BEGIN PGP MESSAGE-----"),
    )
    document = read(HEAD + multipart("mixed", part(PLAIN, "Words."), secret, part(PLAIN, "Footer.")), "mail.eml")
    assert texts(document) == [(None, "Words."), (None, "Footer.")]
    assert [problem.problem.reason for problem in document.problems] == ["password-protected"]


def test_a_mail_that_is_nothing_but_a_file_is_read(read: Read) -> None:
    document = read(HEAD + part(NOTES.format("attachment"), "Notes of the plant."), "mail.eml")
    assert texts(document) == [("notes.txt", "Notes of the plant.")]


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("us-ascii", "utf-8"),
        ("us-ascii", "windows-1252"),
        ("iso-8859-1", "windows-1252"),
        ("iso-8859-1", "utf-8"),
        ("undefined", "utf-8"),
    ],
)
def test_a_text_is_read_as_it_was_written_whatever_it_says(read: Read, charset: str, encoding: str) -> None:
    text = "Die Prüfgebühr – „20 €“ – ist fällig."
    document = read(HEAD + part(f"Content-Type: text/plain; charset={charset}", text.encode(encoding)), "mail.eml")
    assert texts(document) == [(None, text)]


@pytest.mark.parametrize(
    ("charset", "encoding", "text"),
    [("gb2312", "gbk", "繁體字"), ("shift_jis", "cp932", "①髙"), ("euc-kr", "cp949", "뷁"), ("latin1", "latin1", "Öl")],
)
def test_a_charset_is_read_as_browsers_read_it(charset: str, encoding: str, text: str) -> None:
    data = text.encode(encoding)
    assert data.decode(resolve_encoding(charset, data)) == text


def mailbox_of(first: bytes, second: bytes, body: bytes) -> bytes:
    return b"%b\n%b\n%b\n\n%b\n%b\nSecond.\n" % (first, HEAD, body, second, HEAD.replace(b"Valves", b"Pumps"))


@pytest.mark.parametrize(
    "separator",
    [
        "From ada@example.com Thu Jan  1 00:00:00 1970",
        "From - Mon Jan  1 00:00:00 2024",
        "From MAILER-DAEMON Fri Jul  8 12:08:34 2011",
        "From  Fri Jul  8 12:08 2011",
        "From ???@??? Mon Jan 01 00:00:00 2024",
        "From ada at example.com  Thu Jan  1 00:00:00 CET 1970",
        "From 1787@xxx Mon Jan 01 00:00:00 +0000 2024",
        "From ada@example.com Mon, 1 Jan 2024 00:00:00 +0100 (CET)",
        "From ada Thu Jan  1 00:00:00 1970 remote from plant",
    ],
)
def test_a_line_of_a_mail_that_begins_like_a_separator_is_text(read: Read, separator: str) -> None:
    body = b"Dear all,\n\nFrom now on, we deliver weekly.\n\nFrom Mon Jan 5 10:00 the pump is off.\n"
    document = read(mailbox_of(separator.encode(), separator.encode(), body), "box.mbox")
    assert {element.part for element in document.elements} == {"mail 1: Valves.eml", "mail 2: Pumps.eml"}
    assert [element.text for element in document.elements][2:5] == [
        "Dear all,", "From now on, we deliver weekly.", "From Mon Jan 5 10:00 the pump is off."
    ]  # fmt: skip


@pytest.mark.parametrize("separator", ["From ", "From ada@example.com", "From MAILER-DAEMON 2024-01-01 00:00:00"])
def test_a_mailbox_whose_separators_have_no_date_is_still_split(read: Read, separator: str) -> None:
    document = read(mailbox_of(separator.encode(), separator.encode(), b"First."), "box.mbox")
    assert {element.part for element in document.elements} == {"mail 1: Valves.eml", "mail 2: Pumps.eml"}


def test_a_dated_line_of_a_mail_does_not_join_the_mails_around_it(read: Read) -> None:
    third = b"\nFrom ada\n" + HEAD.replace(b"Valves", b"Seals") + b"\nThird.\n"
    data = mailbox_of(b"From ada", b"From ada", b"It is off:\nFrom Anna Mon, Jan 5 10:15\n") + third
    assert {element.part for element in read(data, "box.mbox").elements} == {
        "mail 1: Valves.eml", "mail 2: Pumps.eml", "mail 3: Seals.eml"
    }  # fmt: skip
