"""The nouns of training: how an adapter is made, what it was made from, what a judge said of it.

An adapter's id is made of everything that decides its weights (rule 2): the same data, base model and configuration
are one adapter, and are trained once.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from pydantic import Field

from tasks.models import EVERYONE, Noun, derive_id
from tasks.prompting import PROMPT_VERSION

Method = Literal["qlora", "lora"]
ArmName = Literal["base", "base+rag", "tuned", "tuned+rag", "champion+rag"]
ARMS: tuple[ArmName, ...] = ("base", "base+rag", "tuned", "tuned+rag", "champion+rag")
Verdict = Literal["promote", "reject", "not-enough-evidence"]


class TrainingConfig(Noun):
    """Everything that decides an adapter's weights besides its data and base model; units are in the names."""

    preset: str = Field(default="smollm2-135m-cpu", description="where the values come from; does not decide the id")
    base_model: str = Field(default="smollm2", description="'smollm2', a folder with safetensors, or a hub id")
    method: Method = "qlora"
    rank: int = Field(default=16, ge=1, le=1024)
    alpha: int = Field(default=32, ge=1, description="scale of the adapter is alpha / rank")
    dropout: float = Field(default=0.0, ge=0, lt=1)
    layers_share: float = Field(default=1.0, gt=0, le=1, description="upper share of the layers that get adapters")
    learning_rate: float = Field(default=8e-4, gt=0, lt=1)
    warmup_share: float = Field(default=0.03, ge=0, lt=1, description="of the steps; then cosine down to 0")
    epochs: float = Field(default=1.0, gt=0, le=100)
    max_tokens: int | None = Field(default=None, ge=1, description="trained tokens over all epochs; None: no limit")
    batch_examples: int = Field(default=8, ge=1, description="examples a step")
    micro_batch_examples: int = Field(default=4, ge=1, description="examples computed at once; memory decides")
    max_example_tokens: int = Field(default=1024, ge=64, description="longer examples lose distractors, then stay out")
    passages: int = Field(default=3, ge=1, le=20, description="shown with each question, as serving shows")
    gold_share: float = Field(default=0.8, ge=0, le=1, description="of answerable examples that see their gold passage")
    unanswerable_share: float = Field(default=0.15, ge=0, lt=1, description="of all examples, whose answer is refusal")
    gradient_checkpointing: bool = False
    max_gradient_norm: float = Field(default=1.0, gt=0)
    evaluate_every_steps: int = Field(default=50, ge=1, description="validation loss and a checkpoint")
    patience_evaluations: int = Field(default=3, ge=1, description="without a lower validation loss, then it stops")
    seed: int = Field(default=0, ge=0)
    strategy: Literal["single", "ddp", "fsdp"] = Field(
        default="single", description="several devices: ddp, the whole model on each; fsdp, a share of it on each"
    )
    devices: int = Field(default=1, ge=1, description="GPUs, or processes on a machine without one")


def derive_adapter_id(dataset_id: str, base_hash: str, config: TrainingConfig) -> str:
    """One adapter per data, base model, prompt and configuration; on how many devices it is made decides nothing."""
    alone = config.model_copy(update={"strategy": "single"})
    decisive = alone.model_dump_json(exclude={"preset", "base_model", "micro_batch_examples", "devices"})
    return derive_id("adapter", dataset_id, base_hash, PROMPT_VERSION, decisive)


