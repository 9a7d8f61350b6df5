"""What the curation room needs of the world: pairs, quoted documents, splits, datasets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.curation_models import CitedDocument, Correction, Dataset, Evidence, Pair, PairState, Split
from tasks.models import Chunk, Hit, Passage
from tasks.ports import Vectors


class IndexedPair(NamedTuple):
    """A pair with what alike pairs are found by."""

    pair: Pair
    bands: tuple[int, ...]
    vector: NDArray[np.float32] | None = None
    embedder: str | None = None


class Asked(NamedTuple):
    """A question, and the bands by which alike ones are found."""

    question: str
    bands: tuple[int, ...]


class Rival(NamedTuple):
    """What another pair says, as far as it is compared."""

    pair_id: str
    question: str
    answer: str
    language: str


class PairStore(Protocol):
    """The database's memory of pairs; every write is one commit. What people may read of them is joined in fresh."""

    def write_pairs(self, pairs: Sequence[IndexedPair]) -> None:
        """Write pairs with their evidence, replacing those of the same id."""

    def find_known(self, tenant: str, pairs: Sequence[Pair]) -> dict[str, Pair]:
        """Stored pairs by the pair_id of the given one that is the same: by id, or by what it says today."""

    def find_alike(self, tenant: str, asked: Sequence[Asked]) -> list[list[Rival]]:
        """For each question pairs, rejected ones left out, that may ask nearly the same; a few dozen at most."""

    def read_vectors(self, tenant: str, embedder: str) -> Iterator[tuple[list[str], Vectors]]:
        """Ids and [n x d] question vectors of the pairs that are not rejected, in order of id, a page at a time."""

    def read_rivals(self, tenant: str, pair_ids: Collection[str]) -> dict[str, Rival]:
        """Those of the ids that are not rejected, by id."""

    def read_pairs(self, tenant: str, pair_ids: Sequence[str]) -> list[Pair]:
        """Those of the ids that there are, in order of id."""

    def find_pair(self, tenant: str, name: str) -> Pair:
        """The pair of an id or of its unique beginning.

        Raises:
            ConfigurationError: There is none, or more than one.
        """

    def list_pairs(self, tenant: str, states: Collection[PairState] | None = None) -> Iterator[Pair]:
        """Every pair in these states, oldest first, streamed."""

    def change_pair(self, tenant: str, pair_id: str, change: Callable[[Pair], IndexedPair]) -> Pair:
        """Read, change and write one pair with nobody in between."""

    def find_moved(self, tenant: str, *, after: str = "") -> list[str]:
        """A page of pair_ids, ascending, that quote documents with other versions or readers than last looked at."""

    def count_states(self, tenant: str) -> dict[str, int]:
        """How many pairs are in which state."""


class Place(NamedTuple):
    """A character of a document's version."""

    version_id: str
    start: int


class CitedDocuments(Protocol):
    """The documents that pairs quote, as curators see them: all of the tenant's live ones."""

    def find_documents(self, tenant: str, name: str) -> list[str]:
        """document_ids of the live documents with this id, uri, path, file name or title, best kind of match only."""

    def read_documents(self, tenant: str, document_ids: Sequence[str]) -> dict[str, CitedDocument]:
        """The live ones with their texts, by id."""

    def find_places(self, places: Collection[Place]) -> dict[Place, Chunk]:
        """The chunks that hold these characters, by place."""

    def list_chunks(self, tenant: str) -> Iterator[tuple[str, Chunk]]:
        """Every live chunk with its document_id, by document and position, streamed."""

    def list_live(self, tenant: str) -> list[str]:
        """Every live document_id, in order."""

    def list_principals(self, tenant: str) -> frozenset[str]:
        """Everyone who may read anything: what a curator reads as."""


class SupportChecker(Protocol):
    """Judges whether quoted spans say what an answer says; `tasks.answering` knows how."""

    def find_unsupported(self, pair: Pair, places: Sequence[Passage]) -> list[str]:
        """The answer's claims that none of the quoted spans carries.

        Args:
            places: One a located span, its chunk's text being the span.
        """

    def propose_evidence(self, pair: Pair, hits: Sequence[Hit]) -> list[Evidence]:
        """The spans of found passages that carry the answer best; none where nothing does."""


class RawRow(NamedTuple):
    """A row of a file of pairs as it stands there; `fault` says why it could not even be read."""

    number: int
    fields: Mapping[str, Any]
    fault: str = ""


class NameFinder(Protocol):
    """Finds names of people."""

    def find_names(self, texts: Sequence[str]) -> list[list[str]]:
        """Names in each text."""


class CorrectionLog(Protocol):
    """What readers of answers wrote back."""

    def list_corrections(self, tenant: str) -> Iterator[Correction]:
        """Every right answer that a reader wrote, in order of time."""


class SplitStore(Protocol):
    """Which split each document belongs to: assigned once, never changed."""

    def read_splits(self, tenant: str) -> dict[str, Split]:
        """By document_id."""

    def find_by_text(self, tenant: str, text_hash: str) -> Split | None:
        """The split of a document with this text, gone ones included."""

    def assign(self, tenant: str, splits: Mapping[str, tuple[Split, str]]) -> None:
        """Keep (split, text_hash) by document_id; those that have one keep it."""


class DatasetStore(Protocol):
    """The database's memory of snapshots."""

    def add_dataset(self, dataset: Dataset, manifest: Mapping[str, Any], pairs: Mapping[str, Split]) -> Dataset:
        """Keep one; the same one twice is one. Returns what is kept, with the time of its first snapshot."""

    def list_datasets(self, tenant: str) -> list[Dataset]:
        """Every one, the newest first."""

    def find_dataset(self, tenant: str, name: str) -> Dataset:
        """The one of an id or of its unique beginning.

        Raises:
            ConfigurationError: There is none, or more than one.
        """
