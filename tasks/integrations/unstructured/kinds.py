"""Which reader a file needs: by its bytes first, by its extension only where bytes leave it open."""

from __future__ import annotations

import re
import zipfile

from tasks.errors import DocumentRejected
from tasks.integrations.unstructured.reading import Content, base_name
from tasks.integrations.unstructured.texts import detect_encoding

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "doc": "application/msword",
    "ppt": "application/vnd.ms-powerpoint",
    "xls": "application/vnd.ms-excel",
    "msg": "application/vnd.ms-outlook",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "epub": "application/epub+zip",
    "rtf": "application/rtf",
    "zip": "application/zip",
    "tar": "application/x-tar",
    "gz": "application/gzip",
    "image": "image/*",
    "html": "text/html",
    "xml": "application/xml",
    "eml": "message/rfc822",
    "mbox": "application/mbox",
    "md": "text/markdown",
    "rst": "text/x-rst",
    "org": "text/org",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "text": "text/plain",
}
MAY_BE_EMPTY = frozenset(
    {"text", "md", "rst", "org", "csv", "tsv", "json", "jsonl", "xlsx", "xls", "ods", "eml", "msg", "mbox", "zip",
     "tar"}
)  # fmt: skip
"""Kinds in which no text is a finding; a pdf or picture without text is one that we failed to read."""

TEXT_EXTENSIONS = {
    "html": "html", "htm": "html", "xhtml": "html", "xml": "xml", "svg": "xml", "eml": "eml", "mbox": "mbox",
    "md": "md", "markdown": "md", "rst": "rst", "org": "org", "csv": "csv", "tsv": "tsv", "tab": "tsv",
    "rtf": "rtf", "json": "json", "geojson": "json", "jsonl": "jsonl", "ndjson": "jsonl",
}  # fmt: skip
_SIGNATURES = (
    (b"{\\rtf", "rtf"), (b"\x1f\x8b", "gz"), (b"\x89PNG\r\n\x1a\n", "image"), (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"), (b"II*\x00", "image"), (b"MM\x00*", "image"), (b"BM", "bmp"), (b"RIFF", "riff"),
)  # fmt: skip
_OPEN_DOCUMENT = {
    "application/epub+zip": "epub",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
}
_OFFICE = {"word/document": "docx", "ppt/presentation": "pptx", "xl/workbook.xml": "xlsx", "xl/workbook.bin": "ods"}
_OLE_STREAMS = {
    "WordDocument": "doc", "PowerPoint Document": "ppt", "Workbook": "xls", "Book": "xls",
    "__properties_version1.0": "msg",
}  # fmt: skip
_MAIL_HEADER = re.compile(r"^(from|to|subject|date|message-id|mime-version|received|return-path):", re.I | re.M)
_HTML = re.compile(r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)

_MAX_UNPACKED_BYTES = 2 * 2**30
_SUSPICIOUS_BYTES, _SUSPICIOUS_RATIO = 200 * 2**20, 100


def detect_kind(content: Content) -> str:
    """A key of MEDIA_TYPES.

    Raises:
        DocumentRejected: "unsupported-type", "damaged-file", "password-protected", "zip-bomb".
    """
    head = content.head
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(content)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _ole_kind(content)
    signature = next((kind for mark, kind in _SIGNATURES if head.startswith(mark)), None)
    if signature in {"rtf", "gz", "image"}:
        return signature or ""
    return _other_binary(head, signature) or _text_kind(content, head)


def _other_binary(head: bytes, signature: str | None) -> str | None:
    if (signature == "riff" and head[8:12] == b"WEBP") or (signature == "bmp" and b"\x00" in head[:32]):
        return "image"
    if head[4:8] == b"ftyp" and head[8:12] in {b"heic", b"heix", b"mif1", b"msf1", b"avif"}:
        return "image"
    return "tar" if head[257:262] == b"ustar" else None


def _text_kind(content: Content, head: bytes) -> str:
    encoding = detect_encoding(content)
    if encoding is None:
        raise _unsupported(content)
    start = head.decode(encoding, "ignore").lstrip("\ufeff")
    by_extension = TEXT_EXTENSIONS.get(content.extension)
    if by_extension in {None, "xml"} and _HTML.match(start):
        return "html"
    if by_extension is None and start.startswith("<?xml"):
        return "xml"
    if by_extension is None and len({m.lower() for m in _MAIL_HEADER.findall(start.split("\n\n")[0])}) >= 3:
        return "eml"
    return by_extension or "text"


def _zip_kind(content: Content) -> str:
    try:
        with content.open() as handle, zipfile.ZipFile(handle) as archive:
            members = archive.infolist()
            mimetype = archive.read("mimetype")[:80].decode("ascii", "replace") if _has_mimetype(members) else ""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise DocumentRejected(
            f"{base_name(content.name, 'the file')} is cut off or broken: {error}",
            reason="damaged-file",
            advice="open it in its own program and save it again, or fetch it again from where it came",
        ) from error
    _refuse_bomb(content, members)
    if mimetype.strip() in _OPEN_DOCUMENT:
        return _OPEN_DOCUMENT[mimetype.strip()]
    names = [member.filename for member in members]
    return next((kind for mark, kind in _OFFICE.items() if any(name.startswith(mark) for name in names)), "zip")


def _has_mimetype(members: list[zipfile.ZipInfo]) -> bool:
    return any(member.filename == "mimetype" and member.file_size < 200 for member in members)


def _refuse_bomb(content: Content, members: list[zipfile.ZipInfo]) -> None:
    """Judge the sizes that the directory declares, before anything is unpacked; zipfile never reads beyond them."""
    unpacked = sum(member.file_size for member in members)
    ratio = unpacked / max(1, content.size_bytes)
    if unpacked > _MAX_UNPACKED_BYTES or (unpacked > _SUSPICIOUS_BYTES and ratio > _SUSPICIOUS_RATIO):
        raise DocumentRejected(
            f"{base_name(content.name, 'the file')} would unpack to {unpacked / 2**20:,.0f} MiB, {ratio:,.0f} times "
            "its size",
            reason="zip-bomb",
            advice="do not open it unless you know its sender; split or re-save it, or exclude it with a glob",
        )


def _ole_kind(content: Content) -> str:
    import olefile

    with content.open() as handle:
        try:
            with olefile.OleFileIO(handle) as container:
                streams = {entry[0] for entry in container.listdir()}
        except (OSError, ValueError, IndexError, TypeError, AttributeError) as error:
            raise DocumentRejected(
                f"{base_name(content.name, 'the file')} is cut off or broken: {error}",
                reason="damaged-file",
                advice="open it in its own program and save it again, or fetch it again from where it came",
            ) from error
    if "EncryptedPackage" in streams:
        raise password_protected(content.name)
    kind = next((kind for stream, kind in _OLE_STREAMS.items() if stream in streams), None)
    if kind is None:
        raise _unsupported(content)
    return kind


def password_protected(name: str) -> DocumentRejected:
    """The refusal of whatever needs a key that we do not have."""
    return DocumentRejected(
        f"{base_name(name, 'the file')} is protected by a password or encrypted",
        reason="password-protected",
        advice="save a copy without password in its own program, or exclude it with a glob",
    )


def _unsupported(content: Content) -> DocumentRejected:
    known = "its content is no text and no document format that can be read"
    return DocumentRejected(
        f"{base_name(content.name, 'the file')}: {known}",
        reason="unsupported-type",
        advice=f"exclude it with a glob such as '**/*.{content.extension or '*'}', or convert it to pdf, docx or text",
    )
