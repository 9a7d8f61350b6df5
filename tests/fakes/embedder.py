"""An embedder of 16 dimensions that hashes words: similar texts share words, and it is exact and fast."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from tasks.models import EmbedderIdentity
from tasks.ports import Vectors

DIMENSION = 16


class FakeEmbedder:
    """Counts what it was asked to embed."""

    def __init__(self, name: str = "fake", dimension: int = DIMENSION) -> None:
        self.identity = EmbedderIdentity(name=name, revision="1", dimension=dimension)
        self.max_tokens = 64
        self.embedded = 0

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """A token a word."""
        return [len(text.split()) for text in texts]

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """[n x d]."""
        self.embedded += len(texts)
        return self.embed_queries(texts)

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """[n x d]."""
        vectors = np.zeros((len(questions), self.identity.dimension), dtype=np.float32)
        for row, text in zip(vectors, questions, strict=True):
            for word in text.lower().split() or [""]:
                digest = hashlib.sha256(word.encode()).digest()
                row[digest[0] % len(row)] += 1 + digest[1] / 255
            row /= np.linalg.norm(row)
        return vectors
