"""What the readers of all formats share: the content they read, what they return, and how they refuse."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, Literal, NamedTuple

from tasks.errors import DocumentRejected
from tasks.models import Element, PartProblem, Problem

ElementKind = Literal["title", "text", "list-item", "table", "code", "other"]

CELL_SEPARATOR = " | "
_VALUE = re.compile(r"^\W*\d[\d.,:/ -]*\W*$")
"""A cell that holds a number, a date or an amount."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff\ufffe\uffff]")
"""NUL, lone surrogates and non-characters: not every database and file can hold them."""


_LINE_BREAK = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")


class Content(NamedTuple):
    """The bytes of a file or of a part of one: exactly one of `path` and `data` is set."""

    name: str
    path: Path | None = None
    data: bytes | None = None

    def open(self) -> BinaryIO:
        """A fresh handle at the first byte."""
        return self.path.open("rb") if self.path is not None else io.BytesIO(self.data or b"")

    def read(self) -> bytes:
        """All of it."""
        return self.path.read_bytes() if self.path is not None else self.data or b""

    @property
    def head(self) -> bytes:
        """The first 8 KiB."""
        with self.open() as handle:
            return handle.read(8192)

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return self.path.stat().st_size if self.path is not None else len(self.data or b"")

    @property
    def extension(self) -> str:
        """Lower case, without the dot; '' when the name has none."""
        return PurePosixPath(self.name).suffix.lower().lstrip(".")


class Piece(NamedTuple):
    """An element before it has its place in the document."""

    kind: ElementKind
    text: str
    depth: int = 0
    page: int | None = None
    part: str | None = None
    header_rows: int = 0


class Reading(NamedTuple):
    """What a reader made of one content."""

    pieces: list[Piece]
    title: str | None = None
    problems: tuple[PartProblem, ...] = ()


def as_problem(part: str, error: DocumentRejected) -> PartProblem:
    """A refusal as a finding."""
    return PartProblem(part=part, problem=Problem(reason=error.reason, message=error.message, advice=error.advice))


class ReadOptions(NamedTuple):
    """How to read; the same for a file and its parts."""

    strategy: Literal["auto", "fast", "ocr_only"]
    language: str | None
    max_text_mb: float
    """Of one document, its parts together."""


def refuse_much_text(name: str, characters: int, max_text_mb: float) -> None:
    """Refuse what would become tens of thousands of chunks, of which nobody could cite a page.

    Args:
        name: Of the file.
        characters: Of its text, or bytes of a format that is nothing but text.
        max_text_mb: The most, in millions.

    Raises:
        DocumentRejected: reason "too-much-text".
    """
    if characters > max_text_mb * 1e6:
        raise DocumentRejected(
            f"{base_name(name, 'the file')} has about {characters / 1e6:.0f} MB of text, more than {max_text_mb:g}",
            reason="too-much-text",
            advice="split it, name it as a source of kind 'records' or 'sql' (a document a row), or raise "
            "EXPERTLOOP_MAX_TEXT_MB",
        )


def make_elements(pieces: list[Piece]) -> tuple[Element, ...]:
    """Number the pieces that hold text; nothing alters a text after this."""
    kept = [(piece, _LINE_BREAK.sub("\n", _UNSTORABLE.sub("", piece.text)).strip("\n ")) for piece in pieces]
    return tuple(
        Element(
            element_id=f"e{number}",
            kind=piece.kind,
            text=text,
            depth=piece.depth,
            page=piece.page,
            part=piece.part,
            header_rows=piece.header_rows,
        )
        for number, (piece, text) in enumerate((piece, text) for piece, text in kept if text.strip())
    )


def make_table(rows: list[list[str]], *, page: int | None = None) -> Piece:
    """A table as lines of cells."""
    rows = [clean_row(row) for row in rows]
    rows = [row for row in rows if row]
    lines = (CELL_SEPARATOR.join(row) for row in rows)
    return Piece("table", "\n".join(lines), page=page, header_rows=count_header_rows(rows))


def clean_row(row: list[str]) -> list[str]:
    """Cells on one line each, without the empty ones at the end."""
    cells = [" ".join(cell.split()) for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def count_header_rows(rows: list[list[str]]) -> int:
    """Captions (rows of one cell) and the row after them, where all of its cells are words and more rows follow."""
    captions = next((number for number, row in enumerate(rows) if len(row) > 1), 0)
    is_header = captions + 1 < len(rows) and all(cell and not _VALUE.search(cell) for cell in rows[captions])
    return captions + 1 if is_header else 0


def base_name(name: str | None, fallback: str) -> str:
    """The last component of a name that a sender chose; it is only ever shown."""
    bare = PureWindowsPath(PurePosixPath((name or "").replace("\x00", "")).name).name
    return " ".join(bare.split()) or fallback


@contextlib.contextmanager
def refuse_damaged(name: str) -> Iterator[None]:
    """Map what the format libraries raise at broken input to one refusal.

    Raises:
        DocumentRejected: reason "damaged-file".
    """
    try:
        yield
    except DocumentRejected:
        raise
    except _damage_errors() as error:
        raise DocumentRejected(
            f"{base_name(name, 'the file')} cannot be read: {type(error).__name__}: {_first_line(error)}",
            reason="damaged-file",
            advice="open it in its own program and save it again, or fetch it again from where it came",
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no details"])[0][:200]


def _damage_errors() -> tuple[type[BaseException], ...]:
    from lxml.etree import LxmlError
    from pdfminer.psexceptions import PSException
    from pypdf.errors import PyPdfError

    standard = (
        ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, NotImplementedError, OSError,
        RecursionError, RuntimeError, TypeError, ValueError, csv.Error, struct.error, zipfile.BadZipFile, zlib.error,
    )  # fmt: skip
    return (*standard, LxmlError, PSException, PyPdfError)
