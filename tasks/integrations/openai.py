"""A `Generator` behind any OpenAI-compatible endpoint: vLLM, llama.cpp's server, Ollama, `transformers serve`, OpenAI.

The server renders the chat template; whether it reads special tokens out of a document's text is its own doing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Literal

from pydantic import ValidationError

from tasks.answer_models import Generation, Message
from tasks.errors import BackendUnavailable, ConfigurationError, DeadlineExceeded
from tasks.integrations.openai_completions import Chunk, Completion, Usage, Written
from tasks.integrations.openai_endpoint import OpenAIEndpoint
from tasks.ports import Watcher
from tasks.settings import Settings

logger = logging.getLogger(__name__)

_BYTES_PER_TOKEN = 3
"""Fewer than tokenizers need on prose, so that a prompt is hardly ever longer than it was counted."""
_STREAM_EXTRAS: Sequence[Mapping[str, Any]] = (
    {"logprobs": True, "stream_options": {"include_usage": True}},
    {"logprobs": True},
    {},
)
"""What is asked for besides a stream, until a server refuses it."""
_ADVICE = (
    "check EXPERTLOOP_GENERATOR_URL (it ends with /v1), EXPERTLOOP_GENERATOR_MODEL, EXPERTLOOP_GENERATOR_KEY and"
    " EXPERTLOOP_ANSWER_PASSAGES"
)


class OpenAIGenerator:
    """Chat completions by URL, key and model name; several requests at once, the first failure raised.

    Args:
        settings: `generator_url`, `generator_model`, `generator_key` and `generator_timeout_seconds`.
        model: Asked for, instead of `generator_model`.
        context_tokens: Longest prompt plus answer; the protocol does not tell it.
        concurrency: Requests in flight at once.

    Raises:
        ConfigurationError: The address or the model's name is missing or wrong.
    """

    is_watched_freely = False
    """Servers count and tell less of a stream."""

    def __init__(
        self, settings: Settings, *, model: str | None = None, context_tokens: int = 8192, concurrency: int = 8
    ) -> None:
        self._endpoint = open_endpoint(settings)
        self._model = model or str(settings.generator_model)
        self._context_tokens = context_tokens
        self._concurrency = concurrency
        self._asks_logprobs = True
        self._refused_extras = 0
        self._streams = True

    @property
    def identity(self) -> str:
        """The model's name at the host that serves it."""
        return f"{self._model}@{self._endpoint.name}"

    @property
    def context_tokens(self) -> int:
        """Longest prompt plus answer, as set."""
        return self._context_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """An upper estimate for prose: the tokenizer is on the other side."""
        return [len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN + 1 for text in texts]

    def generate(
        self, prompts: Sequence[Sequence[Message]], *, max_tokens: int, within_seconds: Sequence[float | None] = ()
    ) -> list[Generation]:
        """One completion a prompt, in their order; an empty one where its time was over before it came.

        Raises:
            BackendUnavailable: Refused, too slow, its own failure (5xx), or no chat completion in the answer.
            RateLimited: 429, with the seconds it asks for.
            ConfigurationError: Any other refusal; the advice names the settings to look at.
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
        """`generate`; answers that are watched are streamed, and what was read enough of is broken off at the server.

        One whose time is over is what had come by then. Raises what `generate` raises.
        """
        if not prompts:
            return []
        now = time.monotonic()
        deadlines = [limit and now + limit for limit in within_seconds or [None] * len(prompts)]
        with ThreadPoolExecutor(min(self._concurrency, len(prompts))) as pool:
            futures = [
                pool.submit(self._answer_in_time, prompt, max_tokens, deadline, watcher)
                for prompt, deadline, watcher in zip(prompts, deadlines, watchers, strict=True)
            ]
            try:
                return [future.result() for future in futures]
            finally:
                for future in futures:
                    future.cancel()

    def _answer_in_time(
        self, prompt: Sequence[Message], max_tokens: int, deadline: float | None, watcher: Watcher | None
    ) -> Generation:
        """What there is when the time is over: that is the asker's doing, and no failure of the endpoint."""
        left = None if deadline is None else deadline - time.monotonic()
        written = Written()
        body = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in prompt],
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        try:
            if left is None or left > 0:
                if watcher and self._streams:
                    return self._write(body, left, watcher, written)
                return self._complete(body, left)
        except DeadlineExceeded:
            logger.info("generation cut host=%s", self._endpoint.name)
        return self._break_off(written, body, "length")

    def _write(
        self, body: dict[str, Any], within_seconds: float | None, watcher: Watcher, written: Written
    ) -> Generation:
        """Streamed to its watcher, with all that the server grants; whole where it refuses to stream at all."""
        for place, extras in list(enumerate(_STREAM_EXTRAS))[self._refused_extras :]:
            try:
                generation = self._follow({**body, "stream": True, **extras}, within_seconds, watcher, written)
            except ConfigurationError:
                if written.text:
                    raise
            else:
                self._refused_extras = place
                return generation
        generation = self._complete(body, within_seconds)
        self._streams = False
        return generation

    def _follow(
        self, request: dict[str, Any], within_seconds: float | None, watcher: Watcher, written: Written
    ) -> Generation:
        with closing(self._endpoint.stream("chat/completions", request, within_seconds=within_seconds)) as events:
            for event in events:
                try:
                    written.add(Chunk.model_validate(event))
                except ValidationError as error:
                    raise self._is_no_completion() from error
                if not watcher(written.text) and written.finish is None:
                    return self._break_off(written, request, "stop")
        if written.finish is None:
            raise BackendUnavailable(f"{self.identity} breaks off its answer", advice=_ADVICE)
        return written.conclude("length" if written.finish == "length" else "stop")

    def _break_off(self, written: Written, body: dict[str, Any], finish: Literal["stop", "length"]) -> Generation:
        """What had come; the server has not counted it."""
        generation = written.conclude(finish)
        if not generation.text:
            return generation
        counted = self.count_tokens([*(message["content"] for message in body["messages"]), generation.text])
        asked, said = sum(counted[:-1]), generation.completion_tokens or counted[-1]
        return generation.model_copy(update={"prompt_tokens": asked, "completion_tokens": said})

    def _is_no_completion(self) -> BackendUnavailable:
        return BackendUnavailable(f"{self.identity} sends no chat completion", advice=_ADVICE)

    def _complete(self, body: dict[str, Any], within_seconds: float | None) -> Generation:
        answer = self._post(body, within_seconds)
        try:
            completion = Completion.model_validate(answer)
        except ValidationError as error:
            raise self._is_no_completion() from error
        choice, usage = completion.choices[0], completion.usage or Usage()
        return Generation(
            text=(choice.message.content or "").strip(),
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            finish="length" if choice.finish_reason == "length" else "stop",
            mean_logprob=choice.mean_logprob,
        )

    def _post(self, body: dict[str, Any], within_seconds: float | None) -> Any:
        """The server's answer; log-probabilities are asked for until a server takes requests without them alone."""
        if self._asks_logprobs:
            try:
                return self._endpoint.post(
                    "chat/completions", {**body, "logprobs": True}, within_seconds=within_seconds
                )
            except ConfigurationError:
                answer = self._post_plain(body, within_seconds)
                self._asks_logprobs = False
                return answer
        return self._post_plain(body, within_seconds)

    def _post_plain(self, body: dict[str, Any], within_seconds: float | None) -> Any:
        try:
            return self._endpoint.post("chat/completions", body, within_seconds=within_seconds)
        except ConfigurationError as error:
            raise ConfigurationError(error.message, advice=_ADVICE) from error


def open_endpoint(settings: Settings) -> OpenAIEndpoint:
    """The generator's endpoint.

    Raises:
        ConfigurationError: Its address or its model's name is missing or wrong.
    """
    if not settings.generator_url or not settings.generator_model:
        raise ConfigurationError(
            "the endpoint of the generator is not set",
            advice="set EXPERTLOOP_GENERATOR_URL (it ends with /v1) and EXPERTLOOP_GENERATOR_MODEL",
        )
    return OpenAIEndpoint(
        settings.generator_url, key=settings.generator_key, timeout_seconds=settings.generator_timeout_seconds
    )
