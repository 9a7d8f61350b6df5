"""How text is erased, and what must not be used any more."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import urlparse

from tasks.curation.erase import erase_from_dataset, find_text
from tasks.curation.snapshot import read_manifest
from tasks.curation_models import Dataset, Pair
from tasks.erasure_models import Certificate, Cleaned, DatasetMark, NotCovered, Subject
from tasks.errors import DatasetRejected
from tasks.integrations.database.erased_texts import DatabaseTexts, HiddenDocuments
from tasks.integrations.database.erasure import DatabaseErasures
from tasks.models import derive_id
from tasks.registry.erase import erase_subject
from tasks.registry.narrow import mark_narrowed
from tasks.registry.trained import TrainedFolders
from tasks.registry_ports import ChampionChange, Move
from tasks.retrieval.erase import IndexedTexts
from tasks.training.train import DatasetContent
from tasks.training_models import AdapterState
from tasks.wiring.curation import Refreshed
from tasks.wiring.training import Training

_LANCE_FILES = NotCovered(
    where="LanceDB's data files: deleted rows are found by no search, but lie in them until they are merged",
    how="stop what runs, remove the folder `index` in EXPERTLOOP_HOME, run: expertloop index rebuild",
)


class Erasure(Training):
    """Subjects, certificates, marks."""

    @cached_property
    def erasures(self) -> DatabaseErasures:
        """What was erased, and which datasets are marked."""
        return DatabaseErasures(self.database)

    def find_subject(self, name: str, *, author: bool = False) -> Subject:
        """Whose text is meant.

        Raises:
            ConfigurationError: No document, or more than one, has the name.
        """
        find = self.erasures.find_author if author else self.erasures.find_document
        return find(self.settings.tenant, name)

    def find_datasets_with(self, subject: Subject) -> list[str]:
        """dataset_ids that hold text of a subject: its pairs, or passages of it beside others' questions."""
        known = self.erasures.find_datasets(subject.pair_ids)
        folders = {
            one.dataset_id: self.settings.home / one.folder for one in self.datasets.list_datasets(subject.tenant)
        }
        pair_ids, document_ids = set(subject.pair_ids), set(subject.document_ids)
        shown = {
            dataset_id
            for dataset_id, folder in folders.items()
            if find_text(folder, pair_ids=pair_ids, document_ids=document_ids)
        }
        return sorted(known | shown)

    def erase(self, subject: Subject) -> Certificate:
        """Erase it everywhere while nobody reads its sources; the certificate says what that reached.

        Raises:
            DeviceBusy: An ingest of one of the sources runs.
            BackendUnavailable, ArtifactCorrupt: A store could not be cleaned; run it again when that is mended.
        """
        now = datetime.now(UTC)
        hidden = HiddenDocuments(self.database)
        collections = [one.collection for one in self.list_contents()]
        with ExitStack() as leases:
            for source in sorted({one.source for one in subject.documents}):
                leases.enter_context(self.hold_source(subject.tenant, source))
            certificate = erase_subject(
                subject,
                [
                    hidden,
                    IndexedTexts(self.index, collections, hidden.list_rows),
                    FrozenTexts(self, now),
                    Scratch(self.settings.home / "tmp"),
                    DatabaseTexts(self.database),
                ],
                marks=self.erasures,
                adapters=self,
                log=self.erasures,
                dataset_ids=self.find_datasets_with(subject),
                also=self._describe_rest(subject),
                now=now,
            )
        self.replace_marked_champions(subject.tenant)
        return certificate

    def tell_marks(self) -> dict[str, str]:
        """Why datasets, and what was trained on them, should not be used any more, by dataset_id."""
        return {name: mark.reason for name, mark in self.erasures.list_marks(self.settings.tenant).items()}

    def find_adapters(self, tenant: str, dataset_ids: Collection[str]) -> list[str]:
        """Registered ones, and those that training left on this machine."""
        registered = {one.adapter_id for one in self.adapters.list_adapters(tenant) if one.dataset_id in dataset_ids}
        return sorted(registered | set(TrainedFolders(self.settings.home).find_adapters(tenant, dataset_ids)))

    def replace_marked_champions(self, tenant: str) -> list[ChampionChange]:
        """With EXPERTLOOP_MARKED_CHAMPION=fall-back: champions that are marked go back to one that is not."""
        if self.settings.marked_champion == "keep":
            return []
        marked = {
            one.adapter_id: one.reason
            for one in self.adapters.list_adapters(tenant)
            if one.state is AdapterState.MARKED
        }
        moves = [
            self.champions.roll_back(
                Move(
                    tenant=tenant,
                    scope=scope,
                    action="fall back",
                    author="expertloop",
                    reason=marked[adapter_id],
                    at=datetime.now(UTC),
                )
            )
            for scope, adapter_id in self.champions.list_champions(tenant).items()
            if adapter_id in marked
        ]
        return [move for move in moves if move]

    def _describe_rest(self, subject: Subject) -> list[NotCovered]:
        rest = [
            NotCovered(where=f"another document with the very same bytes: {uri}", how=f"expertloop erase '{uri}'")
            for uri in self.erasures.find_copies(subject)
        ]
        embedded = urlparse(self.settings.resolved_index_url).scheme == "lancedb"
        return [*rest, _LANCE_FILES] if embedded and subject.documents else rest

    def list_marks(self, tenant: str | None = None) -> dict[str, DatasetMark]:
        """Datasets that must not be trained on, and whose adapters must not be promoted, by dataset_id."""
        return self.erasures.list_marks(tenant or self.settings.tenant)

    def read_dataset(self, dataset_id: str) -> DatasetContent:
        """What is trained on; a marked dataset is not.

        Raises:
            DatasetRejected: Text of it was erased, or its scope may not read all of it any more.
            ConfigurationError, ArtifactCorrupt: See `Training`.
        """
        content = super().read_dataset(dataset_id)
        mark = self.list_marks().get(content.dataset_id)
        if mark is not None:
            raise DatasetRejected(
                f"dataset {content.dataset_id} is marked: {mark.reason}",
                advice="take another snapshot and train on that: expertloop curate snapshot",
            )
        return content

    def refresh_pairs(self, author: str, tenant: str | None = None) -> Refreshed:
        """Also marks the datasets that their scope may not read any more."""
        refreshed = super().refresh_pairs(author, tenant)
        mark_narrowed(tenant or self.settings.tenant, self, self.erasures, now=datetime.now(UTC))
        self.replace_marked_champions(tenant or self.settings.tenant)
        return refreshed

    def list_datasets(self, tenant: str) -> list[Dataset]:
        """Every one of the tenant."""
        return self.datasets.list_datasets(tenant)

    def list_members(self, dataset_id: str) -> list[str]:
        """pair_ids of a dataset, those that are only examined left out."""
        return self.erasures.list_members(dataset_id)

    def read_pairs(self, tenant: str, pair_ids: Sequence[str]) -> list[Pair]:
        """Those of the ids that there are, with who may read them today."""
        return self.pairs.read_pairs(tenant, pair_ids)


