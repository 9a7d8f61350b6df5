"""What experts work with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.answering.pair_support import PairSupport
from tasks.curation.checks import CheckOptions
from tasks.curation.desk import CurationPorts, Desk
from tasks.curation_ports import RawRow
from tasks.integrations.database.cited import DatabaseCited
from tasks.integrations.database.datasets import DatabaseDatasets, DatabaseSplits
from tasks.integrations.database.pairs import DatabasePairs
from tasks.models import EmbedderSpec
from tasks.ports import Embedder
from tasks.wiring.answering import Answering
from tasks.wiring.spaces import PACKAGED_EMBEDDERS


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
