"""A `Generator` behind any OpenAI-compatible endpoint: vLLM, llama.cpp's server, Ollama, `transformers serve`, OpenAI.

The server renders the chat template; whether it reads special tokens out of a document's text is its own doing.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from tasks.errors import BackendUnavailable, ConfigurationError, DeadlineExceeded
from tasks.integrations.openai_endpoint import OpenAIEndpoint
from tasks.models import Generation, Message
from tasks.settings import Settings

logger = logging.getLogger(__name__)

_BYTES_PER_TOKEN = 3
"""Fewer than tokenizers need on prose, so that a prompt is hardly ever longer than it was counted."""
_ADVICE = (
    "check EXPERTLOOP_GENERATOR_URL (it ends with /v1), EXPERTLOOP_GENERATOR_MODEL, EXPERTLOOP_GENERATOR_KEY and"
    " EXPERTLOOP_ANSWER_PASSAGES"
)


class _ResponseMessage(BaseModel):
    content: str | None = None


class _TokenLogprob(BaseModel):
    logprob: float


class _Logprobs(BaseModel):
    content: list[_TokenLogprob] | None = None


class _Choice(BaseModel):
    message: _ResponseMessage
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None

    @property
    def mean_logprob(self) -> float | None:
        """Over the tokens of the text; None where the server tells none."""
        tokens = (self.logprobs.content if self.logprobs else None) or []
        return math.fsum(token.logprob for token in tokens) / len(tokens) if tokens else None


class _Usage(BaseModel):
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)


class _Completion(BaseModel):
    """What of a chat completion is read; everything else a server adds is ignored."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


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

    def __init__(
        self, settings: Settings, *, model: str | None = None, context_tokens: int = 8192, concurrency: int = 8
    ) -> None:
        self._endpoint = open_endpoint(settings)
        self._model = model or str(settings.generator_model)
        self._context_tokens = context_tokens
        self._concurrency = concurrency
        self._asks_logprobs = True

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
        if not prompts:
            return []
        now = time.monotonic()
        deadlines = [limit and now + limit for limit in within_seconds or [None] * len(prompts)]
        with ThreadPoolExecutor(min(self._concurrency, len(prompts))) as pool:
            futures = [
                pool.submit(self._complete_in_time, prompt, max_tokens, deadline)
                for prompt, deadline in zip(prompts, deadlines, strict=True)
            ]
            try:
                return [future.result() for future in futures]
            finally:
                for future in futures:
                    future.cancel()

    def _complete_in_time(self, prompt: Sequence[Message], max_tokens: int, deadline: float | None) -> Generation:
        """Nothing when the time is over: that is the asker's doing, and no failure of the endpoint."""
        left = None if deadline is None else deadline - time.monotonic()
        try:
            if left is None or left > 0:
                return self._complete(prompt, max_tokens, left)
        except DeadlineExceeded:
            logger.info("generation cut host=%s", self._endpoint.name)
        return Generation(text="", prompt_tokens=0, completion_tokens=0, finish="length")

    def _complete(self, prompt: Sequence[Message], max_tokens: int, within_seconds: float | None) -> Generation:
        body = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in prompt],
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        answer = self._post(body, within_seconds)
        try:
            completion = _Completion.model_validate(answer)
        except ValidationError as error:
            raise BackendUnavailable(f"{self.identity} sends no chat completion", advice=_ADVICE) from error
        choice, usage = completion.choices[0], completion.usage or _Usage()
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
