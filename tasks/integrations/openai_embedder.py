"""An `Embedder` behind any OpenAI-compatible endpoint: OpenAI, jina, vLLM, Ollama and others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ValidationError

from tasks.errors import ConfigurationError
from tasks.integrations.onnx_encoder import replace_surrogates
from tasks.integrations.openai_endpoint import OpenAIEndpoint
from tasks.models import EmbedderIdentity
from tasks.ports import Vectors

JinaTask = Literal["retrieval.query", "retrieval.passage"]

_BATCH_TEXTS = 64
_READS_TOKENS = (("text-embedding-", 8191), ("jina-embeddings-", 8192))
_OTHERS_READ_TOKENS = 512
_KNOWS_TASKS = re.compile(r"(?:^|/)jina-embeddings-v(?:[3-9]|\d\d)")
_WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")
_LETTERS_A_TOKEN = 5
_WIDE = 0x2E80
"""From here on scripts write words without spaces, about a token a character."""


class _Row(BaseModel):
    index: int | None = None
    embedding: list[float]


class _Answer(BaseModel):
    data: list[_Row]


class OpenAIEmbedder:
    """Embeds over HTTP, `batch_texts` at a time.

    The dimension is asked once when it is not set, and every answer is checked against it.

    Args:
        endpoint: Where.
        model: The model's name there; jina's v3 and later are told whether a text is a question or a passage.
        dimensions: Asked of models that can shorten their vectors (`text-embedding-3-*`, jina).
        batch_texts: Longest request.
    """

    def __init__(
        self, endpoint: OpenAIEndpoint, *, model: str, dimensions: int | None = None, batch_texts: int = _BATCH_TEXTS
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._dimensions = dimensions
        self._batch_texts = batch_texts

    @cached_property
    def identity(self) -> EmbedderIdentity:
        """The model's name, and the dimension of a first answer: an endpoint that cannot answer fails here."""
        dimension = self._request(["dimension"], "retrieval.query").shape[1]
        return EmbedderIdentity(name=self._model, revision=self._model, dimension=dimension)

    @property
    def max_tokens(self) -> int:
        """What the model family documents; 512 for unknown ones."""
        name = self._model.rpartition("/")[2]
        return next((tokens for start, tokens in _READS_TOKENS if name.startswith(start)), _OTHERS_READ_TOKENS)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """An estimate, rather too high: the endpoint keeps its tokenizer to itself."""
        return [_estimate_tokens(text) for text in texts]

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """[n x d], in the order of `texts`.

        Raises:
            RateLimited, BackendUnavailable: Later may help.
            ConfigurationError: The endpoint refuses, or answers with another count or dimension.
        """
        return self._embed(texts, "retrieval.passage")

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """[n x d], in the order of `questions`; raises what `embed_documents` raises."""
        return self._embed(questions, "retrieval.query")

    def _embed(self, texts: Sequence[str], task: JinaTask) -> Vectors:
        vectors = np.empty((len(texts), self.identity.dimension), dtype=np.float32)
        for start in range(0, len(texts), self._batch_texts):
            batch = texts[start : start + self._batch_texts]
            rows = self._request(batch, task)
            if rows.shape[1] != self.identity.dimension:
                raise self._refuse(f"{rows.shape[1]} dimensions where it had {self.identity.dimension}")
            vectors[start : start + len(batch)] = rows
        return vectors

    def _request(self, texts: Sequence[str], task: JinaTask) -> Vectors:
        """[n x d] of one batch, checked and L2-normalised."""
        # An empty input is refused by OpenAI; a space is not.
        body: dict[str, Any] = {"model": self._model, "input": [replace_surrogates(text) or " " for text in texts]}
        if self._dimensions:
            body["dimensions"] = self._dimensions
        if _KNOWS_TASKS.search(self._model):
            body["task"] = task
        return self._check(self._endpoint.post("embeddings", body), len(texts))

    def _check(self, payload: Any, count: int) -> Vectors:
        try:
            rows = _Answer.model_validate(payload).data
        except ValidationError as error:
            raise self._refuse("something that is not a list of embeddings") from error
        if len(rows) != count:
            raise self._refuse(f"{len(rows)} vectors for {count} texts")
        if all(row.index is not None for row in rows):
            rows = sorted(rows, key=lambda row: row.index or 0)
        lengths = {len(row.embedding) for row in rows}
        if len(lengths) > 1 or 0 in lengths or (self._dimensions and lengths != {self._dimensions}):
            wanted = f", not {self._dimensions} as asked" if self._dimensions else ""
            raise self._refuse(f"vectors of {sorted(lengths)} dimensions{wanted}")
        vectors = np.array([row.embedding for row in rows], dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise self._refuse("vectors that are zero or not numbers")
        normalised: Vectors = vectors / norms
        return normalised

    def _refuse(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"model {self._model} at {self._endpoint.name} answers with {what}",
            advice="check EXPERTLOOP_EMBEDDER_MODEL and EXPERTLOOP_EMBEDDER_DIMENSIONS; a new model needs a new ingest",
        )


def _estimate_tokens(text: str) -> int:
    """A token for every five letters of a word, each mark and each wide character, and two special ones."""
    tokens = 2
    for match in _WORD_OR_MARK.finditer(text):
        word = match.group()
        wide = 0 if word.isascii() else sum(ord(letter) >= _WIDE for letter in word)
        tokens += wide + -(-(len(word) - wide) // _LETTERS_A_TOKEN)
    return tokens
