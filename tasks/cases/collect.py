"""Cases out of files, mailboxes and payloads, streamed: mails, CSV, JSON lines, or any rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from tasks.case_models import Case, derive_case_id
from tasks.cases.mails import Mail, clean_body, read_mail, strip_markup
from tasks.cases.process import Process
from tasks.cases_ports import CaseSource, CaseStore, Mailbox
from tasks.encodings import guess_encoding
from tasks.errors import ConfigurationError
from tasks.models import hash_text

PAGE_CASES = 100
"""Kept in one commit."""
_MAX_FIELD = 64 << 20
_SUFFIXES = (".eml", ".jsonl", ".csv")


class StayingCases:
    """Cases of files and tables, which stay where they are: known ones change nothing.

    Args:
        read: Reads them all.
    """

    def __init__(self, read: Callable[[], Iterator[Case]]) -> None:
        self.read_cases = read

    def confirm_cases(self, cases: Sequence[Case]) -> None:
        """Nothing to do."""


class MailboxCases:
    """Cases of a mailbox; a mail counts as seen once its case is kept, never before.

    Args:
        mailbox: Has the mails.
        collector: Makes cases of them.
    """

    def __init__(self, mailbox: Mailbox, collector: Collector) -> None:
        self._mailbox = mailbox
        self._collector = collector
        self._names: dict[str, list[str]] = {}

    def read_cases(self) -> Iterator[Case]:
        """A case a mail; the same mail in two folders, or twice in one, is one case."""
        for name, content in self._mailbox.read_mails():
            case = self._collector.make_mail(content)
            self._names.setdefault(case.case_id, []).append(name)
            yield case

    def confirm_cases(self, cases: Sequence[Case]) -> None:
        """The mails of these are seen."""
        self._mailbox.mark_seen([name for case in cases for name in self._names.pop(case.case_id, [])])


class Collector:
    """Makes cases of one process.

    Args:
        tenant: Whose they are.
        process: Knows our own addresses.
    """

    def __init__(self, tenant: str, process: Process) -> None:
        self._tenant = tenant
        self._process = process

    def read_path(self, path: Path) -> Iterator[Case]:
        """Every case of a file or folder, in the order of names and lines.

        Raises:
            ConfigurationError: It cannot be read, or a line is no case.
        """
        for file in _list_files(path):
            if file.suffix.casefold() == ".eml":
                yield self.make_mail(file.read_bytes(), file.stem)
            elif file.suffix.casefold() == ".csv":
                yield from self.read_rows(_read_csv(file), str(file))
            else:
                yield from self.read_rows(_read_lines(file), str(file))

    def read_rows(self, rows: Iterable[tuple[int, Mapping[str, Any]]], where: str) -> Iterator[Case]:
        """A case a row; rows know their numbers."""
        for number, row in rows:
            yield self.make_record(row, f"{where}, line {number}")

    def make_record(self, row: Mapping[str, Any], where: str) -> Case:
        """A record's case: `id`, `text` or `subject` and `body`, optional `from` and `groups`; the rest is ignored.

        Raises:
            ConfigurationError: None of the texts is there, or a value has the wrong type.
        """
        if not any(name in row for name in ("text", "body", "subject")):
            raise ConfigurationError(
                f"{where}: neither text nor subject and body", advice="a case has id, and text or subject + body"
            )
        texts = {name: _text(row, name, where) for name in ("id", "text", "subject", "body", "from")}
        problems: list[str] = []
        body = texts["text"] or texts["body"]
        if body.lstrip()[:1] == "<" and "</" in body:
            body = strip_markup(body)
        if "\N{REPLACEMENT CHARACTER}" in body:
            problems.append("characters that could not be read were replaced")
        mail = Mail(texts["from"], (), texts["subject"], clean_body(body, problems), "", "", (), tuple(problems))
        return self._make(texts["id"], mail, _groups(row.get("groups"), where))

    def make_mail(self, content: bytes, name: str | None = None) -> Case:
        """A mail's case; a mail says nothing of groups that could be believed.

        Args:
            content: As it was received.
            name: Its id; without one its Message-ID is.
        """
        mail = read_mail(content)
        return self._make(_storable(mail.message_id.strip("<>")) if name is None else name, mail, ())

    def _make(self, name: str, mail: Mail, groups: tuple[str, ...]) -> Case:
        mail = mail._replace(sender=_storable(mail.sender), subject=_storable(mail.subject), body=_storable(mail.body))
        content = json.dumps([mail.sender, mail.subject, mail.body, mail.attachments, groups])
        own = self._process.is_own(mail.sender)
        return Case(
            case_id=derive_case_id(self._tenant, self._process.name, name, content),
            id=name or hash_text(content)[:12],
            process=self._process.name,
            tenant=self._tenant,
            sender=mail.sender,
            subject=mail.subject,
            body=mail.body,
            groups=groups,
            message_id=mail.message_id,
            automatic=mail.automatic or ("it comes from our own address" if own else ""),
            attachments=mail.attachments,
            problems=mail.problems,
        )


def keep_cases(source: CaseSource, store: CaseStore) -> int:
    """Keep what a source holds, a page in memory at a time; returns how many it held.

    The source hears of each page after its commit: what dies in between is given again, and is known.
    """
    cases, count = source.read_cases(), 0
    while page := list(islice(cases, PAGE_CASES)):
        store.receive_cases(page, datetime.now(UTC))
        source.confirm_cases(page)
        count += len(page)
    return count


def _storable(text: str) -> str:
    """Without what no database keeps: NUL and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _list_files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix.casefold() == ".eml")
        if found:
            return found
    elif path.is_file() and path.suffix.casefold() in _SUFFIXES:
        return [path]
    raise ConfigurationError(
        f"{path} holds no cases", advice="name a folder of .eml files, or a file that ends in .eml, .jsonl or .csv"
    )


def _read_lines(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with file.open(encoding=guess_encoding(file), errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ConfigurationError(f"{file}, line {number}: no JSON", advice="one object a line") from error
            if not isinstance(row, dict):
                raise ConfigurationError(f"{file}, line {number}: no object", advice="one object a line")
            yield number, row


def _read_csv(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    csv.field_size_limit(_MAX_FIELD)
    with file.open(encoding=guess_encoding(file), errors="replace", newline="") as lines:
        first = lines.readline()
        lines.seek(0)
        rows = csv.DictReader(lines, delimiter=";" if first.count(";") > first.count(",") else ",")
        for row in rows:
            yield rows.line_num, {name: value for name, value in row.items() if name is not None}


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if isinstance(value, Decimal | float) and value == int(value):
        return str(int(value))  # a number of a table's key
    if isinstance(value, str | int | Decimal | UUID):
        return str(value)
    raise ConfigurationError(f"{where}: {name} is no text", advice=f"write {name} as a string")


def _groups(value: Any, where: str) -> tuple[str, ...]:
    if not value:
        return ()
    names = value.split("|") if isinstance(value, str) else value
    if isinstance(names, list) and all(isinstance(one, str) for one in names):
        return tuple(one.strip() for one in names if one.strip())
    raise ConfigurationError(f"{where}: groups are no list of names", advice='write ["hr"], or hr|service in CSV')
