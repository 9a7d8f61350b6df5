"""An `Embedder` that remembers what it made last: what is asked often is about the same few sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
from cachetools import LRUCache

from tasks.models import EmbedderIdentity
from tasks.ports import Embedder, Vectors

Value = TypeVar("Value")

_MOST_REMEMBERED = 20_000
"""Texts of each kind: with 896 dimensions in 32 bits about 70 MB."""


class RememberingEmbedder:
    """The same as the embedder's, each text computed once while it is remembered; the least used are forgotten."""

    def __init__(self, embedder: Embedder, *, most: int = _MOST_REMEMBERED) -> None:
        self._embedder = embedder
        self._documents = _Memory(lambda texts: _split(embedder.embed_documents(texts)), most)
        self._queries = _Memory(lambda texts: _split(embedder.embed_queries(texts)), most)
        self._counts = _Memory(embedder.count_tokens, most)

    @property
    def identity(self) -> EmbedderIdentity:
        """The embedder's."""
        return self._embedder.identity

    @property
    def max_tokens(self) -> int:
        """The embedder's."""
        return self._embedder.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The embedder's."""
        return self._counts.recall(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """[n x d], in the order of `texts`."""
        return self._stack(self._documents.recall(texts))

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """[n x d], in the order of `questions`."""
        return self._stack(self._queries.recall(questions))

    def _stack(self, vectors: Sequence[Vectors]) -> Vectors:
        return np.stack(vectors) if vectors else np.empty((0, self.identity.dimension), dtype=np.float32)


class _Memory(Generic[Value]):
    """Values by text, shared by threads; two that need the same text at once may both compute it."""

    def __init__(self, compute: Callable[[Sequence[str]], Iterable[Value]], most: int) -> None:
        self._compute = compute
        self._values: LRUCache[str, Value] = LRUCache(most)
        self._lock = Lock()

    def recall(self, texts: Sequence[str]) -> list[Value]:
        """One value a text, in their order."""
        with self._lock:
            found = {text: self._values[text] for text in texts if text in self._values}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            made = dict(zip(missing, self._compute(missing), strict=True))
            with self._lock:
                self._values.update(made)
            found |= made
        return [found[text] for text in texts]


def _split(vectors: Vectors) -> list[Vectors]:
    """Copies: a row would keep the whole batch it was computed in."""
    return [vector.copy() for vector in vectors]
