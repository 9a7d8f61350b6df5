"""Plain text, JSON and records: decoded once, split at blank lines, otherwise left as it is."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from tasks.integrations.unstructured.reading import Content, Piece, Reading

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_WESTERN = re.compile(r"[ÀÂÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÖØÙÚÛÜßàáâäåæçèéêëìíîïñòóôöøùúûüœŒŸÿ€£§°²³µ·–—‘’“”„…•«»©®™´½¼¾ ]")
_BLOCK = re.compile(r"\n[ \t]*\n+")
_NUMBERED_HEADING = re.compile(r"(?:\d{1,2}(?:\.\d{1,2}){0,4}\.?|[IVX]{1,4}\.|§ ?\d+)\s+[^\W\d_].{1,80}")
_LINES_PER_PIECE = 200


def detect_encoding(content: Content) -> str | None:
    """The encoding that reads the whole content as text, or None where it is not text."""
    head = content.head
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    wide = _wide_encoding(head)
    if wide:
        return wide
    encoding = "utf-8" if _is_utf8(content) else _legacy_encoding(content)
    text = head.decode(encoding, "ignore")
    is_binary = len(_CONTROL.findall(text)) + text.count("\x00") > 0.1 * len(text)
    return None if is_binary else encoding


def decode(content: Content, encoding: str) -> str:
    """All of the text, line ends as \\n; what the encoding cannot read becomes U+FFFD."""
    return content.read().decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n")


def open_text(content: Content, encoding: str) -> TextIO:
    """The text as a stream, line ends untouched."""
    return io.TextIOWrapper(content.open(), encoding=encoding, errors="replace", newline="")


def _wide_encoding(head: bytes) -> str | None:
    """UTF-16 without its mark: every other byte of Western text is NUL."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) / 2
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None


def _is_utf8(content: Content) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with content.open() as handle:
        try:
            while block := handle.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _legacy_encoding(content: Content) -> str:
    """Windows-1252 where its special characters look like Western ones, else a statistical guess."""
    with content.open() as handle:
        sample = handle.read(1 << 17)
    special = [letter for letter in sample.decode("cp1252", "replace") if ord(letter) > 127]
    western = sum(1 for letter in special if _WESTERN.match(letter))
    if western >= 0.9 * len(special):
        return "cp1252"
    from charset_normalizer import from_bytes

    guess = from_bytes(sample).best()
    return guess.encoding if guess is not None else "cp1252"


# --- plain text ---------------------------------------------------------------------------------------------------


def read_text(text: str, *, headings: bool) -> Reading:
    """Blocks between blank lines; with `headings`, underlined and numbered lines that stand alone are titles."""
    blocks = [block.strip("\n") for block in _BLOCK.split(text) if block.strip()]
    return Reading([piece for block in blocks for piece in _block_pieces(block, headings=headings)])


def _block_pieces(block: str, *, headings: bool) -> Iterator[Piece]:
    lines = block.split("\n")
    if (
        headings
        and len(lines) == 1
        and _NUMBERED_HEADING.fullmatch(block.strip())
        and block.strip()[-1] not in ".,;:!?"
    ):
        yield Piece("title", block.strip(), depth=block.split()[0].strip(".").count("."))
    elif headings and len(lines) == 2 and re.fullmatch(r"[=\-~]{3,}", lines[1].strip()):
        yield Piece("title", lines[0].strip(), depth="=-~".index(lines[1].strip()[0]))
    else:
        for start in range(0, len(lines), _LINES_PER_PIECE):
            yield Piece("text", "\n".join(lines[start : start + _LINES_PER_PIECE]))


# --- JSON ---------------------------------------------------------------------------------------------------------


def read_json(text: str) -> Reading:
    """Records become `key: value` lines; unstructured's own elements their texts; what does not parse, plain text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return read_json_lines(text)
    return Reading(list(_record_pieces(value if isinstance(value, list) else [value])))


def read_json_lines(text: str) -> Reading:
    """One record a line; plain text where a line is not JSON."""
    try:
        # Not splitlines(): a JSON text may hold U+2028 and its like.
        values = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError):
        return read_text(text, headings=False)
    return Reading(list(_record_pieces(values)))


def _record_pieces(values: list[Any]) -> Iterator[Piece]:
    if values and all(isinstance(value, dict) and {"type", "text", "element_id"} <= value.keys() for value in values):
        for value in values:
            yield Piece("text", str(value["text"]))
    elif any(isinstance(value, dict) for value in values):
        yield from (Piece("text", "\n".join(_flatten(value, ""))) for value in values)
    else:
        yield Piece("text", "\n".join(_flatten(values, "")))


def _flatten(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for number, inner in enumerate(value, 1):
            yield from _flatten(inner, f"{path}[{number}]" if path else str(number))
    else:
        shown = ", ".join(map(_scalar, value)) if isinstance(value, list) else _scalar(value)
        yield f"{path}: {shown}" if path else shown


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
