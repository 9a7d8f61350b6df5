"""A row becomes a text: shared by SQL queries and files of records.

A row's document is UTF-8 named `KEY.record`: its title, an empty line, its text. The texts of one listing wait in a
private temporary database, so that what is opened is what was listed, a key that comes twice is seen, and memory does
not grow with the rows.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import BinaryIO, NamedTuple, Protocol
from urllib.parse import quote

from tasks.errors import ConfigurationError
from tasks.integrations.listing import VANISHED, reject_document
from tasks.integrations.overview import TableOverview
from tasks.integrations.row_spool import RowSpool
from tasks.integrations.row_values import format_value, read_time
from tasks.models import EVERYONE, ListedDocument, Problem, Trust
from tasks.source_models import RowsBase, split_template, template_columns

logger = logging.getLogger(__name__)

RECORD_SUFFIX = ".record"

NO_KEY = Problem(
    reason="no-key",
    message="the row has no value in a key column, so nothing tells it from others",
    advice="fill the key column, or name another one in 'key'",
)
DOUBLE_KEY = Problem(
    reason="duplicate-key",
    message="an earlier row has the same key; only the first is read",
    advice="make the key unique: correct the row, or name more columns in 'key'",
)

GROUPS_UNREADABLE = Problem(
    reason="groups-unreadable",
    message="the cell that names its readers is no list of names, so nobody may read it",
    advice="write names or numbers of groups into that cell: hr, service",
)
_NO_NAMES = (bool, bytes, bytearray, memoryview, dict, list, tuple)

Row = Mapping[str, object]


class RowDocument(NamedTuple):
    """One row as a text."""

    key: str | None
    title: str
    text: str
    groups: tuple[str, ...]
    """Nobody where there is a problem."""
    modified: datetime | None
    problem: Problem | None = None
    """Why nobody may read it."""

    @property
    def content(self) -> bytes:
        """What `open_document` gives."""
        return make_record(self.title, self.text)


def make_record(title: str, text: str) -> bytes:
    """The content of a `.record`: title, empty line, text."""
    return f"{title}\n\n{text}\n".encode("utf-8", "replace")


class RowRenderer:
    """Turns rows of one source into documents.

    Args:
        config: The source; its columns are checked by `check_columns` before the first row.
    """

    def __init__(self, config: RowsBase, key: Sequence[str]) -> None:
        self._config = config
        self._key = tuple(key)
        self._title = split_template(config.title) if config.title else None
        self._lines = [split_template(line) for line in config.template.splitlines()] if config.template else None

    def check_columns(self, columns: Sequence[str]) -> None:
        """Compare the columns that the configuration names with those that there are.

        Raises:
            ConfigurationError: All that are missing, or that are there twice.
        """
        named = [
            *self._key,
            *template_columns(self._config.title or ""),
            *template_columns(self._config.template or ""),
        ]
        named += filter(None, (self._config.modified_column, self._config.groups_column))
        missing = [column for column in dict.fromkeys(named) if column not in columns]
        double = sorted({column for column in columns if columns.count(column) > 1})
        if missing:
            raise ConfigurationError(
                f"source {self._config.name}: no column is called {', '.join(missing)}",
                advice=f"the columns are: {', '.join(columns)}",
            )
        if double:
            raise ConfigurationError(
                f"source {self._config.name}: several columns are called {', '.join(double)}",
                advice="give each column its own name (in a query: AS name)",
            )

    def render(self, row: Row) -> RowDocument:
        """The document of one row."""
        values = {column: format_value(value, self._config.language) for column, value in row.items()}
        parts = [quote(values.get(column, ""), safe="") for column in self._key]
        key = "/".join(parts) if all(parts) else None
        if self._title:
            title = _fill(self._title, values)
        else:
            title = " ".join([self._config.name, *(values.get(column, "") for column in self._key)])
        groups = self._read_groups(row)
        return RowDocument(
            key=key,
            title=" ".join(title.split()),
            text=self._fill_lines(values) if self._lines is not None else self._list_columns(values),
            groups=groups or (),
            modified=read_time(row.get(self._config.modified_column)) if self._config.modified_column else None,
            problem=None if groups else GROUPS_UNREADABLE,
        )

    def _fill_lines(self, values: Mapping[str, str]) -> str:
        lines = []
        for parts in self._lines or []:
            columns = [column for _, column in parts if column is not None]
            # A line that speaks only of columns without a value would be half a sentence.
            if not columns or any(values.get(column) for column in columns):
                lines.append(_fill(parts, values))
        return "\n".join(lines).strip()

    def _list_columns(self, values: Mapping[str, str]) -> str:
        shown = {column: value for column, value in values.items() if value and column != self._config.groups_column}
        return "\n".join(f"{column}: {value}" for column, value in shown.items())

    def _read_groups(self, row: Row) -> tuple[str, ...] | None:
        """Those of the row, of the source where its cell is empty, None where the cell is no list of names."""
        column = self._config.groups_column
        cell = row.get(column) if column else None
        if column and cell is None and any(name.startswith(f"{column}.") for name in row):
            return None  # an object, whose fields are columns
        if isinstance(cell, str):
            cell = cell.replace(";", ",").split(",")
        cells = cell if isinstance(cell, list | tuple | set | frozenset) else [cell]
        if any(isinstance(one, _NO_NAMES) for one in cells):
            return None
        names = (format_value(one).strip() for one in cells)
        return tuple(dict.fromkeys(filter(None, names))) or self._config.groups


def _fill(parts: Sequence[tuple[str, str | None]], values: Mapping[str, str]) -> str:
    return "".join(literal + (values.get(column, "") if column else "") for literal, column in parts)


class RowReader(Protocol):
    """Where rows come from; `RowsSource` does the rest."""

    @property
    def unit(self) -> str:
        """What a row's number is called: "row" or "line"."""

    def find_key(self) -> tuple[str, ...]:
        """The columns that name a row."""

    def make_uri(self, path: str) -> str:
        """Where a person finds the row."""

    def read_rows(self, check_columns: Callable[[Sequence[str]], None]) -> Iterator[tuple[int, Row | Problem]]:
        """Stream (number, row or why it cannot be read); the columns are checked before the first row."""

    def read_tables(self) -> Iterator[tuple[str, Iterator[Row]]]:
        """Further tables that only get an overview: name and rows."""