class ModelShape(Noun):
    """Sizes of a causal language model: what its memory and its arithmetic come from."""

    layers: int = Field(ge=1)
    hidden: int = Field(ge=1)
    intermediate: int = Field(ge=1)
    heads: int = Field(ge=1)
    key_value_heads: int = Field(ge=1)
    head_size: int = Field(ge=1)
    vocabulary: int = Field(ge=1)
    tied: bool = Field(description="whether the output layer is the input embedding")

    @property
    def attention_width(self) -> int:
        """Numbers of a token's queries."""
        return self.heads * self.head_size

    @property
    def key_value_width(self) -> int:
        """Numbers of a token's keys."""
        return self.key_value_heads * self.head_size

    @property
    def linear_shapes(self) -> tuple[tuple[int, int], ...]:
        """(in, out) of the linear maps of a layer, each on its own also where an architecture fuses them."""
        hidden, wide = self.hidden, self.intermediate
        queries, keys = (hidden, self.attention_width), (hidden, self.key_value_width)
        return (queries, keys, keys, (self.attention_width, hidden), (hidden, wide), (hidden, wide), (wide, hidden))

    @property
    def linear_parameters(self) -> int:
        """Of all layers: what QLoRA keeps in 4 bits."""
        return self.layers * sum(before * after for before, after in self.linear_shapes)

    @property
    def other_parameters(self) -> int:
        """Embedding, output layer and norms: what QLoRA keeps in 16 bits."""
        norms = (2 * self.layers + 1) * self.hidden
        return (1 if self.tied else 2) * self.vocabulary * self.hidden + norms

    @property
    def parameters(self) -> int:
        """All of them."""
        return self.linear_parameters + self.other_parameters


class MemoryNeed(NamedTuple):
    """What a method needs beside the activations, and on how many devices it fits."""

    method: str
    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    activations_bytes: int
    devices: int
    arithmetic: str

    @property
    def total_bytes(self) -> int:
        """All together, over all devices."""
        return self.weights_bytes + self.gradients_bytes + self.optimizer_bytes + self.activations_bytes


class TrainingPlan(Noun):
    """What a training would take, before it starts; `lines` shows the arithmetic."""

    adapter_id: str
    examples: int
    left_out: int
    validation_examples: int
    kinds: dict[str, int] = Field(description="examples by kind: gold shown, gold withheld, refusal")
    tokens: int = Field(description="trained over all epochs, padding left out")
    steps: int
    expected_seconds: float | None = Field(description="None: nothing was measured on such a device yet")
    peak_memory_bytes: int = Field(description="expected of this configuration on this machine")
    needs: tuple[MemoryNeed, ...]
    lines: tuple[str, ...]

    def as_markdown(self) -> str:
        """One point a line."""
        return "\n".join(f"- {line}" for line in self.lines)


class Device(Noun):
    """What a training runs on."""

    device_id: str = Field(description="a GPU's UUID; the host's name for its processor")
    kind: Literal["cuda", "cpu"]
    name: str
    total_bytes: int
    free_bytes: int
    used_share: float | None = Field(default=None, description="of its time, just now; None: it does not tell")


class TrainingSummary(Noun):
    """What a training run took and reached."""

    seconds: float = Field(ge=0, description="of all sittings, loading left out")
    tokens: int = Field(ge=0, description="trained, over all epochs, padding left out")
    tokens_per_second: float = Field(ge=0)
    peak_memory_bytes: int = Field(ge=0, description="of the device; of the process on a CPU")
    final_loss: float = Field(description="mean over the last tenth of the steps, on answer tokens")
    validation_loss: float | None = Field(default=None, description="of the weights that were kept")
    steps: int = Field(ge=0)
    examples: int = Field(ge=0)
    left_out: int = Field(default=0, ge=0, description="examples that are too long even without distractors")
    stopped_early: bool = False
    resumed: int = Field(default=0, ge=0, description="times it went on after an interruption")
    device: str = "cpu"


class TrainedAdapter(Noun):
    """What training left on this machine; the registry makes an `Adapter` of it."""

    adapter_id: str
    dataset_id: str
    base_hash: str = Field(description="`fingerprint_model` of the base model's folder")
    folder: str = Field(description="relative to EXPERTLOOP_HOME; weights, their configuration, the loss curve")
    config: TrainingConfig
    summary: TrainingSummary
    is_new: bool = Field(default=True, description="False: it was trained before, and nothing was done")


class AdapterState(StrEnum):
    """What an adapter is; at most one a tenant and scope is the champion, which a row of its own says."""

    CANDIDATE = "candidate"
    REJECTED = "rejected"
    PROMOTED = "promoted"
    MARKED = "marked"


