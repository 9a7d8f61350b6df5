"""The nouns of the arms: what a model said to a held-out question, how that is scored, advice."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from tasks.evaluation_models import Share
from tasks.models import Noun
from tasks.training_models import ArmName, ArmsReport, GateDecision

Recommendation = Literal["rag", "fine-tuning", "both", "not-enough-evidence"]


class ArmAnswer(Noun):
    """What one model said to one prompt, raw; kept by everything that decides it."""

    answer_key: str
    pair_id: str = Field(description="the pair asked, or the general question: what an erasure looks for")
    text: str
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    seconds: float = Field(ge=0, description="its share of the batch it was generated in")


class ArmResult(NamedTuple):
    """One held-out question in one arm, scored."""

    pair_id: str
    scores: dict[str, Share]
    cluster: str
    """Questions about one document share it."""
    slices: tuple[str, ...]
    """Parts of the questions it belongs to, such as 'language=de'."""


class StoredReport(Noun):
    """A report with the decision it led to, as the database keeps it."""

    report: ArmsReport
    decision: GateDecision


class CompanyFacts(Noun):
    """What advice rests on besides the measured arms."""

    documents: int = Field(ge=0)
    changed_documents: int = Field(ge=0, description="of them, those with new content within `days`")
    days: int = Field(ge=1, description="how far back changes were counted; less where the first ingest is younger")
    approved_pairs: int = Field(ge=0)
    languages: tuple[str, ...] = Field(default=(), description="of the approved pairs, the most frequent first")
    hardware: str
    stored: StoredReport | None = Field(default=None, description="the newest evaluation of arms with an adapter")


class Advice(Noun):
    """RAG, fine-tuning or both; each sentence shows its number."""

    recommendation: Recommendation
    sentences: tuple[str, ...]
    arms: dict[ArmName, float | None] = Field(default={}, description="token F1 by arm")
