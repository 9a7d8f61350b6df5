"""An embedder of 16 dimensions that hashes words: similar texts share words, and it is exact and fast."""

from __future__ import annotations

import hashlib
import re
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


class ConceptEmbedder:
    """Texts are alike where their words mean the same, in whatever language.

    Args:
        alike: Words that mean the same, in each text.
    """

    max_tokens = 512

    def __init__(self, alike: Sequence[str]) -> None:
        self._places = {word: place for place, words in enumerate(alike) for word in words.split()}
        self.identity = EmbedderIdentity(name="concepts", revision="1", dimension=len(alike))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._embed(text) for text in texts])

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        return self.embed_documents(questions)

    def _embed(self, text: str) -> Vectors:
        vector = np.full(self.identity.dimension, 0.01, dtype=np.float32)
        for word in re.findall(r"\w+", text.casefold()):
            if word in self._places:
                vector[self._places[word]] = 1.0
        normed: Vectors = vector / np.linalg.norm(vector)
        return normed
