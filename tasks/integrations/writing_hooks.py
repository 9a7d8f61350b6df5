"""What looks on while a local model writes a batch: clocks, watchers, log-probabilities; none changes a token."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tasks.ports import Watcher


class BestLogprobs:
    """Records the log-probability of the token that greedy search takes at each step."""

    def __init__(self) -> None:
        self._steps: list[Any] = []

    def __call__(self, _input_ids: Any, scores: Any) -> Any:
        """Look at the scores [b x v] of the next token."""
        import torch

        self._steps.append(torch.log_softmax(scores.float(), dim=-1).amax(dim=-1))
        return scores

    def measure_mean(self, row: int, tokens: int) -> float | None:
        """Of a row's first tokens."""
        scored = [float(step[row]) for step in self._steps[:tokens]]
        return math.fsum(scored) / len(scored) if scored else None


class ReadingCut(Exception):
    """The time was over while a prompt was still being read."""


@contextmanager
def reading_until(model: Any, deadline: float, *, is_read: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """While the block runs the model looks at the clock before each of its layers; so does who enters it.

    Args:
        model: Reads.
        deadline: Of the monotonic clock.
        is_read: Whether it has read enough to be let alone.

    Raises:
        ReadingCut: It is past the deadline.
    """
    import torch

    def look(*_: Any) -> None:
        if time.monotonic() >= deadline and not is_read():
            raise ReadingCut

    look()
    stacks = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    hooks = [layer.register_forward_pre_hook(look) for stack in stacks for layer in stack if deadline < math.inf]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class Clock:
    """Ends each row when its time is over, and remembers after how many tokens that was.

    Args:
        deadlines: By row, of the monotonic clock.
    """

    def __init__(self, deadlines: Sequence[float]) -> None:
        self._deadlines = deadlines
        self._written = 0
        self.cuts: dict[int, int] = {}

    @property
    def has_begun(self) -> bool:
        """Whether a token is written."""
        return self._written > 0

    def __call__(self, input_ids: Any, _scores: Any, **_: Any) -> Any:
        """[b]: which rows end after this token."""
        import torch

        self._written += 1
        now = time.monotonic()
        over = [deadline <= now for deadline in self._deadlines]
        for row in (row for row, ended in enumerate(over) if ended):
            self.cuts.setdefault(row, self._written)
        return torch.tensor(over, device=input_ids.device)


class Watch:
    """Shows each watched row to its watcher after each token, and ends it when the watcher has read enough.

    Args:
        watchers: By row.
        width: Tokens of the padded prompts, [b x width].
        stops: Tokens that end a row by themselves.
        read: The text of tokens.
    """

    def __init__(
        self,
        watchers: Sequence[Watcher | None],
        *,
        width: int,
        stops: Sequence[int],
        read: Callable[[Sequence[int]], str],
    ) -> None:
        self._watched = {row: watcher for row, watcher in enumerate(watchers) if watcher}
        self._rows = len(watchers)
        self._width = width
        self._stops = frozenset(stops)
        self._read = read
        self.cuts: dict[int, int] = {}

    def __call__(self, input_ids: Any, _scores: Any, **_: Any) -> Any:
        """[b]: which rows end after this token."""
        import torch

        ended = [False] * self._rows
        written = input_ids[:, self._width :].tolist()
        for row, watcher in list(self._watched.items()):
            if written[row][-1] in self._stops:
                del self._watched[row]
            elif not watcher(self._read(written[row])):
                del self._watched[row]
                self.cuts[row] = len(written[row])
                ended[row] = True
        return torch.tensor(ended, device=input_ids.device)
