"""Mails, mailboxes and archives: their parts are read like files, in memory, and never written under their names."""

from __future__ import annotations

import email
import email.message
import email.policy
import gzip
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tasks.errors import DocumentRejected
from tasks.integrations.unstructured.kinds import password_protected
from tasks.integrations.unstructured.mail_parts import attachment_bytes, part_name, split_mail
from tasks.integrations.unstructured.reading import Content, Piece, Reading, as_problem, base_name
from tasks.integrations.unstructured.rich import read_html_text
from tasks.integrations.unstructured.texts import decode, detect_encoding, read_text
from tasks.models import PartProblem

MAX_DEPTH = 4
PART_SEPARATOR = " > "

_ENCRYPTED_MAIL = re.compile(r"multipart/encrypted|application/(x-)?pkcs7-mime")

_ANY_SEPARATOR = re.compile(rb"From ")
_DATED_SEPARATOR = re.compile(
    rb"""From\ .*?\b                                     # a sender: none, "-", or even "ada at example.com"
    (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?\s+
    (?:(?:%(month)s)\s+\d{1,2}|\d{1,2}\s+(?:%(month)s)(?:\s+\d{2,4})?)\s+
    \d{1,2}:\d{2}(?::\d{2})?
    (?:\s+(?:[A-Z]{1,5}|[-+]\d{4}|\([\w ]+\)|\d{4}))*     # zone and year, in either order
    (?:\s+remote\ from\ \S+)?\s*$"""
    % {b"month": b"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"},
    re.VERBOSE,
)
"""What asctime or a mail's Date writes after the sender (RFC 4155, appendix A, and what programs make of it)."""


@dataclass
class Budget:
    """What the parts of one file may take together, however deep they are nested."""

    unpacked_bytes: int = 512 * 2**20
    parts: int = 20_000

    def take(self, stream: BinaryIO) -> bytes:
        """Read a part whole.

        Raises:
            DocumentRejected: reason "too-large", when it is more than what is left.
        """
        data = stream.read(self.unpacked_bytes + 1)
        self.unpacked_bytes -= len(data)
        self.parts -= 1
        if self.unpacked_bytes < 0 or self.parts < 0:
            raise DocumentRejected(
                "the parts of this file are too many or too large to read",
                reason="too-large",
                advice="unpack it and ingest the folder",
            )
        return data


ReadPart = Callable[[Content], Reading]
"""Reads one part whole, its own parts included."""


def read_parts(parts: Iterator[Content | PartProblem], read_part: ReadPart, budget: Budget) -> Reading:
    """All parts in order; one that cannot be read is a problem of its own.

    Args:
        parts: Named contents; a PartProblem stands for one that could not be opened.
        read_part: The reader.
        budget: Shared with the parts' parts; when it is spent, the rest is one problem.
    """
    pieces: list[Piece] = []
    problems: list[PartProblem] = []
    for part in parts:
        if isinstance(part, PartProblem):
            problems.append(part)
            continue
        try:
            reading = read_part(part)
        except DocumentRejected as error:
            problems.append(as_problem(part.name, error))
            if budget.unpacked_bytes < 0 or budget.parts < 0:
                break
            continue
        pieces += [piece._replace(part=_join(part.name, piece.part)) for piece in reading.pieces]
        problems += [
            problem.model_copy(update={"part": _join(part.name, problem.part)}) for problem in reading.problems
        ]
    return Reading(pieces, problems=tuple(problems))


def _join(outer: str, inner: str | None) -> str:
    return f"{outer}{PART_SEPARATOR}{inner}" if inner else outer


# --- archives -----------------------------------------------------------------------------------------------------


MemberLister = Callable[[Content, Budget], Iterator[Content | PartProblem]]


def list_zip(content: Content, budget: Budget) -> Iterator[Content | PartProblem]:
    """The files in a zip archive."""
    with content.open() as handle, zipfile.ZipFile(handle) as archive:
        for member in archive.infolist():
            name = _member_name(member.filename)
            if member.is_dir():
                continue
            if member.flag_bits & 1:
                yield as_problem(name, password_protected(name))
                continue
            with archive.open(member) as stream:
                yield Content(name, data=budget.take(stream))  # type: ignore[arg-type]


def list_tar(content: Content, budget: Budget) -> Iterator[Content | PartProblem]:
    """The regular files in a tar archive, compressed or not; links and devices are left alone."""
    with content.open() as handle, tarfile.open(fileobj=handle, mode="r:*") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is not None:
                yield Content(_member_name(member.name), data=budget.take(stream))  # type: ignore[arg-type]


def list_gzip(content: Content, budget: Budget) -> Iterator[Content | PartProblem]:
    """The one file in a gzip, or the files of the tar archive in it."""
    with content.open() as handle, gzip.open(handle) as stream:
        is_tar = stream.read(512)[257:262] == b"ustar"
        if not is_tar:
            stream.seek(0)
            name = base_name(content.name.removesuffix(".gz"), "content")
            yield Content(name, data=budget.take(stream))  # type: ignore[arg-type]
            return
    yield from list_tar(content, budget)


