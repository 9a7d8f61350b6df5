"""The nouns of an evaluation: a question with what is known about its answer, a judged answer, a run."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from tasks.answer_models import Answer
from tasks.models import Noun

Outcome = Literal["right", "wrong", "refused rightly", "refused wrongly", "not judged"]


class Share(NamedTuple):
    """What one question adds to a metric: every metric is a sum of parts over a sum of wholes.

    A question that a metric does not judge has a whole of 0, so a share of answered questions, of citations or of all
    questions is one thing, and can be resampled as one.
    """

    part: float
    whole: float


def _list_texts(value: object) -> object:
    """One text is a list of one; nothing is an empty list; numbers are texts."""
    if value is None:
        return ()
    if isinstance(value, str | int | float):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    texts = [str(one) if isinstance(one, int | float) and not isinstance(one, bool) else one for one in value]
    return tuple(one for one in texts if not isinstance(one, str) or one.strip())


Texts = Annotated[tuple[str, ...], BeforeValidator(_list_texts)]


class GoldQuestion(BaseModel):
    """One question and what is known about its answer; fields that other tools added are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    id: Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)] = Field(min_length=1)
    text: str = Field(validation_alias=AliasChoices("question", "query"), pattern=r"\S")
    answers: Texts = Field(default=(), description="any one of them is right")
    documents: Texts = Field(
        default=(),
        validation_alias=AliasChoices("documents", "gold_docs"),
        description="uris, titles or path ends; a citation of any one of them is right",
    )
    sentences: Texts = Field(
        default=(),
        validation_alias=AliasChoices("gold_sentence", "sentences"),
        description="sentences of documents that answer; who quotes one has answered in other words than `answers`",
    )
    answerable: bool | None = Field(
        default=None, description="None: answerable when answers, sentences or documents are given"
    )
    groups: Texts = ()
    language: str | None = Field(default=None, description="ISO 639-1; None: detected")
    kind: str | None = Field(default=None, validation_alias=AliasChoices("kind", "query_type"))

    @property
    def can_be_answered(self) -> bool | None:
        """Whether the documents answer it; None where nobody said."""
        if self.answerable is not None:
            return self.answerable
        return True if self.answers or self.sentences or self.documents else None


class JudgedAnswer(Noun):
    """One question's result in a run."""

    question: GoldQuestion
    answer: Answer
    scores: dict[str, Share] = Field(description="by metric")
    cluster: str = Field(description="questions about one gold document share it")
    language: str
    document_type: str | None = Field(default=None, description="of the first gold document")
    outcome: Outcome


class EvaluationRun(Noun):
    """One evaluation, running or done."""

    run_id: str
    tenant: str
    questions_file: str = Field(description="name of the file, for people")
    questions_hash: str
    collection: str
    generator: str
    settings: dict[str, Any] = Field(description="everything else that decides the answers")
    total: int = Field(ge=0, description="questions in the file")
    started_at: datetime
    finished_at: datetime | None = None
    judged: int = Field(default=0, ge=0, description="questions whose result is stored")
    summary: dict[str, Any] | None = Field(default=None, description="the metrics, when finished")
