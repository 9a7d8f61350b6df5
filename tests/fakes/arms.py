"""Held-out examples, and what keeps the answers of arms without a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.answer_models import Message
from tasks.arm_models import ArmAnswer, ArmResult
from tasks.curation_models import Evidence, Example, FrozenPassage, Origin, Split
from tasks.evaluation_models import Share
from tasks.models import hash_text
from tasks.prompting import REFUSAL


def make_passage(text: str, *, rank: int | None = 1, gold: bool = False, **fields: Any) -> FrozenPassage:
    return FrozenPassage(
        **{
            "document_id": "d", "title": "Manual", "text": text, "text_sha256": hash_text(text), "start": 0,
            "end": len(text), "rank": rank, "score": 0.5, "gold": gold, **fields,
        }
    )  # fmt: skip


def make_example(number: int = 0, *, document: str = "", **fields: Any) -> Example:
    """One whose question and answer name its number; without an answer when `answerable=False`."""
    answerable = fields.get("answerable", True)
    document = document or f"document {number}"
    answer = f"Pump {number} lifts {number + 1} metres" if answerable else REFUSAL["en"]
    evidence = (Evidence(document_id=document, quote=answer, uri=f"file:///x/{document}.md"),) if answerable else ()
    shown = (
        make_passage(f"{answer}.", gold=answerable, document_id=document),
        make_passage("Visitors sign in at the gate.", rank=2),
        make_passage("Nobody found this one.", rank=None, gold=True),
    )
    return Example(
        **{
            "pair_id": f"pair-{number:03}", "split": Split.TEST, "question": f"How high does pump {number} lift?",
            "answer": answer, "language": "en", "origin": Origin.IMPORT, "answerable": answerable,
            "readers": ("everyone",), "evidence": evidence, "passages": shown, **fields,
        }
    )  # fmt: skip


def make_result(number: int, *, cluster: str = "", slices: tuple[str, ...] = (), **scores: float) -> ArmResult:
    """A result whose metrics are each judged once."""
    shares = {name: Share(value, 1) for name, value in scores.items()}
    return ArmResult(f"pair-{number:03}", shares, cluster or f"document {number}", slices)


class MemoryArms:
    """The `ArmStore` port's answers, in memory."""

    def __init__(self) -> None:
        self.answers: dict[str, ArmAnswer] = {}
        self.reports: list[Any] = []

    def read_answers(self, tenant: str, answer_keys: Sequence[str]) -> dict[str, ArmAnswer]:
        return {key: self.answers[key] for key in answer_keys if key in self.answers}

    def write_answers(self, tenant: str, answers: Sequence[ArmAnswer]) -> None:
        self.answers |= {one.answer_key: one for one in answers}

    def write_report(self, tenant: str, stored: Any) -> None:
        self.reports.append(stored)

    def find_report(self, tenant: str) -> Any:
        return self.reports[-1] if self.reports else None


class FakeLikelihood:
    """Equally surprised by every text."""

    def __init__(self, nats: float) -> None:
        self._nats = nats

    def score(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        return [(self._nats * 10, 10) for _ in texts]

    def score_answers(self, messages: Sequence[Message], answers: Sequence[str], *, max_tokens: int) -> list[float]:
        """Every word costs the same; what the prompt says, too, costs nothing."""
        return [-self._nats * len(answer.split()) * (answer not in messages[-1].content) for answer in answers]
