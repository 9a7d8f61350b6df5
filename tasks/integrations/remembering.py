"""An `Embedder` that remembers the vectors of the sentences it embedded: askers meet the same passages again and again.

Most of an extractive answer's time goes into embedding the sentences of the passages found. A vector depends on its
text alone, so remembering changes no answer; it is bound to the embedder it wraps, and to a number of texts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from tasks.models import EmbedderIdentity
from tasks.ports import Embedder, Vectors

MOST_VECTORS = 20_000
"""At 896 dimensions about 70 MB."""


class RememberingEmbedder:
    """Asks the embedder only for documents' texts that it did not embed lately; questions are embedded each time.

    Args:
        embedder: Does the work.
        most: Vectors that are remembered; the one that was not needed for the longest time goes first.
    """

    def __init__(self, embedder: Embedder, *, most: int = MOST_VECTORS) -> None:
        self._embedder = embedder
        self._most = most
        self._lock = Lock()
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    @property
    def identity(self) -> EmbedderIdentity:
        """The wrapped one's."""
        return self._embedder.identity

    @property
    def max_tokens(self) -> int:
        """The wrapped one's."""
        return self._embedder.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included."""
        return self._embedder.count_tokens(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """[n x d], in the order of `texts`."""
        found = self._recall(texts)
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if new:
            vectors = self._embedder.embed_documents(new)
            # Copies: a row alone must not keep the whole matrix alive.
            found |= {text: vector.copy() for text, vector in zip(new, vectors, strict=True)}
        self._remember(found)
        if not texts:
            return self._embedder.embed_documents([])
        return np.stack([found[text] for text in texts])

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """[n x d], in the order of `questions`."""
        return self._embedder.embed_queries(questions)

    def _recall(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        with self._lock:
            return {text: self._vectors[text] for text in texts if text in self._vectors}

    def _remember(self, found: dict[str, NDArray[np.float32]]) -> None:
        with self._lock:
            for text, vector in found.items():
                self._vectors[text] = vector
                self._vectors.move_to_end(text)
            while len(self._vectors) > self._most:
                self._vectors.popitem(last=False)
