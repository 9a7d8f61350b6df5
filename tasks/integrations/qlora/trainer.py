"""TRL's `SFTTrainer` with our order, our loss and our checkpoints.

The loss is the same as TRL's; what differs is work: on a CPU TRL multiplies every position with the vocabulary, though
the loss looks at the answer alone. Adapter weights are float32, everything else is computed in the device's dtype.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch.utils.data import DataLoader, Sampler
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer
from typing_extensions import override

from tasks.errors import TrainingDiverged
from tasks.integrations.qlora.checkpoints import explain_full_disk, mark_complete
from tasks.integrations.qlora.loading import Loaded
from tasks.integrations.qlora.watching import Watch
from tasks.training_models import TrainingConfig
from tasks.training_ports import EncodedExample, TrainingJob

_IGNORED = -100
_EVALUATED_AT_ONCE = 2
_KEPT_CHECKPOINTS = 2

BLANK = EncodedExample("", (0,), 0)
"""Teaches nothing: it has no answer."""


_SHARDED: dict[str, Any] = {
    "fsdp": True,
    "fsdp_config": {
        "version": 2,
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "reshard_after_forward": True,
        "state_dict_type": "FULL_STATE_DICT",
        # 4-bit weights cannot wait on the processor: each device loads them whole and gives its share away.
        "cpu_ram_efficient_loading": False,
    },
}
"""One model shared between devices, a decoder layer at a time (FSDP2; QLoRA's weights are stored as numbers that can
be cut). Never run: it needs two GPUs."""


class AnswerTrainer(SFTTrainer):
    """Trains on the answers of pre-tokenised examples, in a given order.

    Args:
        loaded: The model and the dtype it is computed in.
        job: What is learnt.
        tokenizer: Of the base model; only its padding token is used.
        micro_batch: Examples computed at once; a step's gradient does not depend on it.
        watch: Is told what happens.
        use_cpu: Whether the model is on the CPU.
    """

    def __init__(
        self, loaded: Loaded, job: TrainingJob, *, tokenizer: Any, micro_batch: int, watch: Watch, use_cpu: bool
    ) -> None:
        processes = job.config.devices
        self._order = fill_order(job, micro_batch * processes if processes > 1 else 1)
        self._dtype = loaded.dtype
        self._watch = watch
        self._checkpoints = job.folder / "checkpoints"
        self._head = loaded.model.get_output_embeddings()
        validation = sorted(job.validation, key=lambda one: len(one.tokens))
        callbacks: list[Any] = [watch]
        if validation:
            callbacks.append(EarlyStoppingCallback(job.config.patience_evaluations))
        super().__init__(
            model=loaded.model,
            args=_make_arguments(job, micro_batch, use_cpu=use_cpu, validated=bool(validation)),
            train_dataset=_make_dataset([*job.examples, BLANK]),
            eval_dataset=_make_dataset(validation) if validation else None,
            processing_class=tokenizer,
            callbacks=callbacks,
        )
        # It prints to standard output, which belongs to the command.
        self.remove_callback(PrinterCallback)
        # The trainer rounds adapters of 4-bit models to bfloat16, which loses small steps of late training.
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        # Each process drops other inputs; a training that goes on gets the state of its checkpoint.
        torch.manual_seed(job.config.seed + self.args.process_index)

    @override
    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """All of it for every process: it is little, and what is judged does not depend on how many they are."""
        judged: Any = self.eval_dataset
        return DataLoader(judged, batch_size=_EVALUATED_AT_ONCE, collate_fn=self.data_collator)

    @override
    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return _FixedOrder(self._order)

    @override
    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean cross-entropy over the answers' tokens of the whole step.

        Raises:
            TrainingDiverged: It is not a number.
        """
        following = torch.nn.functional.pad(inputs["labels"][:, 1:], (0, 1), value=_IGNORED)
        looked_at = following != _IGNORED
        targets = following[looked_at]
        # The model as a whole is called, since what joins several processes is wrapped around it.
        with (
            torch.autocast(targets.device.type, self._dtype, enabled=self._dtype is not torch.float32),
            _only_at(self._head, looked_at),
        ):
            read = {name: inputs[name] for name in ("input_ids", "attention_mask")}
            logits = model(**read, use_cache=False).logits
        total = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
        if model.training and num_items_in_batch is not None:
            # Tokens are counted over all processes, and gradients are averaged over them.
            loss = total * self.args.world_size / num_items_in_batch
        else:
            loss = total / len(targets)
        if not math.isfinite(loss.item()):
            raise explain_divergence(self.state.global_step + 1)
        return (loss, None) if return_outputs else loss

    @override
    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = self._checkpoints / f"checkpoint-{self.state.global_step}"
        try:
            # Not TRL's own, which would write a model card, too.
            Trainer._save_checkpoint(self, model, trial)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise explain_full_disk(self._checkpoints, error) from error
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            self._mark(folder)

    def _mark(self, folder: Path) -> None:
        try:
            mark_complete(folder, self._watch.sitting())
        except OSError as error:
            raise explain_full_disk(self._checkpoints, error) from error

    def collect_weights(self) -> dict[str, Any] | None:
        """Of a model that processes share, once all have come so far; None: each has them whole."""
        self.accelerator.wait_for_everyone()
        return self.accelerator.get_state_dict(self.model) if self.is_fsdp_enabled else None


