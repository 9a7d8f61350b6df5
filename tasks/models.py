"""The nouns: frozen pydantic models that rooms, flows and doors exchange.

Ids are derived, never random (rule 2): the functions beside the models are the only places that make them.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple
from uuid import UUID, uuid5

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

EVERYONE = "everyone"
"""The principal that every asker is; documents without groups are readable by it."""

_NAMESPACE = UUID("5f0c1f6e-6e0b-5d39-9a55-0e7f6a9d4c11")


class Noun(BaseModel):
    """A frozen model; unknown fields are faults."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def derive_id(*parts: object) -> str:
    """The uuid5 of the parts, which may contain anything but NUL."""
    return str(uuid5(_NAMESPACE, "\0".join(str(part) for part in parts)))


def derive_document_id(tenant: str, source: str, path: str) -> str:
    """One document per (tenant, source, path inside the source)."""
    return derive_id("document", tenant, source, path)


def derive_version_id(document_id: str, content_hash: str, fingerprint: str, wants: str = "") -> str:
    """One version per content, pipeline that read it, and programs that the reading lacked."""
    return derive_id("version", document_id, content_hash, fingerprint, *filter(None, [wants]))


def derive_chunk_id(document_id: str, content_hash: str, fingerprint: str, position: int, wants: str = "") -> str:
    """One chunk per version and position (counted from 0)."""
    return derive_id("chunk", document_id, content_hash, fingerprint, position, *filter(None, [wants]))


def hash_text(text: str) -> str:
    """sha256 of the text's UTF-8 bytes; lone surrogates are kept, so every str has a hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# --- documents ---------------------------------------------------------------------------------------------------


class DocumentState(StrEnum):
    """The state of a document that readers can see; a quarantined one is not a document yet."""

    LIVE = "live"
    EMPTY = "empty"
    OUTDATED = "outdated"


class ListedDocument(Noun):
    """One line of a source's listing: what a source knows without reading the content."""

    path: str = Field(description="path inside the source; with tenant and source it makes the document_id")
    uri: str = Field(description="where a person opens it; file uris are percent-encoded")
    file_name: str = Field(description="name with the extension that tells the format")
    size_bytes: int | None = None
    modified: datetime | None = Field(default=None, description="UTC")
    etag: str | None = Field(default=None, description="the store's own content marker, when it has one")
    title: str | None = None
    groups: tuple[str, ...] = (EVERYONE,)
    language: str | None = Field(default=None, description="hint, ISO 639-1")
    problem: Problem | None = Field(default=None, description="why it cannot be opened; it becomes quarantined")


class Problem(Noun):
    """Why a document, or a part of one, is not readable, and what a person can do."""

    reason: str = Field(description="short stable code, for example 'password-protected'")
    message: str
    advice: str


class Element(Noun):
    """A piece of a document in reading order, as the partitioner returned it."""

    element_id: str
    kind: Literal["title", "text", "list-item", "table", "code", "other"]
    text: str = Field(description="never altered afterwards; a table's rows are lines, its cells joined by ' | '")
    depth: int = Field(default=0, ge=0, description="heading depth of a title, 0 the outermost")
    page: int | None = Field(default=None, ge=1)
    part: str | None = Field(default=None, description="attachment, mail of an mbox or archive member it came from")
    header_rows: int = Field(default=0, ge=0, description="leading lines of a table that are its header")


class PartProblem(Noun):
    """A part of a readable document that could not be read."""

    part: str
    problem: Problem


class PartitionedDocument(Noun):
    """What a partitioner makes of one file."""

    elements: tuple[Element, ...]
    title: str | None = None
    media_type: str = "application/octet-stream"
    may_be_empty: bool = Field(default=False, description="zero text is a finding, not a failure")
    problems: tuple[PartProblem, ...] = ()


class Chunk(Noun):
    """The passage that is embedded, retrieved and cited.

    `document_text[start:end] == text`; a table split by rows carries its header again in `repeated_header`, which is
    shown and embedded and belongs to no span.
    """

    position: int = Field(ge=0)
    start: int = Field(ge=0, description="character offset in the document's text")
    end: int = Field(ge=0, description="character offset in the document's text, exclusive")
    text: str
    repeated_header: str = ""
    heading_path: tuple[str, ...] = ()
    part: str | None = None
    page: int | None = None
    language: str = "und"
    kind: Literal["text", "table"] = "text"
    element_ids: tuple[str, ...] = ()

    @property
    def shown_text(self) -> str:
        """What a reader or a generator sees: the repeated table header, then the chunk's own text."""
        return f"{self.repeated_header}\n{self.text}" if self.repeated_header else self.text


class ChunkedDocument(Noun):
    """A document's text and the chunks that cover it."""

    text: str
    title: str
    language: str
    chunks: tuple[Chunk, ...]


class Ledger(Noun):
    """What a run did with every listed document, each in exactly one of the first six counts."""

    source: str
    tenant: str
    run_id: str
    listed: int = 0
    new: int = 0
    changed: int = 0
    renamed: int = 0
    unchanged: int = 0
    outdated: int = 0
    quarantined: int = 0
    removed: int = 0
    live_before: int = 0
    live_after: int = 0
    reprocessed: int = Field(default=0, description="unchanged documents read again because the pipeline changed")
    embedded: int = Field(default=0, description="chunks whose vector was computed, not found in the cache")
    chunks: int = Field(default=0, description="chunks written by this run")
    prune_blocked: int = Field(default=0, description="documents that would have been removed; a person must confirm")
    seconds: float = 0.0

    @property
    def balances(self) -> bool:
        """Whether nothing disappeared silently."""
        accounted = self.new + self.changed + self.renamed + self.unchanged + self.outdated + self.quarantined
        return self.listed == accounted and self.live_after == self.live_before + self.new - self.removed


