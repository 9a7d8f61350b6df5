"""Delimited text and workbooks, read row by row: bounded memory where a data frame would take ten times the file."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tasks.integrations.unstructured.kinds import password_protected
from tasks.integrations.unstructured.number_formats import show_number
from tasks.integrations.unstructured.reading import (
    CELL_SEPARATOR,
    Content,
    Piece,
    Reading,
    clean_row,
    count_header_rows,
    make_table,
)
from tasks.integrations.unstructured.texts import detect_encoding, open_text

_DELIMITERS = ",;\t|"
_FIELD_LIMIT = 16 * 2**20


def read_delimited(content: Content, delimiter: str | None) -> Reading:
    """One table; the delimiter is found in the first lines unless given."""
    encoding = detect_encoding(content) or "utf-8"
    csv.field_size_limit(_FIELD_LIMIT)
    with open_text(content, encoding) as stream:
        sample = stream.read(1 << 16)
    with open_text(content, encoding) as stream:
        rows = csv.reader(stream, delimiter=delimiter or _find_delimiter(sample), skipinitialspace=True)
        cleaned = filter(None, map(clean_row, rows))
        first = list(itertools.islice(cleaned, 10))
        lines = [CELL_SEPARATOR.join(row) for row in itertools.chain(first, cleaned)]
    return Reading([Piece("table", "\n".join(lines), header_rows=count_header_rows(first))])


def _find_delimiter(sample: str) -> str:
    """The delimiter that splits the first lines most evenly into most cells."""
    lines = [line for line in sample.splitlines()[:50] if line.strip()][:-1] or [sample]

    def evenness(mark: str) -> int:
        widths = [len(row) for row in csv.reader(lines, delimiter=mark)]
        usual, rows = Counter(widths).most_common(1)[0] if widths else (1, 0)
        return rows * (usual - 1)

    return max(_DELIMITERS, key=evenness)


def read_xlsx(content: Content) -> Reading:
    """Each sheet under its name; blocks of rows between empty rows are tables."""
    from tasks.integrations.unstructured.workbooks import open_workbook

    with content.open() as handle:
        workbook = open_workbook(handle)
        pieces = [piece for sheet in workbook.worksheets for piece in _sheet_pieces(sheet.title, _show_rows(sheet))]
        title = (workbook.properties.title or "").strip()
        workbook.close()
    return Reading(pieces, title=title or None)


def _show_rows(sheet: Any) -> Iterator[list[str]]:
    """Rows of texts, notes behind the cells that they are about; one empty row for all between two that are not."""
    from tasks.integrations.unstructured.workbooks import read_notes, read_rows

    notes = read_notes(sheet)
    last = 0
    for number, cells in read_rows(sheet):
        shown = {column: _show_cell(cell) for column, cell in cells.items()}
        if number > last + 1:
            yield []
        yield _fill_row(shown, notes.pop(number, {}))
        last = number
    for number in sorted(notes):
        yield from ([], _fill_row({}, notes[number]))


def _fill_row(cells: dict[int, str], notes: dict[int, str]) -> list[str]:
    for column, note in notes.items():
        cells[column] = f"{cells.get(column, '')} (note: {note})".strip()
    return [cells.get(column, "") for column in range(1, max(cells, default=0) + 1)]


def read_xls(content: Content) -> Reading:
    """The old binary workbook, read without LibreOffice."""
    import xlrd

    try:
        book = xlrd.open_workbook(file_contents=content.read(), on_demand=True)
    except xlrd.XLRDError as error:
        if "encrypted" in str(error).lower():
            raise password_protected(content.name) from error
        raise ValueError(str(error)) from error
    pieces: list[Piece] = []
    for sheet in book.sheets():
        rows = ([_show_xls_cell(cell, book.datemode) for cell in sheet.row(n)] for n in range(sheet.nrows))
        pieces += _sheet_pieces(sheet.name, rows)
    return Reading(pieces)


def _sheet_pieces(name: str, rows: Iterable[list[str]]) -> Iterator[Piece]:
    pieces = [piece for block in _blocks(rows) for piece in _block_pieces(block)]
    if pieces:
        yield Piece("title", name)
        yield from pieces


def _blocks(rows: Iterable[list[str]]) -> Iterator[list[list[str]]]:
    block: list[list[str]] = []
    for row in rows:
        if any(row):
            block.append(row)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _block_pieces(block: list[list[str]]) -> Iterator[Piece]:
    """Leading rows of a single cell are captions; the rest is a table without its empty columns."""
    start = 0
    while start < len(block) and sum(map(bool, block[start])) == 1 and _width(block) > 1:
        yield Piece("text", next(filter(None, block[start])))
        start += 1
    rows = block[start:]
    if len(rows) == 1 and sum(map(bool, rows[0])) == 1:
        yield Piece("text", next(filter(None, rows[0])))
    elif rows:
        used = [n for n in range(_width(rows)) if any(n < len(row) and row[n] for row in rows)]
        yield make_table([[row[n] if n < len(row) else "" for n in used] for row in rows])


def _width(rows: list[list[str]]) -> int:
    return max(len(row) - next((n for n, cell in enumerate(reversed(row)) if cell), len(row)) for row in rows)


def _show_cell(cell: Any) -> str:
    value = cell.value
    if isinstance(value, float | int) and not isinstance(value, bool):
        return show_number(value, cell.number_format)
    return show_value(value)


def _show_xls_cell(cell: Any, datemode: int) -> str:
    import xlrd

    if cell.ctype == xlrd.XL_CELL_DATE:
        return show_value(xlrd.xldate.xldate_as_datetime(cell.value, datemode))
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return show_value(bool(cell.value))
    return "" if cell.ctype in {xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK, xlrd.XL_CELL_ERROR} else show_value(cell.value)


def show_value(value: Any) -> str:
    """A cell's value as a person would write it: 3 for 3.0, 2024-05-01 for midnight of that day."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        at_midnight = value.time() == dt.time.min
        return value.date().isoformat() if at_midnight else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(value).strip()
