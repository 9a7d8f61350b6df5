"""A CSV or JSONL file at any fsspec URL as rows; a broken line is one problem, its neighbours go on."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote_from_bytes

from tasks.errors import BackendUnavailable, ConfigurationError, ProductError
from tasks.integrations.guarded_stream import guard_stream
from tasks.integrations.rows import Row
from tasks.integrations.stores import map_store_error, open_store, store_errors
from tasks.models import Problem
from tasks.source_models import RecordsConfig, escape_path, escape_unprintable, hide_secrets

_SAMPLE_RECORDS = 100
_SAMPLE_LINES = 20
_MAX_LINE_CHARACTERS = 10_000_000
_MAX_RECORD_LINES = 200
_DELIMITERS = (",", ";", "\t", "|")
_JSON_ENDINGS = (".jsonl", ".ndjson")
_CSV_ENDINGS = (".csv", ".tsv", ".tab", ".txt")
_WIDE_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Line(NamedTuple):
    """One line of the file."""

    number: int
    text: str


NumberedRow = tuple[int, Row | Problem]


class RecordsReader:
    """Implements `RowReader` over a file.

    Args:
        config: The source; references in its url and options are already replaced.
    """

    unit = "line"

    def __init__(self, config: RecordsConfig) -> None:
        self._config = config
        self._place = escape_path(hide_secrets(config.url))

    def make_uri(self, path: str) -> str:
        """The file's own uri, and the key behind `#`."""
        url = self._config.url
        if "://" not in url and "::" not in url:
            return f"file://{quote_from_bytes(os.fsencode(url))}#{path}"
        return f"{escape_unprintable(hide_secrets(url))}#{path}"

    def find_key(self) -> tuple[str, ...]:
        """The configured key."""
        return self._config.key

    def read_rows(self, check_columns: Callable[[Sequence[str]], None]) -> Iterator[NumberedRow]:
        """Stream the records with the number of their first line.

        Raises:
            ConfigurationError: There is no such file, or a column is missing.
            BackendUnavailable: The store failed, or the file ended early.
        """
        with self._open_stream() as stream:
            lines = read_lines(stream, self._config.encoding)
            if self._find_format() == "jsonl":
                yield from read_json_records(lines, check_columns)
            else:
                yield from read_csv_records(lines, self._config.delimiter, check_columns)

    def read_tables(self) -> Iterator[tuple[str, Iterator[Row]]]:
        """A file has one table."""
        return iter(())

    def _find_format(self) -> str:
        if self._config.format:
            return self._config.format
        name = self._config.url.partition("?")[0].lower()
        for packed in (".gz", ".bz2", ".xz", ".zst"):
            name = name.removesuffix(packed)
        if name.endswith(_JSON_ENDINGS):
            return "jsonl"
        if name.endswith(_CSV_ENDINGS):
            return "csv"
        raise ConfigurationError(
            f"source {self._config.name}: the ending of {self._place} does not tell its format",
            advice="write format: csv or format: jsonl",
        )

    @contextmanager
    def _open_stream(self) -> Iterator[BinaryIO]:
        store, path = open_store(self._config.url, self._config.storage_options)
        try:
            if store.info(path)["type"] != "file":
                raise ConfigurationError(
                    f"source {self._config.name}: {self._place} is no file", advice="name one CSV or JSONL file"
                )
            inner = store.open(path, "rb", compression="infer")
        except store_errors() as error:
            raise map_store_error(error, self._place) from error
        with inner:
            yield guard_stream(inner, _read_errors, self._map_read_error)

    def _map_read_error(self, error: BaseException) -> ProductError:
        if isinstance(error, EOFError | zlib.error):
            return BackendUnavailable(
                f"{self._place} ends in the middle", advice="nothing was removed; write the file again, then run again"
            )
        return map_store_error(error, self._place)


def _read_errors() -> tuple[type[BaseException], ...]:
    return (*store_errors(), EOFError, zlib.error)


# --- lines -------------------------------------------------------------------------------------------------------


def read_lines(stream: BinaryIO, encoding: str | None) -> Iterator[Line]:
    """Stream the lines of a file, counted from 1; none is longer than 10 million characters.

    Args:
        stream: A buffered binary reader at its start.
        encoding: How the file is written. None: UTF-16 and UTF-32 by their first bytes, else each line is UTF-8 or,
            where it is none, cp1252: tables that were put together by hand hold both.
    """
    assert isinstance(stream, io.BufferedReader)
    head = stream.peek(4)[:4]
    encoding = encoding or next((name for bom, name in _WIDE_BOMS if head.startswith(bom)), None)
    texts = _read_texts(stream, encoding) if encoding else _guess_texts(stream)
    for number, text in enumerate(texts, start=1):
        yield Line(number, text.removeprefix("\ufeff") if number == 1 else text)


