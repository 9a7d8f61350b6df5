"""What is outside, as Protocols: sources, partitioners, embedders, vector stores, generators, the database.

Implementations live in `tasks/integrations`; `tasks/wiring.py` chooses them; tests pass fakes. Letters in shapes:
n texts, d dimensions. Every method may raise the errors of `tasks.errors` and no vendor's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tasks.access_models import (
    ApiKey,
    AuditEntry,
    Caller,
    Feedback,
    ReadableDocument,
    ServedAnswer,
)
from tasks.curation_models import CitedDocument, Correction, Dataset, Evidence, Pair, PairState, Split
from tasks.evaluation_models import EvaluationRun, JudgedAnswer
from tasks.models import (
    Calibration,
    Chunk,
    ChunkedDocument,
    CollectionSpec,
    EmbedderIdentity,
    Generation,
    Hit,
    ListedDocument,
    Message,
    PartitionedDocument,
    PartProblem,
    Passage,
    Problem,
    Question,
    Run,
    SearchFilter,
    Trust,
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


class Manifest(Protocol):
    """The database's memory of sources; every write checks the run's lease and is one commit."""

    def add_listing(self, run: Run, documents: Sequence[ListedDocument]) -> None:
        """Write a part of the listing; a path listed twice becomes a second, quarantined entry."""

    def compare_listing(self, run: Run, *, capabilities: str, batch_documents: int) -> int:
        """Settle what needs no reading, take over new readers, number the rest in batches; returns their count."""

    def read_candidates(self, run: Run, batch: int) -> list[Candidate]:
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


class VersionStore(Protocol):
    """Versions on their way into the vector store and out of it."""

    def read_versions(self, version_ids: Sequence[str]) -> list[StoredVersion]:
        """Versions with their chunks in order of position; unknown ids are left out."""

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


class PassageReader(Protocol):
    """The database's side of a search: what is live and readable at this moment."""

    def read_passages(self, tenant: str, chunk_ids: Sequence[str], principals: frozenset[str]) -> dict[str, Passage]:
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


# --- evaluation --------------------------------------------------------------------------------------------------


class EvaluationStore(Protocol):
    """The database's memory of evaluations; every write is one commit, and writing twice equals writing once."""

    def begin_run(self, run: EvaluationRun, *, again: bool) -> None:
        """Write the run where it is not known; with `again`, forget its results first."""

    def write_results(self, run_id: str, results: Mapping[int, JudgedAnswer]) -> None:
        """Store results by the question's position in its file."""

    def read_results(self, run_id: str) -> dict[int, JudgedAnswer]:
        """What is stored of a run, by position and in its order."""

    def finish_run(self, run_id: str, summary: Mapping[str, Any]) -> None:
        """All questions are judged."""

    def find_run(self, tenant: str, name: str) -> EvaluationRun:
        """The run of an id or of its unique beginning.

        Raises:
            ConfigurationError: There is none, or more than one.
        """

    def list_runs(self, tenant: str) -> list[EvaluationRun]:
        """Every run, the newest first."""


class Plotter(Protocol):
    """Draws the pictures of a report."""

    def draw_bars(self, title: str, counts: Mapping[str, int]) -> bytes:
        """A PNG with one labelled bar a count, in their order."""

    def draw_histogram(self, title: str, label: str, values: Sequence[float]) -> bytes:
        """A PNG of how often values occur; `label` names their unit."""

    def draw_calibration(
        self,
        calibration: Calibration,
        confidences: NDArray[np.float64],
        right: NDArray[np.bool_],
        *,
        max_error: float,
    ) -> bytes:
        """A PNG of reliability and coverage.

        Args:
            calibration: What was fitted.
            confidences: [n] it gives to answers that it was not fitted on.
            right: [n] whether they are right.
            max_error: The wished share of wrong answers, 0 to 1.
        """


# --- access ------------------------------------------------------------------------------------------------------