@contextmanager
def _only_at(head: torch.nn.Module, looked_at: torch.Tensor) -> Iterator[None]:
    """Let the output layer see some positions alone: what it yields is [n x vocabulary]."""
    handle = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][looked_at],))
    try:
        yield
    finally:
        handle.remove()


def fill_order(job: TrainingJob, multiple: int) -> list[int]:
    """The order with blanks at its end, so that each process has as many examples of the last step."""
    return [*job.order, *[len(job.examples)] * (-len(job.order) % multiple)]


class _FixedOrder(Sampler[int]):
    def __init__(self, order: Sequence[int]) -> None:
        self._order = order

    def __iter__(self) -> Iterator[int]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)


def explain_divergence(step: int) -> TrainingDiverged:
    """The error of a loss that is not a number."""
    return TrainingDiverged(
        f"the loss of step {step} is not a number",
        advice="lower learning_rate or max_gradient_norm, or raise warmup_share; no adapter was written",
        step=step,
    )


def _make_dataset(examples: Sequence[EncodedExample]) -> Any:
    from datasets import Dataset

    labels = []
    for one in examples:
        prompt_tokens = len(one.tokens) - one.answer_tokens
        labels.append([_IGNORED] * prompt_tokens + list(one.tokens[prompt_tokens:]))
    return Dataset.from_dict({"input_ids": [list(one.tokens) for one in examples], "labels": labels})


def count_steps(job: TrainingJob) -> int:
    """Steps of the whole training."""
    return math.ceil(len(job.order) / job.config.batch_examples)


def choose_interval(config: TrainingConfig, steps: int) -> int:
    """Steps between two evaluations: as configured, but four in a short training, so that the best can be kept."""
    return max(1, min(config.evaluate_every_steps, math.ceil(steps / 4)))


def _make_arguments(job: TrainingJob, micro_batch: int, *, use_cpu: bool, validated: bool) -> Any:
    config, steps = job.config, count_steps(job)
    every = choose_interval(config, steps)
    judged: dict[str, Any] = {
        "eval_strategy": "steps",
        "eval_steps": every,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
    }
    return SFTConfig(
        output_dir=str(job.folder / "checkpoints"),
        max_steps=steps,
        per_device_train_batch_size=micro_batch,
        per_device_eval_batch_size=_EVALUATED_AT_ONCE,
        gradient_accumulation_steps=max(1, config.batch_examples // (micro_batch * config.devices)),
        gradient_checkpointing=config.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(config.warmup_share * steps),
        max_grad_norm=config.max_gradient_norm,
        weight_decay=0.0,
        optim="adamw_torch",
        seed=config.seed,
        data_seed=config.seed,
        use_cpu=use_cpu,
        bf16=False,
        fp16=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=_KEPT_CHECKPOINTS,
        restore_callback_states_from_checkpoint=True,
        prediction_loss_only=True,
        ddp_find_unused_parameters=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=not use_cpu,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        **(_SHARDED if config.strategy == "fsdp" else {}),
        **(judged if validated else {}),
    )
