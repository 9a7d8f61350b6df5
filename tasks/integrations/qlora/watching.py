"""Looks over a training's shoulder: progress, time and memory spent, the last evaluation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback
from typing_extensions import override

from tasks.integrations.qlora.checkpoints import Sitting
from tasks.integrations.qlora.memory import read_peak
from tasks.training_ports import Report, TrainingProgress


class Watch(TrainerCallback):
    """Tells `report` after every step.

    Args:
        step_tokens: Tokens of each step, padding left out.
        before: What earlier sittings spent.
        device: Whose memory is looked at.
        report: Is told.
    """

    def __init__(self, step_tokens: Sequence[int], *, before: Sitting, device: str, report: Report) -> None:
        self._step_tokens = step_tokens
        self._before = before
        self._device = device
        self._report = report
        self._started = time.perf_counter()
        self._first_step: int | None = None
        self.stopped_early = False

    def sitting(self) -> Sitting:
        """What was spent until now, over all sittings."""
        seconds = self._before.seconds + time.perf_counter() - self._started
        return Sitting(seconds, max(self._before.peak_bytes, read_peak(self._device)), self._before.resumed)

    @override
    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Steps before this one belong to earlier sittings."""
        self._first_step = state.global_step
        self._started = time.perf_counter()

    @override
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The last weights are evaluated and kept, too."""
        if state.global_step >= state.max_steps:
            control.should_save = True
            control.should_evaluate = args.eval_strategy != "no"

    @override
    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Logging is after every step."""
        if not logs or "loss" not in logs:
            return
        done = sum(self._step_tokens[self._first_step or 0 : state.global_step])
        left = sum(self._step_tokens[state.global_step :])
        speed = done / max(1e-9, time.perf_counter() - self._started)
        self._report(
            TrainingProgress(
                step=state.global_step,
                steps=state.max_steps,
                loss=float(logs["loss"]),
                tokens_per_second=speed,
                seconds_left=left / speed if speed else None,
            )
        )

    @override
    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Before the end only patience ends a training."""
        self.stopped_early = state.global_step < state.max_steps
