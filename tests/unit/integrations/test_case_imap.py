"""Mails of a real (small) IMAP server become cases, and are seen only once these are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from tasks.case_models import Case
from tasks.cases.collect import PAGE_CASES, Collector, MailboxCases, keep_cases
from tasks.cases.process import load_process
from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.case_imap import ImapMailbox, encode_folder
from tasks.integrations.database.cases import DatabaseCases
from tasks.integrations.database.engine import Database
from tests.fakes.cases import write_process
from tests.fakes.imap_server import Mailboxes, imap_server


def mail(number: int) -> bytes:
    head = f"From: p{number}@x.example\r\nMessage-ID: <{number}@x.example>\r\nSubject: Hail\r\n\r\n"
    return f"{head}Is hail insured?\r\n".encode()


@pytest.fixture
def boxes() -> Iterator[Mailboxes]:
    with imap_server() as running:
        running.folders["INBOX"] = {number: mail(number) for number in (1, 2, 10)}
        yield running


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    return Collector("default", load_process(write_process(tmp_path)))


@pytest.fixture
def open_source(boxes: Mailboxes, collector: Collector) -> Callable[[], MailboxCases]:
    return lambda: MailboxCases(ImapMailbox(boxes.url, boxes.password), collector)


class DyingStore(DatabaseCases):
    """Dies instead of committing its second page."""

    def receive_cases(self, received: Sequence[Case], now: datetime) -> None:
        if super().list_waiting("default", None, 1):
            raise BackendUnavailable("the database does not answer", advice="")
        super().receive_cases(received, now)


def test_reading_marks_nothing_and_the_oldest_comes_first(boxes: Mailboxes) -> None:
    found = list(ImapMailbox(boxes.url, boxes.password).read_mails())
    assert [content for _, content in found] == [mail(1), mail(2), mail(10)]
    assert boxes.seen == set()


def test_kept_mails_are_seen_and_not_read_again(
    boxes: Mailboxes, open_source: Callable[[], MailboxCases], database: Database
) -> None:
    store = DatabaseCases(database)
    assert keep_cases(open_source(), store) == 3
    assert boxes.seen == {1, 2, 10}
    kept = store.list_waiting("default", "claims", 10)
    assert [(one.id, one.sender) for one in kept] == [(f"{n}@x.example", f"p{n}@x.example") for n in (1, 2, 10)]
    assert keep_cases(open_source(), store) == 0


def test_what_was_not_kept_is_not_seen(
    boxes: Mailboxes, open_source: Callable[[], MailboxCases], database: Database
) -> None:
    boxes.folders["INBOX"] = {number: mail(number) for number in range(1, PAGE_CASES + 4)}
    with pytest.raises(BackendUnavailable):
        keep_cases(open_source(), DyingStore(database))
    assert boxes.seen == set(range(1, PAGE_CASES + 1))
    assert keep_cases(open_source(), DatabaseCases(database)) == 3
    assert len(DatabaseCases(database).list_waiting("default", "claims", 1000)) == PAGE_CASES + 3


def test_a_mail_that_is_kept_and_not_yet_seen_is_known_the_second_time(
    boxes: Mailboxes, open_source: Callable[[], MailboxCases], database: Database
) -> None:
    boxes.hang_up_at = "STORE"
    with pytest.raises(BackendUnavailable):
        keep_cases(open_source(), DatabaseCases(database))
    boxes.hang_up_at = ""
    assert keep_cases(open_source(), DatabaseCases(database)) == 3
    assert len(DatabaseCases(database).list_waiting("default", "claims", 10)) == 3
    assert boxes.seen == {1, 2, 10}


def test_the_same_mail_twice_is_one_case_and_both_are_seen(
    boxes: Mailboxes, open_source: Callable[[], MailboxCases], database: Database
) -> None:
    boxes.folders["INBOX"] = {1: mail(1), 2: mail(1)}
    keep_cases(open_source(), DatabaseCases(database))
    assert len(DatabaseCases(database).list_waiting("default", "claims", 10)) == 1
    assert boxes.seen == {1, 2}


def test_numbers_that_the_server_gave_anew_mark_no_other_mail(boxes: Mailboxes) -> None:
    mailbox = ImapMailbox(boxes.url, boxes.password)
    ((name, _), *_rest) = mailbox.read_mails()
    boxes.validity += 1
    mailbox.mark_seen([name])
    assert boxes.seen == set()


def test_a_mail_that_was_deleted_meanwhile_is_left_out(boxes: Mailboxes) -> None:
    reading = ImapMailbox(boxes.url, boxes.password).read_mails()
    assert next(reading)[1] == mail(1)
    del boxes.folders["INBOX"][2]
    assert [content for _, content in reading] == [mail(10)]


def test_a_folder_can_have_any_name(boxes: Mailboxes) -> None:
    boxes.folders["Anfragen/Gr&APYA3w-e"] = {5: mail(5)}
    assert len(list(ImapMailbox(f"{boxes.url}/Anfragen/Größe", boxes.password).read_mails())) == 1
    assert encode_folder('R&D "x"') == 'R&-D \\"x\\"'


def test_a_wrong_password_or_folder_is_said_and_not_tried_again(boxes: Mailboxes) -> None:
    for url, password in ((boxes.url, "guessed"), (f"{boxes.url}/nothing", boxes.password)):
        with pytest.raises(ConfigurationError) as raised:
            list(ImapMailbox(url, password).read_mails())
        assert password not in raised.value.message


@pytest.mark.parametrize("moment", ["LOGIN", "SEARCH", "FETCH 2"])
def test_a_server_that_hangs_up_is_tried_again(boxes: Mailboxes, moment: str) -> None:
    boxes.hang_up_at = moment
    with pytest.raises(BackendUnavailable):
        list(ImapMailbox(boxes.url, boxes.password).read_mails())


def test_a_server_that_is_down_is_tried_again() -> None:
    with imap_server() as gone:
        url = gone.url
    with pytest.raises(BackendUnavailable):
        list(ImapMailbox(url, "secret").read_mails())


def test_a_certificate_is_asked_for(boxes: Mailboxes) -> None:
    """A server without TLS does not get as far as the password."""
    with pytest.raises(BackendUnavailable):
        list(ImapMailbox(boxes.url.replace("imap:", "imaps:"), boxes.password).read_mails())
    assert not any("LOGIN" in said for said in boxes.said)


@pytest.mark.parametrize(
    "url",
    ["imap://host/x", "imap://u:pw@host/x", "imap:///x", "imap://u@h:port/x", "imap://u@h/a%0d%0ab", "imap://u%0a@h/"],
)
def test_an_address_that_cannot_be_right_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="mailbox"):
        ImapMailbox(url, "secret")


@pytest.mark.parametrize("password", [None, "", "größe"])
def test_a_password_that_imap_cannot_carry_is_refused(password: str | None) -> None:
    with pytest.raises(ConfigurationError, match="password"):
        ImapMailbox("imap://u@h/", password)