def _member_name(name: str) -> str:
    """A member's path for showing: no root, no parent folders, no control characters."""
    steps = [step for step in re.split(r"[/\\]", name) if step not in {"", ".", ".."}]
    return "/".join(" ".join(step.replace("\x00", "").split()) for step in steps) or "unnamed"


# --- mail ---------------------------------------------------------------------------------------------------------


def read_mail(content: Content, read_part: ReadPart, budget: Budget) -> Reading:
    """Subject, sender and date, then the body, then each attachment as a part."""
    message = email.message_from_bytes(_mail_bytes(content), policy=email.policy.default)
    if _ENCRYPTED_MAIL.search(message.get_content_type()) and message.get_param("smime-type") != "signed-data":
        raise password_protected(content.name)
    pieces = _mail_head({name: _header(message, name) for name in ("Subject", "From", "To", "Cc", "Date")})
    parts = split_mail(message)
    attachments = read_parts(_list_attachments(parts.attachments, budget), read_part, budget)
    title = _header(message, "Subject") or None
    return Reading([*pieces, *parts.body, *attachments.pieces], title=title, problems=attachments.problems)


def _mail_bytes(content: Content) -> bytes:
    data = content.read()
    encoding = detect_encoding(content)
    # Mail is bytes; some programs save it as UTF-16, which no mail parser takes.
    return decode(content, encoding).encode() if encoding in {"utf-16", "utf-16-le", "utf-16-be", "utf-32"} else data


def _header(message: email.message.Message, name: str) -> str:
    """A header as text; the standard library trips over some malformed ones, which are then shown raw."""
    try:
        value = str(message.get(name, ""))
    except (ValueError, LookupError, AttributeError, TypeError):
        value = next((raw for key, raw in message.raw_items() if key.lower() == name.lower()), "")
    return " ".join(value.split())


def _mail_head(headers: dict[str, str]) -> list[Piece]:
    lines = [f"{name}: {value}" for name, value in headers.items() if value and name != "Subject"]
    subject = [Piece("title", headers["Subject"])] if headers["Subject"] else []
    return [*subject, Piece("other", "\n".join(lines))]


def _list_attachments(attachments: list[email.message.MIMEPart], budget: Budget) -> Iterator[Content | PartProblem]:
    import io

    for number, part in enumerate(attachments, 1):
        is_mail = part.get_content_maintype() in {"message", "multipart"}
        fallback = f"attachment {number}.eml" if is_mail else f"attachment {number}"
        name = base_name(part_name(part), fallback)
        yield Content(name, data=budget.take(io.BytesIO(attachment_bytes(part))))


def read_outlook(content: Content, read_part: ReadPart, budget: Budget) -> Reading:
    """An Outlook message, like a mail."""
    from oxmsg import Message

    with content.open() as handle:
        message = Message.load(handle)
    headers = message.message_headers
    if "encrypted" in headers.get("Content-Type", "") or "smime" in message.message_class.lower():
        raise password_protected(content.name)
    receivers = ", ".join(person.email_address for person in message.recipients)
    sent = message.sent_date.isoformat(sep=" ") if message.sent_date else ""
    head = {"Subject": message.subject or "", "From": message.sender or "", "To": receivers, "Date": sent}
    body = read_html_text(message.html_body).pieces if message.html_body else []
    body = body or read_text((message.body or "").replace("\r\n", "\n"), headings=False).pieces
    attachments = read_parts(_list_outlook_attachments(message, budget), read_part, budget)
    pieces = [*_mail_head(head), *body, *attachments.pieces]
    return Reading(pieces, title=message.subject or None, problems=attachments.problems)


def _list_outlook_attachments(message: object, budget: Budget) -> Iterator[Content | PartProblem]:
    import io

    for number, attachment in enumerate(message.attachments, 1):  # type: ignore[attr-defined]
        name = base_name(attachment.file_name, f"attachment {number}")
        yield Content(name, data=budget.take(io.BytesIO(attachment.file_bytes or b"")))


def list_mailbox(content: Content, budget: Budget) -> Iterator[Content | PartProblem]:
    """The mails of an mbox, each named by its place and subject."""
    import io

    with content.open() as handle:
        for number, data in enumerate(_split_mailbox(handle), 1):
            message = email.message_from_bytes(data, policy=email.policy.default)
            subject = base_name(_header(message, "Subject").replace("/", "∕").replace("\\", "∖"), "no subject")
            yield Content(f"mail {number}: {subject}.eml", data=budget.take(io.BytesIO(data)))


def _split_mailbox(handle: BinaryIO) -> Iterator[bytes]:
    is_separator = _find_separator(handle)
    lines: list[bytes] = []
    after_blank = True
    for line in handle:
        if after_blank and is_separator(line):
            if lines:
                yield b"".join(lines)
            lines = []
        else:
            lines.append(line[1:] if re.match(rb">+From ", line) else line)
        after_blank = not line.strip()
    if any(line.strip() for line in lines):
        yield b"".join(lines)


def _find_separator(handle: BinaryIO) -> Callable[[bytes], object]:
    """A line with a date; in a mailbox whose first separator has none, every line that begins like one."""
    first = next((line for line in handle if _ANY_SEPARATOR.match(line)), b"")
    handle.seek(0)
    return _DATED_SEPARATOR.match if _DATED_SEPARATOR.match(first) else _ANY_SEPARATOR.match
