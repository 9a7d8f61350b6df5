"""The nouns of curation: pairs, what they rest on, what was found about them, datasets.

A pair belongs to people: it is anchored to a document and the span it quotes, never to a chunk, so re-chunking,
renaming or another embedder changes nothing about it (rule 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import Field

from tasks.models import EVERYONE, Noun, derive_id
from tasks.prompting import REFUSAL


class PairState(StrEnum):
    """Where a pair stands; only approved ones are trained on."""

    CANDIDATE = "candidate"
    APPROVED = "approved"
    REJECTED = "rejected"
    STALE = "stale"


class Origin(StrEnum):
    """Where a pair comes from."""

    IMPORT = "import"
    CORRECTION = "correction"
    SYNTHETIC = "synthetic"


class Split(StrEnum):
    """What a document's pairs are used for; assigned once a document, for ever."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Finding(Noun):
    """Something a check found about a pair; an approver who has seen it may accept it, unless it is `final`."""

    code: str = Field(description="short and stable, for example 'not-supported'")
    message: str
    advice: str
    final: bool = Field(default=False, description="no approval outweighs it")


class Evidence(Noun):
    """A quoted span of a document: `live_text[start:end] == quote` while it is located."""

    document_id: str
    quote: str
    start: int | None = Field(default=None, ge=0, description="character offset in the live version; None: not there")
    end: int | None = Field(default=None, ge=0, description="exclusive")
    version_id: str | None = Field(default=None, description="the version it was last looked for in")
    groups: tuple[str, ...] = Field(default=(), description="the document's readers at that time")
    proposed: bool = Field(default=False, description="found by us, not named by the author")
    now: str | None = Field(default=None, description="what the document says instead, when the span changed")
    uri: str = Field(default="", description="as the document is called today; empty when it is gone")
    title: str = ""

    @property
    def located(self) -> bool:
        """Whether the live version holds the span."""
        return self.start is not None


class HistoryEntry(Noun):
    """One change of a pair."""

    at: datetime
    author: str
    action: str = Field(description="import | generate | correct | approve | reject | edit | stale | check")
    detail: str = ""


class Pair(Noun):
    """A question and the answer that an expert stands for."""

    pair_id: str
    tenant: str
    question: str
    answer: str
    language: str
    origin: Origin
    author: str
    state: PairState
    groups: tuple[str, ...] | None = Field(default=None, description="narrows the readers further; None: does not")
    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Finding, ...] = ()
    accepted: tuple[str, ...] = Field(default=(), description="codes of findings that an approver has seen")
    reason: str = Field(default="", description="why it is rejected or stale")
    readers: tuple[str, ...] = Field(default=(), description="who may read all of it today; empty: nobody, not trained")
    history: tuple[HistoryEntry, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether it has an answer; a pair whose answer is the refusal teaches silence and quotes nothing."""
        return not is_refusal(self.answer)

    @property
    def open_findings(self) -> tuple[Finding, ...]:
        """Those that keep it out of a dataset."""
        return tuple(one for one in self.findings if one.final or one.code not in self.accepted)


class CitedDocument(NamedTuple):
    """A document as curation sees it: its live text and who may read it."""

    document_id: str
    version_id: str
    uri: str
    title: str
    file_name: str
    language: str
    groups: tuple[str, ...]
    text: str


class MovedEvidence(NamedTuple):
    """A pair's span whose document has another live version, other readers, or is gone."""

    pair_id: str
    position: int
    document_id: str


class FrozenPassage(Noun):
    """A passage as it was retrieved for a pair when the snapshot was taken."""

    document_id: str
    title: str
    heading_path: tuple[str, ...] = ()
    modified: str | None = Field(default=None, description="ISO date")
    text: str = Field(description="as shown: a repeated table header, then the text")
    text_sha256: str
    start: int = Field(description="anchor: characters of the version's text")
    end: int
    rank: int | None = Field(description="place in the search, from 1; None: not found, but it holds the quoted span")
    score: float
    gold: bool = Field(description="whether it holds a quoted span of the pair")


class Example(Noun):
    """One pair in a dataset, with everything that training and evaluation need."""

    pair_id: str
    split: Split
    question: str
    answer: str
    language: str
    origin: Origin
    answerable: bool
    readers: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    passages: tuple[FrozenPassage, ...] = Field(description="best first; as many as serving shows, then distractors")


class Removal(Noun):
    """A pair, or a passage of one, that stayed out of a dataset, and why."""

    pair_id: str
    reason: str = Field(description="code")
    message: str
    other: str | None = Field(default=None, description="the pair or document it collides with")
    document_id: str | None = Field(default=None, description="set when only this document's passages were left out")


class Dataset(Noun):
    """An immutable snapshot as lists show it."""

    dataset_id: str
    tenant: str
    scope: str
    counts: dict[str, int] = Field(description="examples by split, and 'removed'")
    created_at: datetime
    folder: str = Field(description="relative to EXPERTLOOP_HOME")


class Correction(Noun):
    """What a reader wrote as the right answer to a question that was answered."""

    question: str
    text: str
    principal: str
    quoted: tuple[tuple[str, str], ...] = Field(description="(document_id, quote) of what the answer cited")


class ReportLine(Noun):
    """What became of one row of a file: every row that is not simply taken has one."""

    row: int = Field(ge=1, description="as the program that made the file counts, its header line included")
    outcome: Literal["rejected", "duplicate", "flagged", "ignored"]
    reason: str
    message: str
    advice: str
    pair_id: str | None = None


class ImportSummary(Noun):
    """Counts of an import; `rows` is the sum of the next four."""

    rows: int = 0
    imported: int = 0
    unchanged: int = Field(default=0, description="known from before, whatever became of them since")
    duplicates: int = Field(default=0, description="the same as an earlier row of the file")
    rejected: int = 0
    approved: int = Field(default=0, description="of those imported: the file said so and no check found anything")
    flagged: int = Field(default=0, description="of those imported: a check found something")
    proposed: int = Field(default=0, description="of those imported: we proposed the quoted span")
    embedded: int = Field(default=0, description="rows compared with others by meaning, too")


def fold(text: str) -> str:
    """Text without what makes no other text: case, spaces, the last mark."""
    return " ".join(text.casefold().split()).rstrip("?!. ")


def derive_pair_id(tenant: str, question: str, answer: str) -> str:
    """One pair per question and answer as they were first written; edits keep the id."""
    return derive_id("pair", tenant, fold(question), fold(answer))


def is_refusal(answer: str) -> bool:
    """Whether the answer is one of the sentences a model refuses with."""
    return fold(answer) in {fold(sentence) for sentence in REFUSAL.values()}


def intersect_readers(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Who may read all of the documents; everyone is in every group, so it narrows nothing."""
    readers: frozenset[str] | None = None
    for names in groups:
        if EVERYONE in names:
            continue
        readers = frozenset(names) if readers is None else readers & frozenset(names)
    return (EVERYONE,) if readers is None else tuple(sorted(readers))
