"""The `AdapterTrainer` port: one adapter on this machine, through kills and too little memory."""

from __future__ import annotations

import gc
import logging
import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.qlora.base import TransformersBase
from tasks.integrations.qlora.checkpoints import Sitting, explain_full_disk, find_checkpoint, read_sitting
from tasks.integrations.qlora.loading import Loaded, load_trainable
from tasks.integrations.qlora.memory import is_out_of_memory, reset_peak
from tasks.integrations.qlora.quiet import quiet_vendors
from tasks.training_models import TrainingConfig, TrainingSummary
from tasks.training_ports import Report, TrainingJob, TrainingOutcome, TrainingProgress

if TYPE_CHECKING:
    from tasks.integrations.qlora.trainer import AnswerTrainer
    from tasks.integrations.qlora.watching import Watch

logger = logging.getLogger(__name__)

Loader = Callable[[Path, TrainingConfig, str], Loaded]


class QLoRATrainer:
    """Trains one adapter at a time.

    Args:
        cache: The model cache.
        load: How a model is loaded for training.
    """

    def __init__(self, *, cache: Path, load: Loader = load_trainable) -> None:
        self._cache = cache
        self._load = load

    @cached_property
    def device(self) -> str:
        """The GPU when there is one."""
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    def open_base(self, base_model: str) -> TransformersBase:
        """Its tokens and its shape."""
        return TransformersBase(base_model, cache=self._cache)

    def train(self, job: TrainingJob, report: Report) -> TrainingOutcome:
        """Train, or go on; with too little memory with half as many examples at once, and as many a step."""
        self._require_devices(job.config)
        base = self.open_base(job.config.base_model)
        micro = min(job.config.micro_batch_examples, job.config.batch_examples)
        while True:
            try:
                with quiet_vendors():
                    return self._train_once(job, base, micro, report)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                note = _halve(micro, job.config.batch_examples)
                micro //= 2
                logger.warning("training ran out of memory micro_batch=%s", micro)
            # Outside of the handler, whose traceback holds every tensor of the failed step.
            gc.collect()
            report(TrainingProgress(0, 0, None, 0.0, None, note))

    def _require_devices(self, config: TrainingConfig) -> None:
        if config.strategy == "single":
            return
        raise ConfigurationError(
            f"strategy=fsdp shares one model between {config.devices} GPUs; this command trains on one device",
            advice="use a preset for one device, for example 70b-qlora-one-gpu: docs/train.md",
        )

    def _train_once(self, job: TrainingJob, base: TransformersBase, micro: int, report: Report) -> TrainingOutcome:
        from tasks.integrations.qlora.trainer import AnswerTrainer
        from tasks.integrations.qlora.watching import Watch

        checkpoints = job.folder / "checkpoints"
        checkpoint = find_checkpoint(checkpoints)
        before = Sitting()
        if checkpoint:
            before = read_sitting(checkpoint)
            before = before._replace(resumed=before.resumed + 1)
        reset_peak(self.device)
        loaded = self._load(base.folder, job.config, self.device)
        watch = Watch(_count_tokens(job), before=before, device=self.device, report=report)
        trainer = AnswerTrainer(
            loaded, job, tokenizer=base.tokenizer, micro_batch=micro, watch=watch, use_cpu=self.device == "cpu"
        )
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        outcome = _describe(trainer, watch, job, self.device)
        _save(loaded.model, job)
        shutil.rmtree(checkpoints, ignore_errors=True)
        return outcome


def _halve(micro: int, batch: int) -> str:
    if micro == 1:
        raise BackendUnavailable(
            "the memory does not hold one example at a time",
            advice="lower max_example_tokens, set gradient_checkpointing, or free memory and run it again",
        )
    return (
        f"out of memory with {micro} examples at once: going on with {micro // 2} at once and "
        f"{batch // (micro // 2)} rounds a step, which changes no result"
    )


def _count_tokens(job: TrainingJob) -> list[int]:
    size = job.config.batch_examples
    steps = [job.order[at : at + size] for at in range(0, len(job.order), size)]
    return [sum(len(job.examples[place].tokens) for place in step) for step in steps]


def _describe(trainer: AnswerTrainer, watch: Watch, job: TrainingJob, device: str) -> TrainingOutcome:
    history = trainer.state.log_history
    losses = [(int(one["step"]), float(one["loss"])) for one in history if "loss" in one]
    judged = [(int(one["step"]), float(one["eval_loss"])) for one in history if "eval_loss" in one]
    last = [loss for _, loss in losses[-max(1, len(losses) // 10) :]]
    spent = watch.sitting()
    tokens = sum(_count_tokens(job)[: trainer.state.global_step])
    summary = TrainingSummary(
        seconds=spent.seconds,
        tokens=tokens,
        tokens_per_second=tokens / spent.seconds,
        peak_memory_bytes=spent.peak_bytes,
        final_loss=sum(last) / len(last),
        validation_loss=min((loss for _, loss in judged), default=None),
        steps=trainer.state.global_step,
        examples=len(job.examples),
        stopped_early=watch.stopped_early,
        resumed=spent.resumed,
        device=device,
    )
    return TrainingOutcome(summary, losses, judged)


def _save(model: Any, job: TrainingJob) -> None:
    """The adapter's two files; its configuration names the base model as ours does, not a folder of this machine."""
    model.peft_config["default"].base_model_name_or_path = job.config.base_model
    try:
        model.save_pretrained(job.folder, safe_serialization=True, save_embedding_layers=False)
        (job.folder / "README.md").unlink(missing_ok=True)
    except OSError as error:
        raise explain_full_disk(job.folder, error) from error
