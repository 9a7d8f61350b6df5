"""A desk over a real database and fakes of what is outside: what curation's tests work at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.answering.pair_support import PairSupport
from tasks.curation.checks import CheckOptions
from tasks.curation.collect import Importer, ImportOptions
from tasks.curation.desk import CurationPorts, Desk
from tasks.curation_models import ImportSummary, Pair, ReportLine
from tasks.curation_ports import RawRow
from tasks.integrations.database.cited import DatabaseCited
from tasks.integrations.database.engine import Database
from tasks.integrations.database.pairs import DatabasePairs
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.searcher import FakeSearcher


class FakeNames:
    """Knows one person."""

    def find_names(self, texts: Sequence[str]) -> list[list[str]]:
        return [["Ada Byron"] if "Ada Byron" in text else [] for text in texts]


class CuratedWorld:
    """A desk over a real database and fakes of what is outside."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.pairs = DatabasePairs(database)
        self.searcher = FakeSearcher({})
        self.embedder = FakeEmbedder(dimension=256)

    def open_desk(self) -> Desk:
        ports = CurationPorts(
            pairs=self.pairs,
            cited=DatabaseCited(self.database),
            searcher=self.searcher,
            support=PairSupport(),
            names=FakeNames(),
            embedder=self.embedder,
        )
        return Desk("default", ports, CheckOptions())

    def import_rows(
        self, *rows: dict[str, Any], day: int = 1, **options: Any
    ) -> tuple[ImportSummary, list[ReportLine]]:
        """As a file of these rows, on a day of its own."""
        chosen = ImportOptions("anna", datetime(2026, 6, day, tzinfo=UTC), {})._replace(**options)
        raw = [RawRow(number, row) for number, row in enumerate(rows, start=1)]
        summary, lines = ImportSummary(), []
        for progress in Importer(self.open_desk(), chosen).import_rows(raw):
            summary = progress.summary
            lines += progress.lines
        return summary, lines

    def only_pair(self) -> Pair:
        """The one there is."""
        (pair,) = self.pairs.list_pairs("default")
        return pair