class FrozenTexts:
    """The datasets' files as an `ErasableStore`."""

    def __init__(self, app: Erasure, now: datetime) -> None:
        self._app = app
        self._now = now

    def erase(self, subject: Subject) -> Sequence[Cleaned]:
        """Every dataset is looked at: a passage of the subject may stand beside anybody's question."""
        return [
            one for dataset in self._app.datasets.list_datasets(subject.tenant) for one in self._empty(dataset, subject)
        ]

    def _empty(self, dataset: Dataset, subject: Subject) -> Iterator[Cleaned]:
        folder = self._app.settings.home / dataset.folder
        pair_ids, document_ids = set(subject.pair_ids), set(subject.document_ids)
        emptied = erase_from_dataset(folder, pair_ids=pair_ids, document_ids=document_ids, at=self._now.isoformat())
        if not folder.exists():
            return
        # Also when nothing was found: a killed erasure may have written the files alone.
        manifest = read_manifest(folder)
        if manifest.get("erased"):
            self._app.erasures.rewrite_dataset(dataset.dataset_id, manifest)
        if emptied.anything:
            yield Cleaned(store=f"dataset {dataset.dataset_id}", what="pairs", count=emptied.examples)
            yield Cleaned(store=f"dataset {dataset.dataset_id}", what="passages", count=emptied.passages)


class Scratch:
    """Copies that a killed run left, as an `ErasableStore`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def erase(self, subject: Subject) -> Sequence[Cleaned]:
        """The folders of the subject's sources, whose leases we hold."""
        folders = [self._folder / derive_id("scratch", subject.tenant, one.source) for one in subject.documents]
        files = [file for folder in set(folders) for file in folder.rglob("*") if file.is_file()]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        return (Cleaned(store="scratch files", what="files", count=len(files)),) if files else ()
