"""What erasure needs of the world: every store that holds text, and the log of what was erased."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from tasks.erasure_models import Certificate, Cleaned, DatasetMark, Subject


class ErasableStore(Protocol):
    """Holds text; erasing twice is erasing once, so that a killed erasure is simply run again."""

    def erase(self, subject: Subject) -> Sequence[Cleaned]:
        """Take the subject's text out; what was taken, each kind with its count.

        Raises:
            BackendUnavailable: The store does not answer; run it again.
            ArtifactCorrupt: Its files are not what was written.
        """


class MarkStore(Protocol):
    """Which datasets may not be used any more, and why."""

    def mark_datasets(self, tenant: str, marks: Sequence[DatasetMark], at: datetime) -> None:
        """Keep marks; a dataset that has one of the kind keeps its first."""

    def replace_narrowed(self, tenant: str, marks: Sequence[DatasetMark], at: datetime) -> None:
        """Let these be the only marks of kind "narrowed"."""

    def list_marks(self, tenant: str) -> dict[str, DatasetMark]:
        """By dataset_id; "erased" wins over "narrowed"."""


class ErasureLog(Protocol):
    """Certificates, oldest first."""

    def add_certificate(self, certificate: Certificate) -> None:
        """Keep one."""

    def list_certificates(self, tenant: str) -> list[Certificate]:
        """Every one of the tenant."""


class AdapterFinder(Protocol):
    """Knows which adapters were trained on what."""

    def find_adapters(self, tenant: str, dataset_ids: Collection[str]) -> list[str]:
        """adapter_ids, ascending, of what was trained on any of the datasets."""
