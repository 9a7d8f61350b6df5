"""An `Embedder` that remembers the vectors it made last: what is asked often is about the same few sentences."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np

from tasks.models import EmbedderIdentity
from tasks.ports import Embedder, Vectors

_MOST_REMEMBERED = 20_000
"""Vectors of each kind: with 896 dimensions in 32 bits about 70 MB."""


class RememberingEmbedder:
    """The same vectors as the embedder's, each computed once while it is remembered; the least used are forgotten."""

    def __init__(self, embedder: Embedder, *, most: int = _MOST_REMEMBERED) -> None:
        self._embedder = embedder
        self._documents = _Memory(embedder.embed_documents, most)
        self._queries = _Memory(embedder.embed_queries, most)

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
        return self._embedder.count_tokens(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """[n x d], in the order of `texts`."""
        return self._documents.embed(texts, self.identity.dimension)

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """[n x d], in the order of `questions`."""
        return self._queries.embed(questions, self.identity.dimension)


class _Memory:
    """Vectors by text, shared by threads; two that need the same text at once may both compute it."""

    def __init__(self, compute: Callable[[Sequence[str]], Vectors], most: int) -> None:
        self._compute = compute
        self._most = most
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = Lock()

    def embed(self, texts: Sequence[str], dimension: int) -> Vectors:
        found = self._recall(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            found.update(zip(missing, self._compute(missing), strict=True))
            self._remember({text: found[text] for text in missing})
        if not texts:
            return np.empty((0, dimension), dtype=np.float32)
        return np.stack([found[text] for text in texts])

    def _recall(self, texts: Sequence[str]) -> dict[str, Vectors]:
        with self._lock:
            known = {text: self._vectors[text] for text in texts if text in self._vectors}
            for text in known:
                self._vectors.move_to_end(text)
        return known

    def _remember(self, made: dict[str, Vectors]) -> None:
        with self._lock:
            # Copies: a row would keep the whole batch it was computed in.
            self._vectors.update((text, vector.copy()) for text, vector in made.items())
            while len(self._vectors) > self._most:
                self._vectors.popitem(last=False)
