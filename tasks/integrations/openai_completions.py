"""What servers of OpenAI's protocol send of a chat completion, whole or in pieces; whatever they add is ignored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import AliasChoices, BaseModel, Field

from tasks.answer_models import Generation


class ResponseMessage(BaseModel):
    """The text, or a piece of it."""

    content: str | None = None


class TokenLogprob(BaseModel):
    """Of one token."""

    logprob: float


class Logprobs(BaseModel):
    """Of the tokens of a text."""

    content: list[TokenLogprob] | None = None


class Choice(BaseModel):
    """One answer; only one is asked for."""

    message: ResponseMessage
    finish_reason: str | None = None
    logprobs: Logprobs | None = None

    @property
    def token_logprobs(self) -> list[float]:
        """Of the tokens of the text; none where the server tells none."""
        return [token.logprob for token in (self.logprobs.content if self.logprobs else None) or []]

    @property
    def mean_logprob(self) -> float | None:
        """Over those tokens."""
        return average(self.token_logprobs)


class Usage(BaseModel):
    """What the server counted."""

    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)


class Completion(BaseModel):
    """What of a chat completion is read; everything else a server adds is ignored."""

    choices: list[Choice] = Field(min_length=1)
    usage: Usage | None = None


class ChunkChoice(Choice):
    """A piece of an answer; the whole where the server does not stream."""

    message: ResponseMessage = Field(validation_alias=AliasChoices("delta", "message"))


class Chunk(BaseModel):
    """One event of a streamed chat completion; that with the usage has no choice."""

    choices: list[ChunkChoice] = Field(default_factory=list)
    usage: Usage | None = None


class Written:
    """What has come of a streamed answer."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._logprobs: list[float] = []
        self._usage = Usage()
        self.finish: str | None = None

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(self._pieces)

    def add(self, chunk: Chunk) -> None:
        """Take up the next piece."""
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices[:1]:
            self._pieces.append(choice.message.content or "")
            self._logprobs += choice.token_logprobs
            self.finish = choice.finish_reason or self.finish

    def conclude(self, finish: Literal["stop", "length"]) -> Generation:
        """The generation; tokens are those that the server counted, or told the probabilities of."""
        return Generation(
            text=self.text.strip(),
            prompt_tokens=self._usage.prompt_tokens,
            completion_tokens=self._usage.completion_tokens or len(self._logprobs),
            finish=finish,
            mean_logprob=average(self._logprobs),
        )


def average(logprobs: Sequence[float]) -> float | None:
    """Their mean; None where there are none."""
    return math.fsum(logprobs) / len(logprobs) if logprobs else None
