"""What experts work with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from tasks.answering.pair_support import PairSupport
from tasks.curation.checks import CheckOptions
from tasks.curation.corrections import collect_corrections
from tasks.curation.desk import CurationPorts, Desk
from tasks.curation.review import Editor, reanchor_pairs
from tasks.curation.snapshot import Snapshot, SnapshotOptions, take_snapshot
from tasks.curation.split import SplitShares
from tasks.curation_ports import RawRow
from tasks.integrations.database.cited import DatabaseCited
from tasks.integrations.database.datasets import DatabaseDatasets, DatabaseSplits
from tasks.integrations.database.pairs import DatabasePairs
from tasks.integrations.database.served import DatabaseServedLog
from tasks.models import EmbedderSpec
from tasks.ports import Embedder
from tasks.wiring.answering import Answering
from tasks.wiring.spaces import PACKAGED_EMBEDDERS


class Refreshed(NamedTuple):
    """What changed documents and readers' corrections did to the pairs."""

    stale: int
    corrections: int


class Curation(Answering):
    """Pairs, splits, datasets."""

    @cached_property
    def pairs(self) -> DatabasePairs:
        """What experts stand for."""
        return DatabasePairs(self.database)

    @cached_property
    def splits(self) -> DatabaseSplits:
        """What each document's pairs are used for."""
        return DatabaseSplits(self.database)

    @cached_property
    def datasets(self) -> DatabaseDatasets:
        """Frozen pairs."""
        return DatabaseDatasets(self.database)

    @cached_property
    def served(self) -> DatabaseServedLog:
        """What the server did for whom, and what readers wrote about it."""
        return DatabaseServedLog(self.database)

    def read_pair_file(self, file: Path) -> Iterator[RawRow]:
        """Rows of a file of pairs, streamed."""
        from tasks.integrations.pair_files import read_rows

        return read_rows(file)

    def write_pair_file(self, file: Path, rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> int:
        """Write rows in the format of the name's end; returns how many."""
        from tasks.integrations.pair_files import write_rows

        return write_rows(file, rows, columns)

    def likeness_embedder(self) -> Embedder:
        """Tells whether two texts mean the same, in two languages, too: the multilingual one of those packaged."""
        spec = self.serving_pipeline() or self.current_pipeline()
        packaged = spec.embedder_spec.name in PACKAGED_EMBEDDERS
        return self.embedder(EmbedderSpec(name="use") if packaged else spec.embedder_spec)

    def open_desk(self, tenant: str | None = None) -> Desk:
        """Where a tenant's pairs are looked at; for one command, since it remembers documents."""
        from tasks.integrations.spacy_names import SpacyNames

        ports = CurationPorts(
            pairs=self.pairs,
            cited=DatabaseCited(self.database),
            searcher=self.searcher,
            support=PairSupport(),
            names=SpacyNames(),
            embedder=self.likeness_embedder(),
        )
        return Desk(tenant or self.settings.tenant, ports, CheckOptions())

    def refresh_pairs(self, author: str, tenant: str | None = None) -> Refreshed:
        """Let changed documents and readers' corrections have their effect; nothing happens when there are none."""
        tenant, now = tenant or self.settings.tenant, datetime.now(UTC)
        stale = corrected = 0
        if self.pairs.find_moved(tenant):
            stale = reanchor_pairs(self.open_desk(tenant), Editor(author, now))["stale"]
        corrections = list(self.served.list_corrections(tenant))
        if corrections:
            corrected = collect_corrections(self.open_desk(tenant), corrections, now=now)
        return Refreshed(stale, corrected)

    def freeze_pairs(
        self, scope: str, *, tenant: str | None = None, report: Callable[[str], None] = lambda _: None
    ) -> Snapshot:
        """A dataset of the approved pairs that everyone of the scope may read.

        Raises:
            DatasetRejected: There are no approved pairs, or all of them rest on one document.
            BackendUnavailable: The files cannot be written.
        """
        settings = self.settings
        options = SnapshotOptions(
            scope=scope,
            passages=settings.answer_passages + settings.distractor_passages,
            shares=SplitShares(validation=settings.validation_share, test=settings.test_share),
        )
        pipeline = self.serving_pipeline()
        facts = {
            "collection": pipeline.collection.name if pipeline else "none",
            "likeness": self.likeness_embedder().identity.name,
            "expertloop": version("expertloop"),
        }
        return take_snapshot(
            self.open_desk(tenant),
            self.splits,
            self.datasets,
            home=settings.home,
            options=options,
            facts=facts,
            now=datetime.now(UTC),
            report=report,
        )
