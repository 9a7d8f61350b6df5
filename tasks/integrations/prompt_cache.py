"""What a local model remembers of the prompts of a batch: read one after the other, written on together, in place.

Prompts of different lengths that are read together need a mask, under which attention also computes what no token may
see, and what two of them begin with is read twice: on a processor they are read faster one by one. Transformers' own
cache copies all keys and values for each new token; here they stay where they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from transformers.cache_utils import Cache, CacheLayerMixin
from typing_extensions import override

from tasks.integrations.chat_tokens import count_shared

READ_AT_ONCE = 2048
"""Tokens: what is between two layers then stays in a processor's cache."""

_KINDS = {"full_attention", "sliding_attention"}
_LENGTH_DEPENDENT = {"longrope", "dynamic"}

KeysValues = tuple[torch.Tensor, torch.Tensor]
"""Of one layer, [rows x heads x tokens x d] each."""


def measure_longest(model: Any) -> float:
    """Most tokens of a text of which a model remembers keys and values that no later token changes.

    0 where it remembers something else. Rotary embeddings of some kinds (Phi-4-mini's "longrope") take other factors
    for the whole of a text as soon as it is longer than those of the first training.
    """
    config = model.config.get_text_config(decoder=True)
    kinds = getattr(config, "layer_types", None) or _KINDS
    if not _KINDS.issuperset(kinds) or not model._supports_default_dynamic_cache() or model._is_stateful:
        return 0
    rope = getattr(config, "rope_parameters", None) or {}
    parts = [rope, *(part for part in rope.values() if isinstance(part, Mapping))]  # for each kind of layer its own
    limits = [
        part.get("original_max_position_embeddings") or config.max_position_embeddings
        for part in parts
        if part.get("rope_type") in _LENGTH_DEPENDENT
    ]
    return min(limits, default=math.inf)


def measure_token(model: Any) -> int:
    """Bytes of the keys and values of one token."""
    config = model.config.get_text_config(decoder=True)
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * model.dtype.itemsize)


class Beginning(NamedTuple):
    """Tokens that many prompts begin with, and what a model remembers of them, by layer."""

    tokens: Sequence[int]
    layers: Sequence[KeysValues]


class PromptCache(Cache):
    """Room for the prompts of a batch, each ending where the longest does, and for what is written after them.

    Args:
        rows: Prompts.
        width: Tokens of the longest.
        room: Most tokens written after each.
    """

    def __init__(self, rows: int, *, width: int, room: int) -> None:
        self._width = width
        self._known: list[tuple[Sequence[int], int]] = []  # what was read of each prompt, and where it starts
        self._place = _Place(slice(0, 1), 0, 0)
        self._layers: list[_Layer] = []
        make: Any = partial(self._make_layer, rows, width + room)
        super().__init__(layer_class_to_replicate=make)

    def read(self, model: Any, prompt: Sequence[int], kept: Beginning | None = None) -> None:
        """Let the model read the next prompt, but for its last token, with which writing begins.

        Where the reading is broken off, by an exception, the next prompt takes its row.

        Args:
            model: A causal language model that remembers as many tokens (`measure_longest`).
            prompt: Its tokens.
            kept: What other calls began with, of the same model with the same adapter.
        """
        row, start = len(self._known), self._width - len(prompt)
        tokens = prompt[:-1]
        done = self._copy_beginning(row, start, tokens, kept)
        decoder = model.get_decoder()
        while done < len(tokens):
            self._move(_Place(slice(row, row + 1), start, done))
            some = tokens[done : done + READ_AT_ONCE]
            decoder(input_ids=torch.tensor([some], device=model.device), past_key_values=self, use_cache=True)
            done += len(some)
        self._known.append((tokens, start))

    def begin_writing(self) -> None:
        """From here on every prompt that was read is written on together with the others."""
        self._move(_Place(slice(0, len(self._known)), 0, self._width - 1))

    def keep_rows(self, rows: Sequence[int]) -> None:
        """Go on writing on these alone, in this order.

        Args:
            rows: Places among those that are written on now, ascending.
        """
        self._known = [self._known[row] for row in rows]
        for layer in self._layers:
            layer.keep_rows(rows)

    def keep_beginning(self, tokens: int) -> Beginning:
        """A copy of what the model remembers of the first tokens of the prompt that it read last."""
        known = self._known[-1][0][:tokens]
        layers = [(keys.clone(), values.clone()) for keys, values in self._view(len(self._known) - 1, len(known))]
        return Beginning(known, layers)

    def _copy_beginning(self, row: int, start: int, tokens: Sequence[int], kept: Beginning | None) -> int:
        """Copy into a row what is known of its first tokens; returns of how many."""
        shared = [count_shared(read, tokens) for read, _ in self._known]
        count, known = max(shared, default=0), kept.layers if kept else []
        if kept and (of_kept := count_shared(kept.tokens, tokens)) >= count:
            count = of_kept
        elif count:
            known = self._view(shared.index(count), count)
        self._move(_Place(slice(row, row + 1), start, 0))
        for number, (keys, values) in enumerate(known):
            self.update(keys[:, :, :count], values[:, :, :count], number)
        return count

    def _view(self, row: int, tokens: int) -> list[KeysValues]:
        place = _Place(slice(row, row + 1), self._known[row][1], tokens)
        return [layer.view(place) for layer in self._layers]

    def _make_layer(self, rows: int, columns: int) -> _Layer:
        self._layers.append(_Layer(rows, columns, self._place))
        return self._layers[-1]

    def _move(self, place: _Place) -> None:
        self._place = place
        for layer in self._layers:
            layer.place = place


class _Place(NamedTuple):
    """The rows that a forward pass is about, the column of their first token, and how many tokens are there."""

    rows: slice
    start: int
    filled: int


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer's part; other places than the one at hand are other prompts'."""

    is_sliding = False  # a window is the mask's affair: all tokens are kept

    def __init__(self, rows: int, columns: int, place: _Place) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shape = rows, columns
        self.place = place

    @override
    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        rows, columns = self._shape
        # Not empty: what a mask hides is multiplied by 0, and what happens to be there may be no number.
        self.keys, self.values = (
            side.new_zeros(rows, side.shape[1], columns, side.shape[3]) for side in (key_states, value_states)
        )
        self.is_initialized = True

    @override
    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> KeysValues:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before = self.place.filled
        self.place = self.place._replace(filled=before + key_states.shape[2])
        keys, values = self.view(self.place)
        keys[:, :, before:] = key_states
        values[:, :, before:] = value_states
        return keys, values

    def view(self, place: _Place) -> KeysValues:
        """The keys and values of a place."""
        assert self.keys is not None
        assert self.values is not None
        columns = slice(place.start, place.start + place.filled)
        return self.keys[place.rows, :, columns], self.values[place.rows, :, columns]

    def keep_rows(self, rows: Sequence[int]) -> None:
        """Move these rows to the front, ascending."""
        for place, row in enumerate(rows):
            if place != row:
                for side in (self.keys, self.values):
                    assert side is not None
                    side[place, :, : self.place.filled] = side[row, :, : self.place.filled]
        self.place = self.place._replace(rows=slice(0, len(rows)))

    @override
    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.place.filled + query_length, 0

    @override
    def get_seq_length(self) -> int:
        return self.place.filled

    @override
    def get_max_length(self) -> int:
        return self._shape[1]
