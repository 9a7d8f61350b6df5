"""TRL's `SFTTrainer` with our order, our loss and our checkpoints.

The loss is the same as TRL's; what differs is work: on a CPU TRL multiplies every position with the vocabulary, though
the loss looks at the answer alone. Adapter weights are float32, everything else is computed in the device's dtype.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from torch.utils.data import Sampler
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
        self._order = list(job.order)
        self._dtype = loaded.dtype
        self._watch = watch
        self._checkpoints = job.folder / "checkpoints"
        validation = sorted(job.validation, key=lambda one: len(one.tokens))
        callbacks: list[Any] = [watch]
        if validation:
            callbacks.append(EarlyStoppingCallback(job.config.patience_evaluations))
        super().__init__(
            model=loaded.model,
            args=_make_arguments(job, micro_batch, use_cpu=use_cpu, validated=bool(validation)),
            train_dataset=_make_dataset(job.examples),
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
        targets = inputs["labels"][:, 1:]
        looked_at = targets != _IGNORED
        causal = model.get_base_model()
        with torch.autocast(targets.device.type, self._dtype, enabled=self._dtype is not torch.float32):
            decoded = causal.base_model(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False
            )
            logits = causal.get_output_embeddings()(decoded.last_hidden_state[:, :-1][looked_at])
        total = torch.nn.functional.cross_entropy(logits.float(), targets[looked_at], reduction="sum")
        loss = total / (looked_at.sum() if num_items_in_batch is None else num_items_in_batch)
        if not math.isfinite(loss.item()):
            raise explain_divergence(self.state.global_step + 1)
        return (loss, None) if return_outputs else loss

    @override
    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = self._checkpoints / f"checkpoint-{self.state.global_step}"
        try:
            # Not TRL's own, which would write a model card, too.
            Trainer._save_checkpoint(self, model, trial)
            mark_complete(folder, self._watch.sitting())
        except (OSError, SafetensorError, RuntimeError) as error:
            raise explain_full_disk(self._checkpoints, error) from error


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

    labels = [
        [_IGNORED] * (len(one.tokens) - one.answer_tokens) + list(one.tokens[-one.answer_tokens :]) for one in examples
    ]
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
        gradient_accumulation_steps=max(1, config.batch_examples // micro_batch),
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
        dataloader_num_workers=0,
        dataloader_pin_memory=not use_cpu,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        **(judged if validated else {}),
    )
