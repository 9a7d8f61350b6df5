"""What is outside, as Protocols: embedders, vector stores, passages, search, generators.

What one room alone needs stands in `document_ports`, `curation_ports`, `evaluation_ports` and `access_ports`.
Implementations live in `tasks/integrations`; `tasks/wiring` chooses them; tests pass fakes. Letters in shapes: n texts,
d dimensions. Every method may raise the errors of `tasks.errors` and no vendor's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tasks.abbreviations import Meaning
from tasks.answer_models import Citation, Generation, Message, Question
from tasks.models import Chunk, CollectionSpec, EmbedderIdentity, Hit, Passage, Run, SearchFilter

Vectors = NDArray[np.float32]
"""[n x d], rows L2-normalised unless said otherwise."""


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
    At 0 the vectors are not asked, at 1 the keywords are not.
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

    Writing the same rows twice equals writing them once; a chunk_id is unique across tenants. Every filter is pushed
    down to the store: `modified_after` is inclusive, `modified_before` exclusive, undated rows pass neither; no
    principals find nothing. A collection that does not exist is a `ConfigurationError`, except for `drop_collection`.
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


class IndexedChunk(NamedTuple):
    """A chunk with its id and the sha256 of its embedded text."""

    chunk_id: str
    embedding_key: str
    chunk: Chunk


class StoredVersion(NamedTuple):
    """A version as the database holds it, with what the vector store needs of it."""

    version_id: str
    document_id: str
    tenant: str
    source: str
    fingerprint: str
    title: str
    document_type: str
    modified: datetime | None
    groups: tuple[str, ...]
    copied_from: str | None
    chunks: tuple[IndexedChunk, ...]


class Superseded(NamedTuple):
    """A version to be swept, and where its chunks are."""

    version_id: str
    fingerprint: str
    chunk_ids: list[str]
    summary_ids: list[str]


class VersionReader(Protocol):
    """What the vector store holds of versions."""

    def read_versions(self, version_ids: Sequence[str]) -> list[StoredVersion]:
        """Versions with their chunks in order of position; unknown ids are left out."""


class VersionStore(VersionReader, Protocol):
    """Versions on their way into the vector store and out of it."""

    def mark_ready(self, run: Run, version_ids: Sequence[str]) -> None:
        """Their chunks are in the vector store."""

    def find_unindexed(self, run: Run, batch: int | None) -> list[str]:
        """version_ids in state "writing" of one batch; of the whole source when batch is None."""

    def find_superseded(self, run: Run) -> Iterator[list[Superseded]]:
        """Pages of this source's versions that nobody sees or will see."""

    def mark_swept(self, run: Run, version_ids: Sequence[str]) -> None:
        """Their rows left the vector store."""

    def read_stale_readers(self, run: Run) -> dict[str, tuple[str, ...]]:
        """Readers by document_id of documents whose vector rows still carry the former ones."""

    def mark_readers_written(self, run: Run, document_ids: Sequence[str]) -> None:
        """The vector store knows their readers now."""


class IndexTruth(Protocol):
    """What a collection must hold: the chunks of live versions, and of those that wait for the flip to it."""

    def list_sources(self, fingerprint: str) -> list[tuple[str, str]]:
        """(tenant, source) of everything that a pipeline has read, ordered."""

    def count_chunks(self, fingerprint: str, tenant: str) -> int:
        """How many chunks the tenant's part of the collection must hold."""

    def list_versions(self, fingerprint: str, tenant: str) -> Iterator[list[str]]:
        """Pages of the version_ids they belong to."""

    def list_chunk_ids(self, fingerprint: str, tenant: str) -> Iterator[str]:
        """Each of those chunks, streamed."""

    def find_versions(self, chunk_ids: Sequence[str]) -> list[str]:
        """The version_ids that chunks belong to, each once; unknown chunks are left out."""


