"""Examples of a dataset, a base model that counts a token a letter, and a trainer that trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.answer_models import Message
from tasks.curation_models import Evidence, Example, FrozenPassage, Origin, Split
from tasks.models import EVERYONE, hash_text
from tasks.prompting import REFUSAL
from tasks.training.presets import make_config
from tasks.training_models import ModelShape, TrainingSummary
from tasks.training_ports import (
    EncodedExample,
    Report,
    TrainingBase,
    TrainingJob,
    TrainingOutcome,
    TrainingProgress,
)

TINY_SHAPE = ModelShape(
    layers=2, hidden=8, intermediate=16, heads=2, key_value_heads=1, head_size=4, vocabulary=32, tied=True
)


def make_passage(text: str, *, document: str = "leave", gold: bool = False, rank: int | None = 1) -> FrozenPassage:
    """As a snapshot freezes it."""
    return FrozenPassage(
        document_id=document,
        title=document.title(),
        heading_path=("Rules",),
        modified="2026-05-04",
        text=text,
        text_sha256=hash_text(text),
        start=0,
        end=len(text),
        rank=rank,
        score=0.5,
        gold=gold,
    )


def make_example(number: int, *, answerable: bool = True, passages: int = 6, language: str = "en") -> Example:
    """Its first passage holds the answer."""
    fact = f"Rule {number} grants {number + 20} days."
    shown = [make_passage(f"Passage {place} of pair {number}.", rank=place) for place in range(2, passages + 1)]
    gold = [make_passage(f"{fact} It is old.", document=f"doc-{number}", gold=True)] if answerable else []
    return Example(
        pair_id=f"pair-{number:03}",
        split=Split.TRAIN,
        question=f"What does rule {number} grant?",
        answer=f"It grants {number + 20} days. Rule {number} is old." if answerable else REFUSAL[language],
        language=language,
        origin=Origin.IMPORT,
        answerable=answerable,
        readers=(EVERYONE,),
        evidence=(Evidence(document_id=f"doc-{number}", quote=fact),) if answerable else (),
        passages=(*gold, *shown),
    )


class LetterBase:
    """The `TrainingBase` port: a letter is a token."""

    base_hash = "base"
    shape = TINY_SHAPE

    def __init__(self, *, context_tokens: int = 4096) -> None:
        self.context_tokens = context_tokens

    def encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        return [ord(letter) for message in messages for letter in message.content]

    def encode_answer(self, answer: str) -> list[int]:
        return [*map(ord, answer), 0]


class FakeTrainer:
    """The `AdapterTrainer` port: writes the two files and remembers its jobs.

    Args:
        before: Called before it writes: a test lets a training fail there.
    """

    device = "fake"

    def __init__(self, base: LetterBase | None = None, *, before: Callable[[], object] = lambda: None) -> None:
        self.base = base or LetterBase()
        self.jobs: list[TrainingJob] = []
        self._before = before

    def open_base(self, base_model: str) -> LetterBase:
        return self.base

    def train(self, job: TrainingJob, report: Report) -> TrainingOutcome:
        self.jobs.append(job)
        self._before()
        report(TrainingProgress(1, 1, 0.5, 10.0, 0.0))
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (job.folder / name).write_text(name)
        summary = TrainingSummary(
            seconds=2, tokens=20, tokens_per_second=10, peak_memory_bytes=100, final_loss=0.5, steps=1, examples=2
        )
        return TrainingOutcome(summary, [(1, 0.5)], [])


def make_job(base: TrainingBase, model: str, folder: Path, **values: object) -> TrainingJob:
    """Twelve short examples, six of them for validation, too; two steps an epoch unless told otherwise."""
    chosen: dict[str, object] = {
        "base_model": model,
        "batch_examples": 4,
        "micro_batch_examples": 2,
        "rank": 4,
        "dropout": 0.1,
        "learning_rate": 5e-3,
        "evaluate_every_steps": 2,
        "patience_evaluations": 50,
        **values,
    }
    config = make_config(values=chosen)
    examples = []
    for number in range(12):
        asked = Message(role="user", content=f"What is {number}? " * (number % 3 + 1))
        answer = base.encode_answer(f"It is {number}.")
        examples.append(EncodedExample(f"pair-{number}", (*base.encode_prompt([asked]), *answer), len(answer)))
    epochs = int(config.epochs)
    return TrainingJob(config, folder, examples, list(range(12)) * epochs, examples[:6])
