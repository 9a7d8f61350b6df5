"""Writes PDF files with the fonts that every reader has, so that nothing is embedded and the bytes never change.

Body text is set in Helvetica. Tables are set in Courier, one line of text a row: a reader sees columns, and a text
extractor gets each row in one piece. Text is encoded as WinAnsi, which covers German and English.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from pdfminer.fontmetrics import FONT_METRICS

from data.writers.source import Block, Heading, Items, Notice, Paragraph, Source, Table, parse_blocks, plain, split_bold

_FONTS = ("Helvetica", "Helvetica-Bold", "Courier", "Courier-Bold")
_PAGE_POINTS = {"a4": (595, 842), "letter": (612, 792)}
_MARGIN_POINTS = 56
_HEADING_POINTS = {1: 17.0, 2: 12.5, 3: 11.0, 4: 10.5}
_BODY_POINTS = 10.0
_TABLE_POINTS = (8.5, 8.0, 7.5, 7.0)
_COURIER_WIDTH = 0.6

Word = list[tuple[str, bool]]


@dataclass
class _Canvas:
    """Collects drawing operators page by page and knows how far down the current page is."""

    width: int
    height: int
    pages: list[list[str]] = field(default_factory=list)
    y: float = 0.0

    @property
    def text_width(self) -> float:
        return self.width - 2 * _MARGIN_POINTS

    def start_page(self) -> None:
        self.pages.append([])
        self.y = self.height - _MARGIN_POINTS

    def reserve(self, points: float) -> None:
        """Starts a new page when less than ``points`` is left above the footer."""
        if self.y - points < _MARGIN_POINTS + 20:
            self.start_page()

    def line(self, parts: Word, size: float, *, indent: float = 0.0, mono: bool = False) -> None:
        self.reserve(size * 1.35)
        self.y -= size * 1.35
        shown = " ".join(f"/F{2 * mono + bold + 1} {size:g} Tf ({_escape(text)}) Tj" for text, bold in parts)
        self.pages[-1].append(f"BT {_MARGIN_POINTS + indent:g} {self.y:.2f} Td {shown} ET")

    def rule(self) -> None:
        right = self.width - _MARGIN_POINTS
        self.pages[-1].append(f"0.5 w {_MARGIN_POINTS} {self.y - 2:.2f} m {right} {self.y - 2:.2f} l S")


def write_pdf(source: Source) -> bytes:
    """Returns the source as a PDF on A4 or, where its header says so, on US letter paper."""
    width, height = _PAGE_POINTS[source.header.get("page", "a4")]
    canvas = _Canvas(width, height)
    canvas.start_page()
    for block in parse_blocks(source.body):
        _draw_block(canvas, block)
    _draw_footers(canvas, source)
    return _assemble(canvas, source)


def _draw_block(canvas: _Canvas, block: Block) -> None:
    match block:
        case Heading(level, text):
            size = _HEADING_POINTS[level]
            canvas.reserve(size * 4)
            canvas.y -= size * 0.6
            _draw_text(canvas, [(plain(text), True)], size)
            canvas.y -= size * 0.35  # close lines are taken for one paragraph by those who read the text out again
        case Paragraph(text):
            _draw_text(canvas, split_bold(text), _BODY_POINTS)
        case Notice(text):
            _draw_text(canvas, [(plain(text), True)], _BODY_POINTS, indent=14)
        case Items(numbered, texts):
            for text in texts:
                for part in text.split("\n"):
                    mark = "" if numbered else "\u2022 "
                    _draw_text(canvas, [(mark, False), *split_bold(part)], _BODY_POINTS, indent=12)
        case Table(rows):
            _draw_table(canvas, rows)
    canvas.y -= 6


def _draw_text(canvas: _Canvas, parts: Word, size: float, *, indent: float = 0.0) -> None:
    for line in _wrap(parts, size, canvas.text_width - indent):
        canvas.line(line, size, indent=indent)


def _wrap(parts: Word, size: float, width: float) -> Iterator[Word]:
    line: list[Word] = []
    for word in _words(parts):
        if line and _width([*line, word], size) > width:
            yield _merge(line)
            line = []
        line.append(word)
    yield _merge(line)


def _words(parts: Word) -> list[Word]:
    words: list[Word] = [[]]
    for text, bold in parts:
        for number, piece in enumerate(text.split(" ")):
            if number:
                words.append([])
            if piece:
                words[-1].append((piece, bold))
    return [word for word in words if word]


def _width(words: list[Word], size: float) -> float:
    thousandths = sum(_char_width(char, bold=bold) for word in words for text, bold in word for char in text)
    return size * (thousandths + 278 * (len(words) - 1)) / 1000


def _char_width(char: str, *, bold: bool) -> float:
    widths: dict[str, int] = FONT_METRICS[_FONTS[bold]][1]
    return widths.get(char, 556)


def _merge(words: list[Word]) -> Word:
    merged: Word = []
    for number, word in enumerate(words):
        for place, (text, bold) in enumerate(word):
            spaced = " " + text if number and not place else text
            if merged and merged[-1][1] == bold:
                merged[-1] = (merged[-1][0] + spaced, bold)
            else:
                merged.append((spaced, bold))
    return merged


def _draw_table(canvas: _Canvas, rows: tuple[tuple[str, ...], ...]) -> None:
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    length = sum(widths) + 2 * (len(widths) - 1)
    size = next((s for s in _TABLE_POINTS if length * s * _COURIER_WIDTH <= canvas.text_width), None)
    if size is None:
        raise ValueError(f"a table row of {length} characters does not fit on the page: {' | '.join(rows[0])}")
    canvas.reserve(size * 4)
    for number, row in enumerate(cells):
        text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        canvas.line([(text, number == 0)], size, mono=True)
        if number == 0:
            canvas.rule()


def _draw_footers(canvas: _Canvas, source: Source) -> None:
    of = ("Seite", "von") if source.language == "de" else ("Page", "of")
    for number, page in enumerate(canvas.pages, start=1):
        text = f"{source.byline}   -   {of[0]} {number} {of[1]} {len(canvas.pages)}"
        page.append(f"BT /F1 8 Tf {_MARGIN_POINTS} 36 Td ({_escape(text)}) Tj ET")


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _assemble(canvas: _Canvas, source: Source) -> bytes:
    """Numbers the objects, writes them and their cross-reference table."""
    count = len(canvas.pages)
    kids = " ".join(f"{7 + 2 * page} 0 R" for page in range(count))
    fonts = " ".join(f"/F{n} {n + 2} 0 R" for n in range(1, 5))
    objects = ["<< /Type /Catalog /Pages 2 0 R /Lang (" + source.language + ") >>"]
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {count} >>")
    objects += [f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>" for name in _FONTS]
    for number, page in enumerate(canvas.pages):
        stream = "\n".join(page) + "\n"
        box = f"/MediaBox [0 0 {canvas.width} {canvas.height}]"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R {box} /Resources << /Font << {fonts} >> >> /Contents {8 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(_encode(stream))} >>\nstream\n{stream}endstream")
    date = source.written_at.strftime("D:%Y%m%d%H%M%SZ")
    info = f"/Title ({_escape(source.title)}) /Author ({_escape(source.author)}) /CreationDate ({date})"
    objects.append(f"<< {info} >>")
    return _number_objects(objects)


def _number_objects(objects: list[str]) -> bytes:
    content = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    offsets = []
    for number, text in enumerate(objects, start=1):
        offsets.append(len(content))
        content += _encode(f"{number} 0 obj\n{text}\nendobj\n")
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    identity = hashlib.md5(content, usedforsecurity=False).hexdigest()
    trailer = f"<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R /ID [<{identity}> <{identity}>] >>"
    start = len(content)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    return content + _encode(f"{head}{table}trailer\n{trailer}\nstartxref\n{start}\n%%EOF\n")


def _encode(text: str) -> bytes:
    """Encodes as WinAnsi; a character outside it fails loudly instead of becoming a question mark."""
    return text.encode("cp1252")
