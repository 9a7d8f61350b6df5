"""One training from its weights to its adapter's files, in this process: alone, or as one of several."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.integrations.qlora.checkpoints import Sitting, explain_full_disk, find_checkpoint, read_sitting
from tasks.integrations.qlora.loading import Loaded
from tasks.integrations.qlora.memory import reset_peak
from tasks.training_models import TrainingConfig, TrainingSummary
from tasks.training_ports import Report, TrainingJob, TrainingOutcome

if TYPE_CHECKING:
    from tasks.integrations.qlora.trainer import AnswerTrainer
    from tasks.integrations.qlora.watching import Watch

Loader = Callable[[Path, TrainingConfig, str], Loaded]


def run_training(
    job: TrainingJob, base: Path, tokenizer: Any, *, micro: int, device: str, load: Loader, report: Report
) -> TrainingOutcome:
    """Train, or go on from the last checkpoint, and leave the adapter's two files.

    Args:
        base: The base model's folder.
        tokenizer: The base model's.
        micro: Examples that a process computes at once.
        device: "cuda" or "cpu".
        load: How a model is loaded for training.
        report: Is told of each step, by every process that trains.
    """
    from tasks.integrations.qlora.trainer import AnswerTrainer
    from tasks.integrations.qlora.watching import Watch

    checkpoints = job.folder / "checkpoints"
    checkpoint = find_checkpoint(checkpoints)
    before = Sitting()
    if checkpoint:
        before = read_sitting(checkpoint)
        before = before._replace(resumed=before.resumed + 1)
    reset_peak(device)
    loaded = load(base, job.config, device)
    watch = Watch(_count_tokens(job), before=before, device=device, report=report)
    trainer = AnswerTrainer(loaded, job, tokenizer=tokenizer, micro_batch=micro, watch=watch, use_cpu=device == "cpu")
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    outcome = _describe(trainer, watch, job, device)
    weights = trainer.collect_weights()
    if trainer.args.should_save:
        _save(loaded.model, weights, job)
        shutil.rmtree(checkpoints, ignore_errors=True)
    return outcome


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


def _save(model: Any, weights: dict[str, Any] | None, job: TrainingJob) -> None:
    """The adapter's two files; its configuration names the base model as ours does, not a folder of this machine."""
    model.peft_config["default"].base_model_name_or_path = job.config.base_model
    try:
        model.save_pretrained(job.folder, state_dict=weights, safe_serialization=True, save_embedding_layers=False)
        (job.folder / "README.md").unlink(missing_ok=True)
    except OSError as error:
        raise explain_full_disk(job.folder, error) from error