class RowsSource:
    """Implements the port `Source` over a reader of rows."""

    def __init__(self, config: RowsBase, reader: RowReader) -> None:
        self._config = config
        self._reader = reader
        self._spool: RowSpool | None = None
        self._complete = False

    @property
    def name(self) -> str:
        """The source's name."""
        return self._config.name

    @property
    def trust(self) -> Trust:
        """How far its documents are believed."""
        return self._config.trust

    def list_documents(self) -> Iterator[ListedDocument]:
        """Stream one document a row, then the overviews.

        Raises:
            BackendUnavailable: The rows ended before the end; nothing may be pruned.
            ConfigurationError: The source, a column or the query is wrong.
        """
        renderer = RowRenderer(self._config, self._reader.find_key())
        overview = TableOverview(
            self._config.name, self._config.language, self._config.units, hidden=self._config.groups_column
        )
        readers = _CommonReaders()
        spool, self._complete = RowSpool(), False
        self._spool = spool
        for number, row in self._reader.read_rows(renderer.check_columns):
            if isinstance(row, Problem):
                yield self._describe_problem(f"@{self._reader.unit}-{number}", row)
                continue
            document = renderer.render(row)
            overview.add_row(row, document.title)
            readers.add(document.groups)
            yield self._describe_row(document, number, spool)
        if self._config.overview:
            yield from self._describe_overview("@overview", overview, readers.find(self._config.groups), spool)
        for table, rows in self._reader.read_tables():
            yield from self._describe_table(table, rows, spool)
        self._complete = True

    @contextmanager
    def open_document(self, path: str) -> Iterator[BinaryIO]:
        """Open the text that the latest listing of this object made; it lists first when it has not yet.

        Raises:
            DocumentRejected: The row is not there any more.
            BackendUnavailable: The rows cannot be read.
        """
        content = self._spool.read(path) if self._spool else None
        if content is None and not self._complete:
            for _ in self.list_documents():
                pass
            content = self._spool.read(path) if self._spool else None
        if content is None:
            raise reject_document(path, VANISHED)
        with io.BytesIO(content) as stream:
            yield stream

    def _describe_row(self, document: RowDocument, number: int, spool: RowSpool) -> ListedDocument:
        if document.key is None:
            return self._describe_problem(f"@{self._reader.unit}-{number}", NO_KEY)
        if document.problem:
            return self._describe_problem(document.key, document.problem, groups=())
        content = document.content
        if not spool.add(document.key, content):
            return self._describe_problem(f"{document.key}@{self._reader.unit}-{number}", DOUBLE_KEY)
        return self._list(document.key, document.title, content, document.groups, document.modified)

    def _describe_overview(
        self, path: str, overview: TableOverview, groups: tuple[str, ...], spool: RowSpool
    ) -> Iterator[ListedDocument]:
        if not groups:
            logger.warning("overview left out source=%s reason=%s", self.name, "nobody may read every row")
            return
        content = make_record(overview.title, overview.describe())
        spool.add(path, content)
        yield self._list(path, overview.title, content, groups, None)

    def _describe_table(self, table: str, rows: Iterator[Row], spool: RowSpool) -> Iterator[ListedDocument]:
        overview = TableOverview(table, self._config.language, self._config.units)
        for row in rows:
            overview.add_row(row, format_value(next(iter(row.values()), None), self._config.language))
        yield from self._describe_overview(f"@overview/{quote(table, safe='')}", overview, self._config.groups, spool)

    def _describe_problem(
        self, path: str, problem: Problem, *, groups: tuple[str, ...] | None = None
    ) -> ListedDocument:
        return ListedDocument(
            path=path,
            uri=self._reader.make_uri(path),
            file_name=path + RECORD_SUFFIX,
            groups=self._config.groups if groups is None else groups,
            language=self._config.language,
            problem=problem,
        )

    def _list(
        self, path: str, title: str, content: bytes, groups: tuple[str, ...], modified: datetime | None
    ) -> ListedDocument:
        return ListedDocument(
            path=path,
            uri=self._reader.make_uri(path),
            file_name=path.rpartition("/")[2] + RECORD_SUFFIX,
            size_bytes=len(content),
            modified=modified,
            etag=hashlib.sha256(content).hexdigest(),
            title=title,
            groups=groups,
            language=self._config.language,
        )


class _CommonReaders:
    """Who may read every row: the intersection of the rows' readers, `everyone` being all of them."""

    def __init__(self) -> None:
        self._common: frozenset[str] | None = None

    def add(self, groups: tuple[str, ...]) -> None:
        if EVERYONE not in groups:
            self._common = frozenset(groups) if self._common is None else self._common & frozenset(groups)

    def find(self, default: tuple[str, ...]) -> tuple[str, ...]:
        """The common readers, sorted; the default when no row is restricted."""
        return default if self._common is None else tuple(sorted(self._common))