class VectorCache(Protocol):
    """What was embedded once is not embedded again."""

    def read_vectors(self, embedder: EmbedderIdentity, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The known ones, [d] each, by key."""

    def write_vectors(self, embedder: EmbedderIdentity, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Remember them."""


class TextReader(Protocol):
    """What documents say at this moment, to those who may read them."""

    def read_text(self, tenant: str, document_id: str, principals: frozenset[str]) -> str | None:
        """The text of the live version, or None where there is none that they may read."""


class GivenReader(TextReader, Protocol):
    """What an answer that was given before is compared with."""

    def list_readable(self, tenant: str, uris: Sequence[str], principals: frozenset[str]) -> frozenset[str]:
        """Those of live documents that one of the principals may read."""


class PassageReader(TextReader, Protocol):
    """The database's side of a search: what is live and readable at this moment."""

    def read_passages(self, tenant: str, chunk_ids: Sequence[str], principals: frozenset[str]) -> dict[str, Passage]:
        """The passages of live versions that one of the principals may read, by chunk_id; all others are left out."""

    def read_neighbours(
        self, tenant: str, version_id: str, positions: Sequence[int], principals: frozenset[str]
    ) -> dict[int, Passage]:
        """Passages of one live version by position, under the same conditions."""


class Reranker(Protocol):
    """Scores passages against a question, both read together."""

    @property
    def name(self) -> str:
        """Shown in an answer's versions."""

    def score_passages(self, question: str, passages: Sequence[str]) -> list[float]:
        """One score a passage, higher is better."""


class EntailmentJudge(Protocol):
    """Tells whether what documents say implies a claim."""

    @property
    def name(self) -> str:
        """Shown in an answer's versions."""

    def measure_entailment(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The probability of each (premise, claim), 0 to 1."""


class DefinitionReader(Protocol):
    """What readable documents say that abbreviations stand for, at this moment."""

    def find_meanings(
        self, tenant: str, principals: frozenset[str], *, shorts: Collection[str], longs: Collection[str]
    ) -> list[Meaning]:
        """Every meaning of each abbreviation that one of the keys names, by its short form or by a meaning.

        Only from live documents that one of the principals may read, and from no little trusted source.
        """


class QuestionExpander(Protocol):
    """Knows a company's abbreviations."""

    def expand(self, questions: Sequence[Question]) -> list[Question]:
        """The questions with their expansions, for each asker from what that asker may read."""


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

    def generate(
        self, prompts: Sequence[Sequence[Message]], *, max_tokens: int, within_seconds: Sequence[float | None] = ()
    ) -> list[Generation]:
        """One generation a prompt, greedy.

        Args:
            prompts: Chat messages.
            max_tokens: Longest generation.
            within_seconds: Time for each prompt, where it has a limit; the text is cut then, at worst to nothing.

        Raises:
            BackendUnavailable, RateLimited: An endpoint does not answer or asks for patience.
            ConfigurationError: The model cannot be loaded, or refuses the request.
        """


Watcher = Callable[[str], bool]
"""Is told a prompt's text so far, whose last word may still change, and tells whether to go on writing."""


@runtime_checkable
class WatchedGenerator(Protocol):
    """What a `Generator` does besides that shows what it writes while it writes; not every one can."""

    @property
    def is_watched_freely(self) -> bool:
        """Whether watching costs nothing, so that it is done only to end what is over, too."""

    def generate_watched(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        watchers: Sequence[Watcher | None],
        within_seconds: Sequence[float | None] = (),
    ) -> list[Generation]:
        """See `Generator.generate`.

        Args:
            prompts: Chat messages.
            max_tokens: Longest generation.
            watchers: One a prompt, called as it grows, by one thread at a time but not always the same; what it raises
                ends the whole call.
            within_seconds: See `Generator.generate`.
        """


class Listener(Protocol):
    """Who is told an answer while it is being written."""

    def hear(self, text: str, citations: tuple[Citation, ...]) -> None:
        """What the answer begins with, verified, and its citations, each time that it has grown.

        It begins with what was heard before, unless a document of it was withdrawn or changed meanwhile.
        """

    @property
    def has_left(self) -> bool:
        """Whether nobody listens any more; what is not written by then need not be."""
