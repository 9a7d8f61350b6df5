"""Files of pairs, read row by row and written row by row: CSV, JSON lines, Excel. Nothing here knows what a pair is."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TextIO

from tasks.curation_ports import RawRow
from tasks.encodings import guess_encoding
from tasks.errors import ConfigurationError

FORMATS = (".jsonl", ".csv", ".tsv", ".xlsx")
_DELIMITERS = ",;\t"
_LONGEST_CELL = 10_000_000


def read_rows(file: Path) -> Iterator[RawRow]:
    """Every row of a file in order, numbered as the program that made it counts; the name's end says the format.

    Raises:
        ConfigurationError: The file cannot be opened, or is of no kind we read.
    """
    suffix = file.suffix.casefold()
    if suffix == ".xlsx":
        return _read_workbook(file)
    if suffix in {".csv", ".tsv"}:
        return _read_csv(file)
    if suffix in {".jsonl", ".ndjson", ".json"}:
        return _read_lines(file)
    raise ConfigurationError(f"{file} is of no kind that pairs are read from", advice=f"use {', '.join(FORMATS)}")


@contextmanager
def _open_text(file: Path) -> Iterator[TextIO]:
    """The text in whatever encoding it is; bytes that are none become surrogates, which the row is rejected for."""
    try:
        with file.open(encoding=guess_encoding(file), errors="surrogateescape", newline="") as text:
            yield text
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}", advice="name a file of pairs") from error
    except UnicodeError as error:
        raise ConfigurationError(f"cannot read {file}: {error}", advice="save it as UTF-8") from error


def _read_lines(file: Path) -> Iterator[RawRow]:
    with _open_text(file) as text:
        for number, line in enumerate(text, start=1):
            if line.strip("\r\n \t\ufeff"):
                yield _parse_line(number, line)


def _parse_line(number: int, line: str) -> RawRow:
    try:
        fields = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        return RawRow(number, {}, fault=f"it is not JSON: {error}")
    if not isinstance(fields, dict):
        return RawRow(number, {}, fault="it is not a JSON object")
    return RawRow(number, fields)


def _read_csv(file: Path) -> Iterator[RawRow]:
    csv.field_size_limit(_LONGEST_CELL)
    with _open_text(file) as text:
        header, number = text.readline(), 1
        told = re.fullmatch(r"\ufeff?sep=(.)\s*", header)
        if not told:
            text.seek(0)
        rows = csv.reader(text, delimiter=told[1] if told else max(_DELIMITERS, key=header.count))
        names = [name.strip().lstrip("\ufeff") for name in next(rows, [])]
        number += bool(told)
        while True:
            number += 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield RawRow(number, {}, fault=f"it is not CSV: {error}")
                continue
            if any(cell.strip() for cell in cells):
                yield _name_cells(number, names, cells)


def _name_cells(number: int, names: list[str], cells: list[str]) -> RawRow:
    if len(cells) > len(names):
        return RawRow(number, {}, fault=f"it has {len(cells)} cells, the first line names {len(names)} columns")
    return RawRow(number, {name: cell for name, cell in zip(names, cells, strict=False) if name and cell.strip()})


def _read_workbook(file: Path) -> Iterator[RawRow]:
    """The first sheet. Formulas count with the values that Excel stored; one without a value is a fault of its row."""
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        values = openpyxl.load_workbook(file, read_only=True, data_only=True)
        formulas = openpyxl.load_workbook(file, read_only=True)
    except (OSError, InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ConfigurationError(f"cannot read {file}: {error}", advice="save it as .xlsx again, or as CSV") from error
    with closing(values), closing(formulas):
        rows = zip(
            values.worksheets[0].iter_rows(values_only=True),
            formulas.worksheets[0].iter_rows(values_only=True),
            strict=False,
        )
        names: list[str] | None = None
        for number, (cells, written) in enumerate(rows, start=1):
            if not any(cell is not None for cell in written):
                continue
            if names is None:
                names = ["" if cell is None else str(cell).strip() for cell in cells]
                continue
            yield _read_cells(number, names, cells, written)


def _read_cells(number: int, names: list[str], cells: tuple[Any, ...], written: tuple[Any, ...]) -> RawRow:
    for name, cell, formula in zip(names, cells, written, strict=False):
        if cell is None and isinstance(formula, str) and formula.startswith("="):
            return RawRow(number, {}, fault=f"the formula in column {name!r} has no stored value")
        if isinstance(cell, str) and cell.startswith("#") and str(formula).startswith("="):
            return RawRow(number, {}, fault=f"the formula in column {name!r} gives {cell}")
    named = zip(names, cells, strict=False)
    return RawRow(number, {name: _write_cell(cell) for name, cell in named if name and cell is not None})


def _write_cell(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> int:
    """Write rows, lists and objects of a cell as JSON; returns how many.

    Raises:
        ConfigurationError: The file cannot be written, or is of no kind we write.
    """
    suffix = file.suffix.casefold()
    try:
        if suffix == ".jsonl":
            return _write_lines(file, rows)
        if suffix == ".csv":
            return _write_csv(file, rows, columns)
        if suffix == ".xlsx":
            return _write_workbook(file, rows, columns)
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}", advice="name another file") from error
    raise ConfigurationError(f"{file} is of no kind that pairs are written to", advice="use .jsonl, .csv or .xlsx")


def _write_lines(file: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    with file.open("w", encoding="utf-8") as out:
        for count, row in enumerate(rows, start=1):  # noqa: B007 (the last one is the count)
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _write_csv(file: Path, rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> int:
    count = 0
    with file.open("w", encoding="utf-8-sig", newline="") as out:  # the mark is how Excel knows that it is UTF-8
        writer = csv.writer(out)
        writer.writerow(columns)
        for count, row in enumerate(rows, start=1):  # noqa: B007
            writer.writerow([_flatten(row.get(name)) for name in columns])
    return count


def _write_workbook(file: Path, rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> int:
    import openpyxl
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("pairs")
    sheet.append(list(columns))
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007
        cells = []
        for name in columns:
            cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("�", _flatten(row.get(name))))
            cell.data_type = "s"  # a text that begins with "=" is no formula
            cells.append(cell)
        sheet.append(cells)
    book.save(file)
    return count


def _flatten(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
