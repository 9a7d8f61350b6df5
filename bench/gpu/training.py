"""LoRA and QLoRA as `expertloop train` does them, at several numbers of tokens a step."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.gpu.device import free
from bench.gpu.shapes import Size, count_flops, draw_examples, read_shape
from tasks.integrations.qlora import QLoRATrainer
from tasks.integrations.qlora.loading import Loaded, load_trainable
from tasks.training.plan import count_adapter
from tasks.training.presets import make_config
from tasks.training_models import TrainingConfig
from tasks.training_ports import TrainingJob

PRESETS = ("phi-3-mini-lora", "phi-3-mini-qlora")


def measure_training(size: Size, work: Path, device: str) -> Iterator[dict[str, Any]]:
    """A row for each preset and batch; a preset's weights are loaded once."""
    for preset in PRESETS:
        keeper = _Keeper()
        trainer = QLoRATrainer(cache=work, load=keeper.load)
        for examples, tokens in size.batches:
            yield _train(trainer, preset, size, work, examples, tokens)
        del trainer, keeper
        free(device)


class _Keeper:
    """Loads a model once: a step takes as long on weights that were trained before."""

    def __init__(self) -> None:
        self._loaded: Loaded | None = None

    def load(self, folder: Path, config: TrainingConfig, device: str) -> Loaded:
        self._loaded = self._loaded or load_trainable(folder, config, device)
        return self._loaded


def _train(trainer: QLoRATrainer, preset: str, size: Size, work: Path, examples: int, tokens: int) -> dict[str, Any]:
    values = {"base_model": str(work / "model"), "batch_examples": examples, "micro_batch_examples": examples}
    config = make_config(preset, values)
    drawn = draw_examples(size, examples, tokens)
    folder = work / "trained" / f"{preset}-{examples}-{tokens}"
    folder.mkdir(parents=True)
    ends: list[float] = []
    notes: list[str] = []

    def report(progress: Any) -> None:
        if progress.note:
            notes.append(progress.note)
        else:
            ends.append(time.perf_counter())

    outcome = trainer.train(TrainingJob(config, folder, drawn, list(range(len(drawn))), []), report)
    # The first step, which compiles and allocates, is not between two ends.
    seconds = statistics.median(after - before for before, after in itertools.pairwise(ends))
    shape = read_shape(size.small)
    flops = count_flops(shape, count_adapter(shape, config), examples, tokens, size.answer_tokens)
    return {
        "method": config.method,
        "tokens_per_step": examples * tokens,
        "seconds_per_step": seconds,
        "tokens_per_second": examples * tokens / seconds,
        "peak_memory_bytes": outcome.summary.peak_memory_bytes,
        "flops_per_second": flops / seconds,
        "note": "; ".join(notes),
    }
