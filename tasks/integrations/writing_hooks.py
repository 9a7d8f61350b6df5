"""What looks on while a local model writes a batch: clocks, watchers, log-probabilities; none changes a token."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tasks.ports import Watcher


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


class Row:
    """One answer of a batch while it is written, greedily.

    Args:
        deadline: Of the monotonic clock: it ends with the token after which that is over.
        watcher: Shown the text after each token; it ends when enough is read.
    """

    def __init__(self, deadline: float, watcher: Watcher | None) -> None:
        self.deadline = deadline
        self.watcher = watcher
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        """Of its tokens, and of what ended it by itself."""
        self.is_over = False
        self.is_whole = False
        """Whether it ended by itself or enough of it was read."""


class WritingHooks:
    """Looks on at each token of a batch, and ends the writing as soon as half of its rows are over.

    What goes on then costs a step of half as many rows: who writes goes on with them alone.

    Args:
        rows: Those that are written together, none of them over.
        stops: Tokens that end a row by themselves.
        read: The text of tokens.
    """

    def __init__(self, rows: Sequence[Row], *, stops: Sequence[int], read: Callable[[Sequence[int]], str]) -> None:
        self._rows = rows
        self._stops = frozenset(stops)
        self._read = read

    def see_scores(self, _input_ids: Any, scores: Any) -> Any:
        """A logits processor: looks at the scores [b x v] of the next token, and changes none."""
        import torch

        best = torch.log_softmax(scores.float(), dim=-1).amax(dim=-1).tolist()
        for row, logprob in zip(self._rows, best, strict=True):
            if not row.is_over:
                row.logprobs.append(logprob)
        return scores

    def see_tokens(self, input_ids: Any, _scores: Any, **_: Any) -> Any:
        """A stopping criterion: [b] which rows end after the last of the tokens [b x n]; all once half are over."""
        import torch

        now = time.monotonic()
        for row, token in zip(self._rows, input_ids[:, -1].tolist(), strict=True):
            if not row.is_over:
                self._see(row, token, now)
        over = [row.is_over for row in self._rows]
        if 2 * sum(over) >= len(over):
            over = [True] * len(over)
        return torch.tensor(over, device=input_ids.device)

    def _see(self, row: Row, token: int, now: float) -> None:
        if token in self._stops:
            row.is_over = row.is_whole = True
            return
        row.tokens.append(token)
        row.is_over = row.deadline <= now
        if row.watcher and not row.watcher(self._read(row.tokens)):
            row.is_over = row.is_whole = True
