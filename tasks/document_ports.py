"""What the documents room needs of the world: sources, the partitioner, the manifest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, runtime_checkable

from tasks.abbreviations import Definition
from tasks.models import ChunkedDocument, ListedDocument, PartitionedDocument, PartProblem, Problem, Run, Trust


@runtime_checkable
class Source(Protocol):
    """A place that lists documents and opens them; it interprets nothing."""

    @property
    def name(self) -> str:
        """Unique within a tenant; part of every document_id."""

    @property
    def trust(self) -> Trust:
        """How far its documents are believed."""

    def list_documents(self) -> Iterator[ListedDocument]:
        """Stream the listing, in any order, never holding all of it.

        Raises:
            BackendUnavailable: The listing is not complete; nothing may be pruned after it.
            ConfigurationError: The source does not exist or may not be read.
        """

    def open_document(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open the content of one listed document for reading.

        Raises:
            DocumentRejected: It vanished or may not be read.
            BackendUnavailable: The store does not answer.
        """


class PartitionJob(NamedTuple):
    """One file to partition, already copied to local disk."""

    key: str
    file: Path
    file_name: str
    language: str | None


NEEDS = "needs-"
"""How a reason begins that a program would overcome, whose name follows."""


class PartitionOutcome(NamedTuple):
    """Exactly one of `document` and `problem` is set."""

    key: str
    document: PartitionedDocument | None
    problem: Problem | None


class Partitioner(Protocol):
    """Turns files into elements, each in a worker process with limits."""

    @property
    def fingerprint(self) -> str:
        """Changes when the same file would give other elements."""

    @property
    def capabilities(self) -> str:
        """Changes when a file that failed might be readable now (a program was installed, a limit raised)."""

    @property
    def supplied(self) -> frozenset[str]:
        """Reasons for unread parts that hold no more: `needs-…` of each program that is there."""

    def partition_documents(self, jobs: Iterable[PartitionJob]) -> Iterator[PartitionOutcome]:
        """Yield one outcome a job, in any order; a file that hangs, crashes or eats memory is only its own problem."""


class Known(NamedTuple):
    """What the database remembers of a listed document."""

    state: str
    content_hash: str | None
    seen_hash: str | None
    read_fingerprint: str | None
    read_capabilities: str | None
    live_version_id: str | None
    has_current: bool


class Candidate(NamedTuple):
    """A listed document that must be looked at; `known` is None when it was never seen."""

    document_id: str
    listed: ListedDocument
    known: Known | None


class NewVersion(NamedTuple):
    """A document's content as one pipeline read it, ready to be written."""

    version_id: str
    document_id: str
    content_hash: str
    fingerprint: str
    document: ChunkedDocument
    document_type: str
    modified: datetime | None
    groups: tuple[str, ...]
    embedding_keys: tuple[str, ...]
    copied_from: str | None = None
    wants: str = ""
    """Reasons `needs-…` for which parts of it were not read, in order; empty: with their programs it is the same."""


class Reading(NamedTuple):
    """What became of one candidate; `outcome` is a word of the ledger."""

    document_id: str
    outcome: str
    content_hash: str | None = None
    problem: Problem | None = None
    part_problems: tuple[PartProblem, ...] = ()
    versions: tuple[NewVersion, ...] = ()
    reprocess: bool = False
    renamed_from: str | None = None


class Gone(NamedTuple):
    """Live documents of a source that its complete listing does not name."""

    live: int
    gone: int


class UnlearntText(NamedTuple):
    """A version's text whose definitions are not known yet."""

    version_id: str
    text: str


class DefinitionStore(Protocol):
    """What documents say that abbreviations stand for; it lives and dies with its version."""

    def find_unlearnt(self, run: Run, rules_version: int) -> Iterator[list[UnlearntText]]:
        """Pages of the source's indexed versions that were not read by these rules."""

    def write_definitions(self, run: Run, learnt: Mapping[str, Sequence[Definition]], rules_version: int) -> None:
        """Replace the definitions of each version_id; the rules stand beside them."""


class Manifest(Protocol):
    """The database's memory of sources; every write checks the run's lease and is one commit."""

    def add_listing(self, run: Run, documents: Sequence[ListedDocument]) -> None:
        """Write a part of the listing; a path listed twice becomes a second, quarantined entry."""

    def compare_listing(self, run: Run, *, capabilities: str, supplied: frozenset[str], batch_documents: int) -> int:
        """Settle what needs no reading, take over new readers, number the rest in batches; returns their count.

        Args:
            run: Of the source.
            capabilities: Of the partitioner; what was tried under the same is not tried again.
            supplied: Of the partitioner; what has parts that were unread for want of one of these is read again.
            batch_documents: At most so many in a batch.
        """

    def read_candidates(self, run: Run, batch: int, *, capabilities: str, supplied: frozenset[str]) -> list[Candidate]:
        """The candidates of one batch that have no outcome yet."""

    def find_renamed(self, run: Run, content_hash: str, *, claimed: Collection[str]) -> tuple[str, str] | None:
        """(document_id, version_id) of a live document with this content whose path is gone, claimed by no other."""

    def copy_version(self, version_id: str, *, document_id: str, listed: ListedDocument) -> NewVersion:
        """A live version under a new document_id."""

    def record_readings(self, run: Run, readings: Sequence[Reading]) -> None:
        """Write versions (not visible yet) and outcomes."""

    def publish_batch(self, run: Run, batch: int, *, capabilities: str) -> list[str]:
        """The commit that readers see: move live versions, states, readers, problems of one batch.

        Returns version_ids that must be indexed first, after another run's flip; nothing was published then.
        """

    def count_gone(self, run: Run) -> Gone:
        """How many live documents the listing does not name, renamed ones left out."""

    def remove_gone(self, run: Run) -> int:
        """Remove them from sight, and forget unlisted quarantined ones; returns how many were live."""