class Adapter(Noun):
    """A registered adapter: its files are complete, hashed and safetensors only."""

    adapter_id: str
    tenant: str
    scope: str = Field(default=EVERYONE, description="who may be served by it: everyone, or one group")
    dataset_id: str
    base_model: str
    base_hash: str
    prompt_version: str
    config: TrainingConfig
    summary: TrainingSummary
    decision: GateDecision | None = None
    state: AdapterState = AdapterState.CANDIDATE
    reason: str = Field(default="", description="why it is marked or rejected")
    url: str = Field(description="folder of its files below EXPERTLOOP_ARTIFACTS_URL; of former releases a whole URL")
    files: dict[str, str] = Field(description="sha256 by name")
    created_at: datetime


class ArmScore(Noun):
    """One arm over the held-out questions; shares are 0 to 1, None where no question can be judged."""

    questions: int
    f1: float | None
    f1_low: float | None = Field(description="95 % bootstrap interval")
    f1_high: float | None
    em: float | None
    contains_gold: float | None
    citation_precision: float | None = None
    citation_recall: float | None = None
    refusal_precision: float | None = None
    refusal_recall: float | None = None
    wrong_on_unanswerable: float | None = Field(default=None, description="unanswerable ones that got an answer")
    supported: float | None = Field(default=None, description="claims that the passages shown support")
    terminology: float | None = Field(default=None, description="share of the reference's terms that are used")
    seconds_per_answer: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    seconds_per_correct: float | None = Field(default=None, description="cost of a correct answer: device time")


class Difference(Noun):
    """tuned+rag against another arm, paired by question."""

    arm: ArmName
    metric: str
    difference: float
    low: float = Field(description="95 % bootstrap interval")
    high: float
    p: float = Field(description="two-sided paired permutation test")
    questions: int
    documents: int = Field(default=0, description="that the questions are about; few decide nothing")


class SliceDifference(Difference):
    """The same over a part of the questions."""

    slice: str = Field(description="for example 'language=de'")


class Forgetting(Noun):
    """What the candidate lost of what has nothing to do with the company."""

    questions: int
    base: float = Field(description="share of general questions answered rightly by the base model")
    tuned: float
    drop: float
    low: float = Field(description="95 % bootstrap interval of the drop")
    high: float
    base_perplexity: float
    tuned_perplexity: float


class Reading(Noun):
    """How much likelier a model finds the expert's answer to a question than that to another one, passages shown."""

    questions: int
    documents: int = Field(description="that the questions are about")
    base: float = Field(description="mean difference of the log-likelihoods, in nats, by the base model")
    tuned: float
    difference: float = Field(description="tuned - base: below 0, the candidate reads less")
    low: float = Field(description="95 % bootstrap interval of the difference, by document")
    high: float


class ArmsReport(Noun):
    """Everything that the gate decides from."""

    dataset_id: str
    adapter_id: str | None = Field(description="None: only the arms of the base model were asked")
    champion_id: str | None = None
    questions: int
    arms: dict[ArmName, ArmScore]
    differences: tuple[Difference, ...] = ()
    slices: tuple[SliceDifference, ...] = ()
    forgetting: Forgetting | None = None
    reading: Reading | None = None

    def as_rows(self) -> list[dict[str, Any]]:
        """A row an arm, for a table."""
        return [{"arm": name} | self.arms[name].model_dump() for name in ARMS if name in self.arms]


class GateDecision(Noun):
    """Whether a candidate replaces the champion, and why, in words and numbers."""

    decision: Verdict
    reasons: tuple[str, ...]


class RetrainRequest(Noun):
    """What `flows/retrain.py` is asked to do."""

    scope: str = Field(default=EVERYONE, description="who will be served: everyone, or one group")
    config: TrainingConfig = TrainingConfig()
    max_questions: int | None = Field(default=None, ge=1, description="held-out questions an arm; None: all of them")
    promote: bool = Field(default=True, description="make it the champion when the gate says so")


class RetrainResult(Noun):
    """What came of it."""

    trained: TrainedAdapter
    report: ArmsReport
    decision: GateDecision
    promoted: bool
    approval_id: str | None = Field(default=None, description="people are asked first: expertloop approvals")


Adapter.model_rebuild()