class DocumentSummary(Noun):
    """A document as listings show it."""

    document_id: str
    uri: str
    title: str
    source: str
    language: str
    state: DocumentState
    groups: tuple[str, ...]
    chunks: int
    problem: Problem | None = Field(default=None, description="why its newer content cannot be read (outdated)")


class QuarantineEntry(Problem):
    """What cannot be read, with the way out."""

    uri: str = Field(description="of the document; '#part' names a part of it")
    state: Literal["quarantined", "outdated", "part"]


class IngestRequest(Noun):
    """What one ingest is asked to do; stored by Prefect in the clear, so it names things and holds no secret."""

    source: str | None = Field(default=None, description="name in sources.yaml")
    url: str | None = Field(default=None, description="a folder, file or URL to read without sources.yaml")
    tenant: str = "default"
    confirm_prune: bool = Field(default=False, description="a person says that many vanished documents are gone")
    gone: bool = Field(default=False, description="the source is no more, so every document of it is taken away")

    @property
    def label(self) -> str:
        """For run names and messages."""
        return self.source or self.url or "?"


class Run(Noun):
    """One ingest of one source, as its steps pass it on."""

    run_id: str
    tenant: str
    source: str
    lease_token: str = Field(description="every commit of the run checks that it still holds the source")
    fingerprint: str = Field(description="of the pipeline that documents are read with")
    started_at: datetime


# --- retrieval ---------------------------------------------------------------------------------------------------


class EmbedderIdentity(Noun):
    """What must be equal for two vectors to live in one space."""

    name: str
    revision: str = Field(description="sha256 over the weights, or the endpoint's model name")
    dimension: int = Field(gt=0)


class EmbedderSpec(Noun):
    """How to build an embedder again: kept with a collection, so that it can be searched after the settings changed."""

    name: str
    url: str | None = None
    model: str | None = None
    dimensions: int | None = None


class Pipeline(Noun):
    """Everything that decides which chunks and vectors a document becomes."""

    partitioner: str
    chunker: str
    chunk_tokens: int = Field(gt=0)
    analysis: str = Field(description="version of the keyword analysis")
    embedder: EmbedderIdentity
    embedder_spec: EmbedderSpec

    @property
    def fingerprint(self) -> str:
        """12 hex digits; equal for equal results."""
        parts = (self.partitioner, self.chunker, self.chunk_tokens, self.analysis, self.embedder.model_dump_json())
        return derive_id("pipeline", *parts).replace("-", "")[:12]

    @property
    def collection(self) -> CollectionSpec:
        """The space its vectors live in, named so that an operator recognises it."""
        readable = re.sub(r"[^A-Za-z0-9]+", "_", self.embedder.name).strip("_")[:48]
        return CollectionSpec(name=f"Expertloop_{readable}_{self.fingerprint}", dimension=self.embedder.dimension)


class CollectionSpec(Noun):
    """One embedding space in the vector store: one per pipeline fingerprint."""

    name: str = Field(description="readable, safe in every store: [A-Z][A-Za-z0-9_]*")
    dimension: int = Field(gt=0)

    @property
    def summaries(self) -> CollectionSpec:
        """The collection beside it, with the summaries of its documents; a store need not have it."""
        return CollectionSpec(name=name_summaries(self.name), dimension=self.dimension)


def name_summaries(collection: str) -> str:
    """The name of the collection with the summaries of a collection's documents."""
    return f"{collection}_summaries"


def _move_to_utc(moment: datetime) -> datetime:
    """The same moment in UTC, as the stores compare it; a naive one is meant as UTC and stays as it is.

    Raises:
        ValueError: In UTC it is before the year 1 or after the year 9999.
    """
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("in UTC the date is outside the years 1 to 9999") from error


Moment = Annotated[datetime, AfterValidator(_move_to_utc)]
"""A point in time that every store can compare."""


class SearchFilter(Noun):
    """What a search is narrowed to; None means no narrowing. All conditions hold together."""

    sources: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = Field(default=None, description="file extensions without the dot, lower case")
    modified_after: Moment | None = None
    modified_before: Moment | None = None


Trust = Literal["high", "normal", "low"]
"""How far a source's documents are believed; sources.yaml says it, and the next ingest makes it hold."""


class Section(NamedTuple):
    """Where a heading path begins to hold within a passage."""

    start: int
    """Character of the document's text."""
    heading_path: tuple[str, ...]


class Passage(Noun):
    """A chunk, or neighbouring ones joined, as the database knows them, with their document: what a search shows."""

    chunk_id: str
    document_id: str
    version_id: str
    content_hash: str
    uri: str
    title: str
    source: str
    document_type: str
    modified: datetime | None
    outdated: bool
    trust: Trust = "normal"
    chunk: Chunk
    sections: tuple[Section, ...] = Field(default=(), description="of joined chunks that have several heading paths")

    def list_sections(self) -> tuple[Section, ...]:
        """Its heading paths in reading order; the first holds from the passage's start."""
        return self.sections or (Section(self.chunk.start, self.chunk.heading_path),)


class Hit(Noun):
    """One search result, best rank 1."""

    rank: int = Field(ge=1)
    score: float = Field(description="fused score, 0 to 1 within one search")
    dense_score: float | None = Field(default=None, description="cosine similarity to the question")
    keyword_score: float | None = Field(default=None, description="BM25")
    passage: Passage
    duplicates: tuple[str, ...] = Field(default=(), description="document_ids holding the same text, collapsed here")


ListedDocument.model_rebuild()
Pipeline.model_rebuild()
