"""The `AdapterTrainer` port: one adapter on this machine, through kills and too little memory."""

from __future__ import annotations

import gc
import logging
from functools import cached_property
from pathlib import Path

from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.qlora.base import TransformersBase
from tasks.integrations.qlora.group import train_in_group
from tasks.integrations.qlora.loading import load_trainable
from tasks.integrations.qlora.memory import is_out_of_memory
from tasks.integrations.qlora.quiet import quiet_vendors
from tasks.integrations.qlora.running import Loader, run_training
from tasks.training_models import TrainingConfig
from tasks.training_ports import Report, TrainingJob, TrainingOutcome, TrainingProgress

logger = logging.getLogger(__name__)


class QLoRATrainer:
    """Trains one adapter at a time.

    Args:
        cache: The model cache.
        load: How a model is loaded for training in this process.
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
        share = job.config.batch_examples // job.config.devices
        micro = min(job.config.micro_batch_examples, share)
        while True:
            try:
                return self._train_once(job, base, micro, report)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                note = _halve(micro, share)
                micro //= 2
                logger.warning("training ran out of memory micro_batch=%s", micro)
            # Outside of the handler, whose traceback holds every tensor of the failed step.
            gc.collect()
            report(TrainingProgress(0, 0, None, 0.0, None, note))

    def _train_once(self, job: TrainingJob, base: TransformersBase, micro: int, report: Report) -> TrainingOutcome:
        if job.config.devices > 1:
            return train_in_group(job, base.folder, micro=micro, device=self.device, report=report)
        with quiet_vendors():
            return run_training(
                job, base.folder, base.tokenizer, micro=micro, device=self.device, load=self._load, report=report
            )

    def _require_devices(self, config: TrainingConfig) -> None:
        """Processors can be shared between processes, a GPU cannot, and only GPUs share one model."""
        import torch

        advice = "use a preset for one device, for example 70b-qlora-one-gpu: docs/train.md"
        if self.device == "cpu":
            if config.strategy == "fsdp":
                raise ConfigurationError(
                    f"strategy=fsdp shares one model between {config.devices} GPUs, and there is none here",
                    advice=advice,
                )
        elif torch.cuda.device_count() < config.devices:
            raise ConfigurationError(
                f"the training wants {config.devices} GPUs and sees {torch.cuda.device_count()}", advice=advice
            )


def _halve(micro: int, share: int) -> str:
    """What is told when a process could not compute so many of its share of a step at once."""
    if micro == 1:
        raise BackendUnavailable(
            "the memory does not hold one example at a time",
            advice="lower max_example_tokens, set gradient_checkpointing, or free memory and run it again",
        )
    return (
        f"out of memory with {micro} examples at once: going on with {micro // 2} at once and "
        f"{share // (micro // 2)} rounds a step, which changes no result"
    )
