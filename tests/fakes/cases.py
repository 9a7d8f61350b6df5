"""A process, an answerer and a clock for the tests of cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.answer_models import Answer, Citation, Question, Silence
from tasks.case_models import Case, MessageKind, OutgoingMessage
from tasks.cases.collect import Collector
from tasks.cases.handle import CaseHandler, CasePorts
from tasks.cases.process import Process, load_process
from tasks.errors import ProductError
from tasks.integrations.database.cases import DatabaseCases
from tasks.integrations.database.engine import Database
from tests.fakes.embedder import FakeEmbedder

NOW = datetime(2026, 5, 11, 8, tzinfo=UTC)
MODEL = """\
from __future__ import annotations
from pydantic import BaseModel, Field

class Claim(BaseModel):
    policy: str | None = None
    damage: float | None = Field(default=None, ge=0)
"""
STUMBLING = f"""{MODEL}
    from pydantic import field_validator

    @field_validator("policy")
    def _look_up(cls, policy: str) -> str:
        return {{}}[policy]
"""
"""A model whose validator raises what pydantic does not turn into a fault of the value."""
PROCESS = """\
model: Claim
own_addresses: [claims@insurer.example]
signature: {en: "Regards, the insurer"}
fallback_route: other
spam_route: spam
confidence: {route: 0.2, spam: 0.5, reply: 0.8}
urgencies:
  high: {keywords: [urgent, dringend]}
  normal: {}
routes:
  cover: {auto_reply: true, keywords: [insured, cover], texts: ["Is this damage insured by my policy?"]}
  lawsuit: {keywords: [lawyer], texts: ["My lawyer will sue you."]}
  spam: {keywords: [lottery, winner, crypto], texts: ["You won the lottery."]}
  other: {texts: ["Something else entirely."]}
fields:
  policy: {patterns: ['policy (\\d+)']}
  damage: {kind: money}
rules:
  - when: {route: lawsuit}
    then: escalate
    because: the law is for people
  - when: {damage: "> 1000", route: not spam}
    then: draft-for-person
"""


def write_process(folder: Path, yaml: str = PROCESS, model: str = MODEL) -> Path:
    """The folder of a process named claims."""
    place = folder / "claims"
    place.mkdir(parents=True, exist_ok=True)
    (place / "process.yaml").write_text(yaml)
    (place / "model.py").write_text(model)
    return place


def cite(quote: str, document_id: str = "d1") -> Citation:
    """A citation of a document that a customer may read."""
    return Citation(
        number=1,
        document_id=document_id,
        chunk_id=f"chunk-{document_id}",
        uri="file:///cover.md",
        title="Cover",
        page=None,
        quote=quote,
        start=0,
        end=len(quote),
    )


class FakeAnswerer:
    """Answers what it knows by a word of the question; remembers who asked what in which call."""

    def __init__(self, known: Mapping[str, str], *, confidence: float = 0.95) -> None:
        self.known = known
        self.confidence = confidence
        self.conflicting = False
        self.calls: list[list[Question]] = []
        self.failure: ProductError | None = None

    def __call__(self, questions: Sequence[Question]) -> list[Answer]:
        self.calls.append(list(questions))
        if self.failure:
            raise self.failure
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> Answer:
        for word, text in self.known.items():
            if word in question.text:
                said, quoted = f"{text} [1]", (cite(text),)
                return Answer(
                    question=question.text,
                    text=said,
                    citations=quoted,
                    confidence=self.confidence,
                    conflicting=self.conflicting,
                )
        return Answer(question=question.text, text="…", abstained=True, reason=Silence.NOTHING_FOUND)


class CaseWorld:
    """A handler over a real database and fakes of what is outside."""

    def __init__(self, database: Database, folder: Path, **known: str) -> None:
        self.process: Process = load_process(write_process(folder))
        self.store = DatabaseCases(database)
        self.answerer = FakeAnswerer(known or {"hail": "Hail is covered."})
        self.ports = CasePorts(self.answerer, FakeEmbedder(dimension=256), self.store, now=lambda: NOW)
        self.collector = Collector("default", self.process)

    @property
    def handler(self) -> CaseHandler:
        return CaseHandler(self.process, self.ports)

    def case(self, **row: Any) -> Case:
        return self.collector.make_record({"id": "c1", "from": "eva@customer.example", **row}, "test")


class FakeDeliverer:
    """Takes messages, or fails as told: None is a message that it takes."""

    kinds: tuple[MessageKind, ...] = ("reply", "draft", "correction")

    def __init__(self) -> None:
        self.delivered: list[OutgoingMessage] = []
        self.failures: list[ProductError | None] = []

    def deliver(self, message: OutgoingMessage) -> None:
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        self.delivered.append(message)