class StoredKey(NamedTuple):
    """A key and the sha256 of its secret."""

    key: ApiKey
    secret_hash: str


class KeyStore(Protocol):
    """API keys; every look-up asks the database, so that a revocation holds from the next request on."""

    def add_key(self, stored: StoredKey) -> None:
        """Keep a new key."""

    def find_key(self, key_id: str) -> StoredKey | None:
        """The key of an id, revoked or not."""

    def list_keys(self, tenant: str) -> list[ApiKey]:
        """Every key of the tenant, oldest first."""

    def revoke_keys(self, tenant: str, *, key_id: str | None = None, principal: str | None = None) -> list[ApiKey]:
        """Take away one key, or every key of a principal; returns those that were not revoked before."""


class TokenReader(Protocol):
    """Tells who bears a token of an identity provider."""

    def read_caller(self, token: str) -> Caller:
        """The caller that the token proves.

        Raises:
            AccessDenied: It proves nobody: forged, expired, made for others.
            BackendUnavailable: The provider's keys cannot be fetched.
        """


class DocumentReader(Protocol):
    """Whole documents for people who open a citation."""

    def read_document(self, tenant: str, document_id: str, principals: frozenset[str]) -> ReadableDocument | None:
        """The live document, or None where there is none that they may read."""

    def find_page(self, tenant: str, document_id: str, principals: frozenset[str], offset: int) -> int | None:
        """The page of the live text's character, counted from 1, where its format has pages and they may read it."""


class PageRenderer(Protocol):
    """Draws pages of documents that have them."""

    def render_page(self, file: Path, number: int) -> bytes:
        """A PNG of the page, counted from 1.

        Raises:
            DocumentRejected: There is no such page, or it cannot be drawn.
        """


class ServedLog(Protocol):
    """What the server did for whom."""

    def record(self, entries: Sequence[AuditEntry], answers: Sequence[ServedAnswer] = ()) -> None:
        """Keep them in one commit; the same answer twice is one."""

    def add_feedback(self, feedback: Feedback) -> bool:
        """Keep a verdict, replacing the same reader's former one; False when that reader got no such answer."""

    def prune(self, before: datetime) -> int:
        """Forget what is older, answers with feedback excepted; returns how many entries."""


# --- curation ----------------------------------------------------------------------------------------------------


class IndexedPair(NamedTuple):
    """A pair with what alike pairs are found by."""

    pair: Pair
    bands: tuple[int, ...]
    vector: NDArray[np.float32] | None = None
    embedder: str | None = None


class PairStore(Protocol):
    """The database's memory of pairs; every write is one commit. What people may read of them is joined in fresh."""

    def write_pairs(self, pairs: Sequence[IndexedPair]) -> None:
        """Write pairs with their evidence, replacing those of the same id."""

    def find_known(self, tenant: str, pairs: Sequence[Pair]) -> dict[str, Pair]:
        """Stored pairs by the pair_id of the given one that is the same: by id, or by what it says today."""

    def find_alike(self, tenant: str, bands: Sequence[int], question: str) -> list[Pair]:
        """Pairs, rejected ones left out, whose question may be nearly this one; a few dozen at most."""

    def read_vectors(self, tenant: str, embedder: str) -> tuple[list[str], Vectors]:
        """Ids and [n x d] question vectors of the pairs that are not rejected."""

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


class CitedDocuments(Protocol):
    """The documents that pairs quote, as curators see them: all of the tenant's live ones."""

    def find_documents(self, tenant: str, name: str) -> list[str]:
        """document_ids of the live documents with this id, uri, path, file name or title, best kind of match only."""

    def read_documents(self, tenant: str, document_ids: Sequence[str]) -> dict[str, CitedDocument]:
        """The live ones with their texts, by id."""

    def find_place(self, version_id: str, start: int) -> Chunk | None:
        """The chunk of a version that holds a character."""

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