def _read_texts(stream: BinaryIO, encoding: str) -> Iterator[str]:
    reader = io.TextIOWrapper(stream, encoding, errors="replace", newline="\n")
    return iter(lambda: reader.readline(_MAX_LINE_CHARACTERS), "")


def _guess_texts(stream: BinaryIO) -> Iterator[str]:
    for raw in iter(lambda: stream.readline(_MAX_LINE_CHARACTERS), b""):
        try:
            yield raw.decode()
        except UnicodeDecodeError:
            yield raw.decode("cp1252", "replace")


def _break(number: int, fault: str) -> NumberedRow:
    problem = Problem(
        reason="broken-line",
        message=f"line {number} cannot be read: {fault}",
        advice="correct the line in the file; the other lines are read",
    )
    return number, problem


# --- JSONL -------------------------------------------------------------------------------------------------------


def read_json_records(lines: Iterable[Line], check_columns: Callable[[Sequence[str]], None]) -> Iterator[NumberedRow]:
    """One object a line; nested objects become columns such as `address.city`.

    Args:
        lines: The file.
        check_columns: Gets the columns of the first 100 records, since each record may have its own.
    """
    rows = (_parse_json(line) for line in lines if line.text.strip())
    sample = list(itertools.islice(rows, _SAMPLE_RECORDS))
    columns = dict.fromkeys(column for _, row in sample if not isinstance(row, Problem) for column in row)
    if columns:
        check_columns(list(columns))
    yield from itertools.chain(sample, rows)


def _parse_json(line: Line) -> NumberedRow:
    try:
        value = json.loads(line.text)
    except (ValueError, RecursionError) as error:
        fault = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "it is no JSON"
        return _break(line.number, fault)
    if not isinstance(value, dict):
        return _break(line.number, "it is no JSON object")
    return line.number, dict(_flatten(value, ""))


def _flatten(value: dict[str, Any], prefix: str) -> Iterator[tuple[str, object]]:
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _flatten(inner, f"{prefix}{key}.")
        else:
            yield prefix + key, inner


# --- CSV ---------------------------------------------------------------------------------------------------------


def read_csv_records(
    lines: Iterable[Line], delimiter: str | None, check_columns: Callable[[Sequence[str]], None]
) -> Iterator[NumberedRow]:
    """One record a row beneath a header row.

    Args:
        lines: The file.
        delimiter: None: the one of , ; tab | that cuts the first 20 lines most evenly.
        check_columns: Gets the header.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_LINE_CHARACTERS))
    lines = iter(lines)
    sample = list(itertools.islice(lines, _SAMPLE_LINES))
    delimiter = delimiter or find_delimiter([line.text for line in sample if line.text.strip()])
    records = _join_lines(itertools.chain(sample, lines), delimiter)
    _, header = next(records, (0, None))
    if header is None:
        return
    columns = [name.strip() or f"column {position}" for position, name in enumerate(header, start=1)]
    check_columns(columns)
    for number, cells in records:
        yield _name_cells(number, cells, columns)


def find_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that gives most lines as many cells as the first line; the comma when none cuts at all."""

    def score(delimiter: str) -> tuple[int, int]:
        counts = [len(_parse_cells(line, delimiter) or []) for line in lines]
        width = counts[0] if counts else 0
        return (counts.count(width), width) if width > 1 else (0, 0)

    return max(_DELIMITERS, key=score)


def _join_lines(lines: Iterator[Line], delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """Cells of each record; a quote that never closes costs its own line, not the rest of the file."""
    waiting: deque[Line] = deque()
    while line := (waiting.popleft() if waiting else next(lines, None)):
        if not line.text.strip():
            continue
        taken = [line]
        cells = _parse_cells(line.text, delimiter)
        while cells is None and len(taken) <= _MAX_RECORD_LINES:
            following = waiting.popleft() if waiting else next(lines, None)
            if following is None:
                break
            taken.append(following)
            if '"' in following.text:
                cells = _parse_cells("".join(part.text for part in taken), delimiter, joined=True)
        if cells is None:
            waiting.extendleft(reversed(taken[1:]))
        yield line.number, cells


def _parse_cells(text: str, delimiter: str, *, joined: bool = False) -> list[str] | None:
    """The cells of one record; None when a quote is still open, or when joining lines made no sense."""
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        if joined or "unexpected end" in str(error):
            return None
    try:  # a quote in the middle of a cell: read it as it stands
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return None


def _name_cells(number: int, cells: list[str] | None, columns: Sequence[str]) -> NumberedRow:
    if cells is None:
        return _break(number, "a quotation mark is not closed")
    while len(cells) > len(columns) and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) != len(columns):
        return _break(number, f"it has {len(cells)} cells, the header has {len(columns)}")
    return number, dict(zip(columns, cells, strict=True))
