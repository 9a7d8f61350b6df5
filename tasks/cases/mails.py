"""A mail as a case: its text without mark-up and without the mails it quotes; nothing is fetched, nothing executed.

Only Python's own parser: it reads broken mails without raising, and a remote picture stays a word in a tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from email.utils import getaddresses, parseaddr
from html.parser import HTMLParser
from typing import NamedTuple

from tasks.encodings import resolve_encoding, widen_encoding

MAX_CHARACTERS = 100_000
"""Of a body: no person reads more, and what is asked stands before it."""

_SKIPPED = frozenset({"style", "script", "title", "noscript"})
"""Not "head": its end may be left out."""
_BREAKING = frozenset({"p", "br", "div", "tr", "li", "h1", "h2", "h3", "h4", "table", "blockquote"})
_QUOTES = re.compile(
    r"^(?:>|On .{4,120} wrote:\s*$|Am .{4,120} schrieb .{0,120}:\s*$|"
    r"-{2,}\s*(?:Original Message|Ursprüngliche Nachricht))",
    re.IGNORECASE,
)
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
_MAIL_SERVERS = frozenset({"mailer-daemon", "postmaster"})
_MACHINES_SUBJECTS = re.compile(
    r"(?:(?:automatic reply|auto-?\s?reply|autoresponse|automatische antwort|out of (?:the )?office(?: reply)?|"
    r"abwesenheitsnotiz|abwesenheit|undeliverable|unzustellbar|returned mail)\s*:|"
    r"undelivered mail returned to sender|delivery status notification|mail delivery failed)",
    re.IGNORECASE,
)


class Mail(NamedTuple):
    """What a case needs of a mail."""

    sender: str
    recipients: tuple[str, ...]
    subject: str
    body: str
    message_id: str
    automatic: str
    attachments: tuple[str, ...]
    problems: tuple[str, ...]


def read_mail(content: bytes) -> Mail:
    """Read a mail of any age and any damage."""
    message = message_from_bytes(content, policy=policy.default)
    problems: list[str] = []
    body = _read_body(message, problems)
    return Mail(
        sender=parseaddr(_header(message, "From"))[1],
        recipients=tuple(address for _, address in getaddresses([_header(message, "To"), _header(message, "Cc")])),
        subject=" ".join(_header(message, "Subject").split()),
        body=clean_body(body, problems),
        message_id=_header(message, "Message-ID").strip(),
        automatic=_find_automatic(message),
        attachments=tuple(part.get_filename() or part.get_content_type() for part in _list_attachments(message)),
        problems=tuple(problems),
    )


def clean_body(text: str, problems: list[str]) -> str:
    """The text without quoted earlier mails, cut where no person would read on."""
    if len(text) > MAX_CHARACTERS:
        problems.append(f"only the first {MAX_CHARACTERS} of {len(text)} characters were read")
        text = text[:MAX_CHARACTERS]
    kept: list[str] = []
    lines = [line.rstrip() for line in text.splitlines()]
    for number, line in enumerate(lines):
        if _QUOTES.match(line.strip()):
            following = next((one.lstrip() for one in lines[number + 1 :] if one.strip()), "")
            # Who answers below what they quote has said nothing above it, and marks what is not theirs.
            if line.lstrip().startswith(">") or (following.startswith(">") and not any(kept)):
                continue
            break
        kept.append(line)
    return "\n".join(kept).strip()


def strip_markup(html: str) -> str:
    """The words of an HTML text, in lines; what looks like text and is not (styles, scripts) is left out."""
    reader = _Words()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.words).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Words(HTMLParser):
    """Collects text; a browser's own idea of lines is good enough for sentences."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 (the parser's)
        """A new line, or something to skip."""
        self._skipping += tag in _SKIPPED
        self.words += ["\n"] if tag in _BREAKING else []

    def handle_endtag(self, tag: str) -> None:
        """The end of it."""
        self._skipping -= tag in _SKIPPED and self._skipping > 0
        self.words += ["\n"] if tag in _BREAKING else []

    def handle_data(self, data: str) -> None:
        """Words that a reader sees; source lines are no lines of the page."""
        if not self._skipping:
            self.words.append(re.sub(r"\s+", " ", data))


def _header(message: EmailMessage, name: str) -> str:
    """A header's text; the parser raises on some damaged ones, and a damaged header is none."""
    try:
        return str(message.get(name) or "")
    except (ValueError, IndexError, TypeError, AttributeError):
        return ""


def _read_body(message: EmailMessage, problems: list[str]) -> str:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    text = _decode(part, problems)
    if part.get_content_subtype() == "html":
        return strip_markup(text)
    html = message.get_body(preferencelist=("html",))
    return strip_markup(_decode(html, problems)) if not text.strip() and html is not None else text


def _list_attachments(message: EmailMessage) -> Iterator[MIMEPart]:
    """Also of a mail that is nothing but one."""
    if message.get_content_maintype() == "multipart":
        yield from message.iter_attachments()
    elif message.get_body(preferencelist=("plain", "html")) is None:
        yield message


def _decode(part: MIMEPart, problems: list[str]) -> str:
    """In the declared encoding, else in those that mails have when they lie about it."""
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    declared = part.get_content_charset("utf-8")
    for encoding in (resolve_encoding(declared, content), "utf-8", "windows-1252"):
        try:
            text = content.decode(encoding)
        except (LookupError, ValueError):  # unknown, wrong, "undefined", or no name at all
            continue
        if encoding != widen_encoding(declared):
            problems.append(f"it says it is in {declared!r}, and was read as {encoding}")
        return text
    problems.append(f"characters that are not in {declared!r} were replaced")
    return content.decode("utf-8", "replace")


def _find_automatic(message: EmailMessage) -> str:
    """Why a machine wrote it, so that no machine answers (RFC 3834, section 2)."""
    submitted = _header(message, "Auto-Submitted").strip().casefold()
    if submitted and submitted != "no":
        return f"Auto-Submitted: {submitted}"
    precedence = _header(message, "Precedence").strip().casefold()
    if precedence in _BULK:
        return f"Precedence: {precedence}"
    for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress", "List-Id", "List-Unsubscribe"):
        if _header(message, name):
            return name
    name = parseaddr(_header(message, "From"))[1].partition("@")[0].casefold()
    if (
        _header(message, "Return-Path").strip() == "<>"
        or message.get_content_type() == "multipart/report"
        or name in _MAIL_SERVERS
    ):
        return "a mail server's report"
    # What some programs write who do not say it in a header.
    if told := _MACHINES_SUBJECTS.match(_header(message, "Subject").strip()):
        return f"Subject: {told[0]}"
    return ""
