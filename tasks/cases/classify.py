"""Route and urgency without training: likeness to each route's texts, and the words that the company lists.

A multilingual encoder compares a case with the descriptions and examples in process.yaml, the nearest of each route
counts (nearest-neighbour few-shot, as in SetFit's zero-step baseline, Tunstall et al., 2022); each listed word adds a
little. A softmax over the routes gives the confidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tasks.case_models import Case
from tasks.cases.process import Process
from tasks.ports import Embedder

_WORD_WEIGHT = 0.09
_MOST_WORDS = 4
_SHARPNESS = 14.0
READ_CHARACTERS = 1500
"""A case says what it is about at its beginning; longer texts blur the vector."""


class Classified(NamedTuple):
    """Where a case belongs."""

    route: str
    confidence: float
    urgency: str
    words: tuple[str, ...]


class Classifier:
    """Classifies batches for one process.

    Args:
        embedder: Speaks the customers' languages.
    """

    def __init__(self, process: Process, embedder: Embedder) -> None:
        self._process = process
        self._embedder = embedder

    def classify(self, cases: Sequence[Case]) -> list[Classified]:
        """A route and an urgency each, in their order."""
        if not cases:
            return []
        texts = [f"{case.subject}\n{case.body}"[:READ_CHARACTERS] for case in cases]
        likeness = self._embedder.embed_queries(texts) @ self._examples.T
        return [self._choose(row, text) for row, text in zip(likeness, texts, strict=True)]

    def _choose(self, likeness: np.ndarray, text: str) -> Classified:
        routes = self._process.file.routes
        best = np.array([likeness[start:end].max() for start, end in self._slices])
        found = [find_words(text, route.keywords) for route in routes.values()]
        scores = best + _WORD_WEIGHT * np.array([min(len(words), _MOST_WORDS) for words in found])
        odds = np.exp(_SHARPNESS * (scores - scores.max()))
        winner = int(scores.argmax())
        name = list(routes)[winner]
        return Classified(name, float(odds[winner] / odds.sum()), self.rate_urgency(text), found[winner])

    def rate_urgency(self, text: str) -> str:
        """The first degree whose words stand in the text."""
        for name, degree in self._process.file.urgencies.items():
            if find_words(text, degree.keywords):
                return name
        return self._process.default_urgency

    @cached_property
    def _examples(self) -> np.ndarray:
        """[texts x d] of all routes, in their order."""
        return self._embedder.embed_documents(
            [text for one in self._process.file.routes.values() for text in one.texts]
        )

    @cached_property
    def _slices(self) -> list[tuple[int, int]]:
        ends = np.cumsum([len(one.texts) for one in self._process.file.routes.values()]).tolist()
        return list(zip([0, *ends], ends, strict=False))


def find_words(text: str, words: Sequence[str]) -> tuple[str, ...]:
    """Which of the words begin a word of the text, whatever their case; spaces match any space."""
    plain = re.sub(r"[\s#.]+", " ", text.casefold())
    return tuple(word for word in words if re.search(rf"(?<!\w){re.escape(word.casefold())}", plain))
