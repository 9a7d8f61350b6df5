"""The nouns of asking: questions, what is written and cited, and how sure an answer is."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import Field

from tasks.abbreviations import write_readings
from tasks.models import EVERYONE, Noun, SearchFilter, Trust


class Expansion(Noun):
    """What a question says in one form and was searched in the other, too: an abbreviation and what it stands for."""

    said: str = Field(description="as the question has it")
    added: tuple[str, ...] = Field(default=(), description="searched as well; empty: it has several meanings")
    meanings: tuple[str, ...] = Field(default=(), description="what it may stand for, where none of them was searched")
    document_ids: tuple[str, ...] = Field(
        default=(), description="a readable document for each meaning; none: people say so in the glossary"
    )


class Question(Noun):
    """One question and who asks it."""

    text: str
    principals: frozenset[str] = frozenset({EVERYONE})
    tenant: str = "default"
    id: str | None = None
    filter: SearchFilter = SearchFilter()
    token_budget: int | None = Field(
        default=None, ge=1, description="most tokens of prompt and answer together; what does not fit is quoted"
    )
    within_seconds: float | None = Field(
        default=None, gt=0, description="time for the answer from the moment it is asked for; writing ends before that"
    )
    expansions: tuple[Expansion, ...] | None = Field(
        default=None, description="of abbreviations, as its asker may know them; None: not looked up yet"
    )

    @property
    def readings(self) -> tuple[str, ...]:
        """Texts that ask the same: as it was asked, then with other forms in the place of those it has."""
        return write_readings(self.text, self._forms, keeping=False)

    @property
    def searched(self) -> tuple[str, ...]:
        """Texts that are searched: as it was asked, then with other forms beside those it has."""
        return write_readings(self.text, self._forms, keeping=True)

    @property
    def _forms(self) -> dict[str, tuple[str, ...]]:
        return {one.said: one.added for one in self.expansions or () if one.added}


class Message(Noun):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


class Generation(Noun):
    """What a generator returned for one prompt."""

    text: str
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    finish: Literal["stop", "length"] = "stop"
    mean_logprob: float | None = None


class Citation(Noun):
    """A quoted span that is in the document: `document_text[start:end] == quote`, checked in code."""

    number: int = Field(ge=1, description="the mark [number] in the answer's text")
    document_id: str
    chunk_id: str
    uri: str
    title: str
    page: int | None
    quote: str
    start: int
    end: int
    outdated: bool = False
    trust: Trust = Field(default="normal", description="how far its source is believed")
    dated: str = Field(
        default="",
        description="how old its document is: the year, month or day in title or file name, else of its last change",
    )


class Timings(Noun):
    """Where an answer's time went."""

    search_seconds: float = 0.0
    generate_seconds: float = 0.0
    total_seconds: float = 0.0


class Silence(StrEnum):
    """Why an answer abstains. None of them tells an asker that something exists which he may not read."""

    NOTHING_FOUND = "nothing found"
    NOT_READABLE = "nothing readable"
    OFF_TOPIC = "not about these documents"
    NOT_SUPPORTED = "not supported"
    OUTDATED = "outdated only"
    LOW_CONFIDENCE = "low confidence"


class Answer(Noun):
    """What a question gets: a cited answer, or a reason for silence."""

    question: str
    text: str
    citations: tuple[Citation, ...] = ()
    abstained: bool = False
    reason: Silence | None = Field(default=None, description="why it abstained")
    confidence: float | None = Field(
        default=None, ge=0, le=1, description="calibrated probability that the answer is right; None: nothing to judge"
    )
    conflicting: bool = Field(default=False, description="cited documents contradict each other; the newer is first")
    mode: Literal["generated", "extractive", "none"] = "none"
    sources: tuple[str, ...] = Field(default=(), description="uris of what was found, best first, also when abstained")
    suspicious: tuple[str, ...] = Field(default=(), description="uris of found passages that give orders to a machine")
    found: tuple[Citation, ...] = Field(default=(), description="what would have been cited, when it was held back")
    expansions: tuple[Expansion, ...] = Field(
        default=(), description="abbreviations of the question, and what they mean"
    )
    timings: Timings = Timings()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    signals: dict[str, float] = Field(default_factory=dict, description="what the confidence was computed from")
    versions: dict[str, str] = Field(
        default_factory=dict, description="prompt, generator, collection, calibration, expertloop"
    )
    id: str | None = Field(default=None, description="the question's id, when it came from a file")


class Gap(Noun):
    """A question that got no answer, kept as work for a person: what is asked that no document answers."""

    gap_id: str
    question: str
    language: str
    reason: Silence = Field(description="of the newest time")
    asked: int = Field(ge=1, description="how often")
    first_asked: datetime
    last_asked: datetime
    sources: tuple[str, ...] = Field(description="uris of what was found the last time")


# --- calibration -------------------------------------------------------------------------------------------------


class OperatingPoint(NamedTuple):
    """What answering only above a threshold gives."""

    threshold: float
    coverage: float
    """Share of the questions that are answered."""
    error: float
    """Share of the answered ones that are wrong."""


class CalibrationKey(Noun):
    """What a calibration holds for: another collection or model gives other signals."""

    collection: str
    generator: str = Field(description="its identity; 'none' for quotations only")
    adapter: str = Field(default="none", description="adapter_id; 'none' for the base model")


class Calibration(Noun):
    """How signals become a confidence: logistic regression (Platt, 1999), and what each threshold is worth."""

    name: str = Field(description="'shipped', or the key and the time it was fitted")
    weights: dict[str, float] = Field(description="by signal, in the signal's own unit; a missing signal counts 0")
    bias: float
    curve: tuple[OperatingPoint, ...] = Field(description="on questions it was not fitted on, threshold ascending")
    questions: int = Field(description="how many it was fitted on")
    expected_error: float = Field(ge=0, le=1, description="expected calibration error on the others, ten bins")
    fitted_at: datetime

    def coverage_at(self, max_error: float) -> float:
        """The largest share of questions that can be answered with at most this share of wrong answers."""
        return max((point.coverage for point in self.curve if point.error <= max_error), default=0.0)
