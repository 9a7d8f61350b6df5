"""What is outside, as Protocols: sources, partitioners, embedders, vector stores, generators, the database.

Implementations live in `tasks/integrations`; `tasks/wiring.py` chooses them; tests pass fakes. Letters in shapes:
n texts, d dimensions. Every method may raise the errors of `tasks.errors` and no vendor's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tasks.models import (
    CollectionSpec,
    EmbedderIdentity,
    Generation,
    Hit,
    ListedDocument,
    Message,
    PartitionedDocument,
    Passage,
    Problem,
    Question,
    SearchFilter,
)

Vectors = NDArray[np.float32]
"""[n x d], rows L2-normalised unless said otherwise."""


# --- documents ---------------------------------------------------------------------------------------------------


@runtime_checkable
class Source(Protocol):
    """A place that lists documents and opens them; it interprets nothing."""

    @property
    def name(self) -> str:
        """Unique within a tenant; part of every document_id."""

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

    def partition_documents(self, jobs: Iterable[PartitionJob]) -> Iterator[PartitionOutcome]:
        """Yield one outcome a job, in any order; a file that hangs, crashes or eats memory is only its own problem."""


# --- embedding and the vector store ------------------------------------------------------------------------------


class TokenCounter(Protocol):
    """Measures text in an encoder's own tokens."""

    @property
    def max_tokens(self) -> int:
        """Longest text the encoder reads whole."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included."""


class Embedder(TokenCounter, Protocol):
    """Text to vectors; queries and documents may be embedded differently."""

    @property
    def identity(self) -> EmbedderIdentity:
        """What must be equal for two vectors to be comparable."""

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """[n x d], in the order of `texts`."""

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """[n x d], in the order of `questions`; a dot product with a document's vector is the similarity."""


class IndexRow(NamedTuple):
    """One chunk in the vector store: nothing here is the truth, all of it can be rebuilt."""

    chunk_id: str
    document_id: str
    tenant: str
    vector: NDArray[np.float32]
    keywords: str
    source: str
    language: str
    document_type: str
    modified: datetime | None
    readers: tuple[str, ...]


class IndexQuery(NamedTuple):
    """One hybrid query, already embedded and analysed.

    `alpha` weighs the fused score: alpha * dense + (1 - alpha) * keyword, each min-max scaled over its own candidates.
    """

    tenant: str
    principals: frozenset[str]
    vector: NDArray[np.float32]
    keywords: str
    alpha: float
    limit: int
    filter: SearchFilter = SearchFilter()


class IndexHit(NamedTuple):
    """One candidate from the vector store, best first."""

    chunk_id: str
    score: float
    dense_score: float | None
    keyword_score: float | None


class VectorIndex(Protocol):
    """A vector store with keyword search: a cache of the database (rule 1).

    Writing the same rows twice equals writing them once. Every filter is pushed down to the store.
    """

    def ensure_collection(self, collection: CollectionSpec) -> None:
        """Create it when it is not there.

        Raises:
            ConfigurationError: It is there with another dimension.
        """

    def drop_collection(self, collection: str) -> None:
        """Remove it with all rows; nothing happens when it is not there."""

    def upsert_rows(self, collection: str, rows: Sequence[IndexRow]) -> None:
        """Write all rows, or raise; rows with a known chunk_id replace it."""

    def delete_rows(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> None:
        """Remove rows; unknown ids are ignored."""

    def set_readers(self, collection: str, tenant: str, readers: Mapping[str, Sequence[str]]) -> None:
        """Replace the readers of all rows of each document_id, without touching vectors."""

    def search_rows(self, collection: str, queries: Sequence[IndexQuery]) -> list[list[IndexHit]]:
        """The best `limit` rows of each query, hybrid; an empty keyword string means dense only."""

    def fetch_vectors(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Stored vectors by chunk_id; missing ids are left out."""

    def list_chunk_ids(self, collection: str, tenant: str) -> Iterator[str]:
        """Every chunk_id of the tenant, streamed."""

    def optimize(self, collection: str) -> None:
        """Fold recent writes into the store's own indexes; searches are right without it, only slower."""


class PassageReader(Protocol):
    """The database's side of a search: what is live and readable at this moment."""

    def read_passages(
        self, tenant: str, chunk_ids: Sequence[str], principals: frozenset[str]
    ) -> dict[str, Passage]:
        """The passages of live versions that one of the principals may read, by chunk_id; all others are left out."""

    def read_neighbours(
        self, tenant: str, version_id: str, positions: Sequence[int], principals: frozenset[str]
    ) -> dict[int, Passage]:
        """Passages of one live version by position, under the same conditions."""

    def read_text(self, tenant: str, document_id: str, principals: frozenset[str]) -> str | None:
        """The text of the live version, or None where there is none that they may read."""


class Reranker(Protocol):
    """Scores passages against a question, both read together."""

    @property
    def name(self) -> str:
        """Shown in an answer's versions."""

    def score_passages(self, question: str, passages: Sequence[str]) -> list[float]:
        """One score a passage, higher is better."""


class Searcher(Protocol):
    """Finds passages for questions; what answering needs of retrieval."""

    def search(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        """The hits of each question, best first, readable by the asker at this moment."""


class Generator(Protocol):
    """A language model that answers chat messages."""

    @property
    def identity(self) -> str:
        """Model, revision and adapter, shown in an answer's versions."""

    @property
    def context_tokens(self) -> int:
        """Longest prompt plus answer it takes."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text in the generator's own tokens."""

    def generate(self, prompts: Sequence[Sequence[Message]], *, max_tokens: int) -> list[Generation]:
        """One generation a prompt, greedy.

        Raises:
            BackendUnavailable, RateLimited: An endpoint does not answer or asks for patience.
            ConfigurationError: The model cannot be loaded, or refuses the request.
        """
