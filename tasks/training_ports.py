"""What the training room needs of the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from tasks.answer_models import Message
from tasks.training_models import Device, ModelShape, TrainingConfig, TrainingSummary

SentenceSplitter = Callable[[str], Iterable[tuple[int, int]]]
"""The sentences of a text as (start, end), end exclusive: what answering counts as one claim."""


class EncodedExample(NamedTuple):
    """A training example in the base model's tokens; the loss looks at the last `answer_tokens` of them."""

    pair_id: str
    tokens: tuple[int, ...]
    answer_tokens: int


class TrainingProgress(NamedTuple):
    """How far a training is."""

    step: int
    steps: int
    loss: float | None
    tokens_per_second: float
    seconds_left: float | None
    note: str = ""
    """Something a person should know, for example that memory was too small and what was done about it."""


Report = Callable[[TrainingProgress], None]


class TrainingBase(Protocol):
    """The base model of a training: its tokens and its shape; the weights are not loaded for these."""

    @property
    def base_hash(self) -> str:
        """Changes with the model's weights, configuration and chat template."""

    @property
    def shape(self) -> ModelShape:
        """Sizes, for the plan."""

    @property
    def context_tokens(self) -> int:
        """Longest prompt plus answer it reads."""

    def encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        """Exactly what the generator is given for these messages.

        Raises:
            ConfigurationError: The tokenizer has no chat template.
        """

    def encode_answer(self, answer: str) -> list[int]:
        """The assistant's turn, with the token that ends it."""


class TrainingJob(NamedTuple):
    """One training, decided to the last byte: what is learnt in which order, from which weights."""

    config: TrainingConfig
    folder: Path
    """Receives adapter_config.json and adapter_model.safetensors; checkpoints lie in a folder inside."""
    examples: Sequence[EncodedExample]
    order: Sequence[int]
    """Places in `examples`, `config.batch_examples` of them a step, over all epochs."""
    validation: Sequence[EncodedExample]


class TrainingOutcome(NamedTuple):
    """What a training reached, and its losses for the picture."""

    summary: TrainingSummary
    losses: Sequence[tuple[int, float]]
    """(step, loss on answer tokens)"""
    validation_losses: Sequence[tuple[int, float]]


class AdapterTrainer(Protocol):
    """Trains adapters on this machine's device."""

    @property
    def device(self) -> str:
        """Its name: one training a device at a time."""

    def open_base(self, base_model: str) -> TrainingBase:
        """The base model's tokens and shape.

        Raises:
            ConfigurationError: There is no such model, or its weights are no safetensors.
        """

    def train(self, job: TrainingJob, report: Report) -> TrainingOutcome:
        """Train, or go on after an interruption: the result is the same.

        Raises:
            TrainingDiverged: The loss is not a number.
            BackendUnavailable: A checkpoint cannot be written, or memory does not hold one example; running it again
                goes on from the last checkpoint.
            ConfigurationError: The machine lacks what the configuration asks for.
        """


class DeviceFinder(Protocol):
    """Knows what this machine can train on."""

    def list_devices(self) -> list[Device]:
        """Every GPU, or the processor alone; the most free memory first."""


class CurvePlotter(Protocol):
    """Draws a training."""

    def draw_losses(
        self, title: str, losses: Sequence[tuple[int, float]], validation: Sequence[tuple[int, float]]
    ) -> bytes:
        """A PNG of losses by step."""
