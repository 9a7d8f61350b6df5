"""What of a mail is its text and what an attachment, by the structure that RFC 2046 gives it."""

from __future__ import annotations

import email.message
from typing import NamedTuple

from tasks.encodings import resolve_encoding
from tasks.integrations.unstructured.reading import Content, Piece
from tasks.integrations.unstructured.rich import read_html_text
from tasks.integrations.unstructured.texts import decode, detect_encoding, read_text

_BODY_TYPES = frozenset({"text/plain", "text/html"})
_SIGNATURES = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"})


class MailParts(NamedTuple):
    """The parts of a mail, or of a part of one: its text, and what is read like a file."""

    body: list[Piece]
    attachments: list[email.message.MIMEPart]
    has_html: bool = False

    @property
    def has_text(self) -> bool:
        """Whether anybody sees a word; pages of nothing but pictures are common."""
        return any(piece.text.strip() for piece in self.body)


def split_mail(message: email.message.MIMEPart) -> MailParts:
    """Sort every part of a mail into body and attachments, each in the mail's order."""
    if message.get_content_maintype() == "multipart":
        return _split_multipart(message, is_whole=True)
    return _split_part(message, leads=True)


def _split_part(part: email.message.MIMEPart, *, leads: bool) -> MailParts:
    """One part; `leads` where it stands first, so that even under a file name it is what the sender wrote."""
    kind = part.get_content_type()
    if kind in _SIGNATURES:
        return MailParts([], [])
    is_file = part.is_attachment() or (part_name(part) is not None and not leads)
    if kind in _BODY_TYPES and not is_file:
        return MailParts(_read_body(part), [], has_html=kind == "text/html")
    # What is encrypted is refused whole, as an encrypted mail is.
    if part.get_content_maintype() == "multipart" and not part.is_attachment() and kind != "multipart/encrypted":
        return _split_multipart(part)
    return MailParts([], [part])


def _split_multipart(message: email.message.MIMEPart, *, is_whole: bool = False) -> MailParts:
    parts = list(message.iter_parts())
    kind = message.get_content_subtype()
    if kind == "alternative":
        return _choose_alternative([_split_part(part, leads=True) for part in parts])
    if kind == "signed":
        parts = parts[:1] + parts[2:]  # RFC 1847, 2.1: the second part is the signature, whatever it calls itself
    if kind == "related" and not is_whole:
        # Logos and icons; to recognise the text of each would take hours for a mailbox.
        parts = [part for part in parts if not _is_picture_of_page(part)]
    return _join([_split_part(part, leads=number == 0) for number, part in enumerate(parts)])


def _join(split: list[MailParts]) -> MailParts:
    return MailParts(
        [piece for parts in split for piece in parts.body],
        [attachment for parts in split for attachment in parts.attachments],
        any(parts.has_html for parts in split),
    )


def _choose_alternative(branches: list[MailParts]) -> MailParts:
    """The last branch with a text, a page before plain text; files that only another branch holds stay attachments."""
    if not branches:
        return MailParts([], [])
    best = max(enumerate(branches), key=lambda ranked: (ranked[1].has_text, ranked[1].has_html, ranked[0]))[1]
    files = {attachment_bytes(attachment) for attachment in best.attachments}
    others = [
        attachment
        for branch in branches
        if branch is not best
        for attachment in branch.attachments
        # A calendar entry or a simpler page beside the text says the same again.
        if attachment.is_attachment() or attachment.get_content_maintype() != "text"
    ]
    return best._replace(
        attachments=best.attachments + [other for other in others if attachment_bytes(other) not in files]
    )


def _is_picture_of_page(part: email.message.MIMEPart) -> bool:
    return part.get_content_maintype() == "image" and "content-id" in part and not part.is_attachment()


def part_name(part: email.message.Message) -> str | None:
    """The file name that the sender gave a part; the standard library trips over some malformed ones."""
    try:
        return part.get_filename()
    except (ValueError, LookupError, AttributeError, TypeError):
        return None


def attachment_bytes(part: email.message.Message) -> bytes:
    """An attachment as a file; a forwarded mail is a mail."""
    if part.is_multipart():
        inner = part.get_payload()
        return inner[0].as_bytes() if part.get_content_maintype() == "message" and inner else part.as_bytes()  # type: ignore[union-attr,index]
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _read_body(part: email.message.Message) -> list[Piece]:
    text = _decode_part(part)
    return (
        read_html_text(text).pieces if part.get_content_subtype() == "html" else read_text(text, headings=False).pieces
    )


def _decode_part(part: email.message.Message) -> str:
    data = part.get_payload(decode=True)
    content = Content("body", data=data if isinstance(data, bytes) else b"")
    declared = part.get_content_charset()
    try:
        if declared:
            return decode(content, resolve_encoding(declared, content.read()))
    except (LookupError, ValueError):  # no name of an encoding, or of one that is not for texts
        pass
    return decode(content, detect_encoding(content) or "utf-8")
