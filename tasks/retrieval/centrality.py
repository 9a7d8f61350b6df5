"""Which sentences say what the others are about: LexRank, biased to the title and the beginning.

Erkan and Radev, "LexRank: Graph-based Lexical Centrality as Salience in Text Summarization", JAIR 22, 2004: sentences
are the nodes of a graph, the cosines of their tf-idf vectors its edges, and PageRank finds the central ones (section
3.3, "continuous LexRank"). Otterbacher, Erkan and Radev, "Biased LexRank", Information Processing and Management 45,
2009, let the walk begin anew at sentences that suit a question, section 3; ours is the title, and that authors say
first what they write about. A step of the power method multiplies with the sentences' vectors twice instead of with
their cosines once, which is the same and takes time in proportion to the text, not to its square.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

DAMPING = 0.5
"""Share of a sentence's weight that comes from the others; the rest comes from title and place."""

SAME_SHARE = 0.5
"""Sentences whose cosine is higher say nothing new beside each other (the paper's reranker, section 4.3)."""

_MOST_STEPS = 50
_SETTLED = 1e-6


class SentenceGraph:
    """Sentences as tf-idf vectors of length 1, sparse.

    Args:
        sentences: The words of each sentence, in the order of the text; one without words is no one's neighbour.
    """

    def __init__(self, sentences: Sequence[Sequence[str]]) -> None:
        numbers: dict[str, int] = {}
        counted = [
            np.unique([numbers.setdefault(word, len(numbers)) for word in words], return_counts=True)
            if words
            else (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
            for words in sentences
        ]
        self._numbers = numbers
        self._columns = [columns for columns, _ in counted]
        frequency = np.bincount(np.concatenate([*self._columns, np.empty(0, dtype=np.int64)]), minlength=len(numbers))
        rarity = np.log((1 + len(sentences)) / (1 + frequency)) + 1
        self._weights = [_normalise(counts * rarity[columns]) for columns, counts in counted]

    def rank(self, members: Sequence[int], title: Collection[str]) -> NDArray[np.float64]:
        """How central each member is among them.

        Args:
            members: Numbers of sentences, ascending.
            title: Words that say what they are about.

        Returns:
            [n] at least 0, the sum is 1.
        """
        lengths = [self._columns[member].size for member in members]
        rows = np.repeat(np.arange(len(members)), lengths)
        columns = np.concatenate([*(self._columns[member] for member in members), np.empty(0, dtype=np.int64)])
        weights = np.concatenate([*(self._weights[member] for member in members), np.empty(0)])
        # Numbered anew: a section of a book has few of its words.
        words_said, columns = np.unique(columns, return_inverse=True)

        def multiply(values: NDArray[np.float64]) -> NDArray[np.float64]:
            """The matrix of cosines times a vector over the members."""
            words = _sum_up(columns, weights * values[rows], words_said.size)
            return _sum_up(rows, weights * words[columns], len(members))

        degrees = np.maximum(multiply(np.ones(len(members))), 1e-12)
        asked = np.isin(words_said, [self._numbers[word] for word in title if word in self._numbers])
        named = _sum_up(rows, weights * asked[columns], len(members))
        prior = _share(named) + _share(1 / np.arange(1.0, len(members) + 1))
        scores = prior = _share(prior)
        for _ in range(_MOST_STEPS):
            stepped = _share(DAMPING * multiply(scores / degrees) + (1 - DAMPING) * prior)
            moved, scores = float(np.abs(stepped - scores).sum()), stepped
            if moved < _SETTLED:
                break
        return scores

    def choose(self, members: Sequence[int], title: Collection[str], most: int) -> list[int]:
        """The most central members that say something new beside each other, the best first; equal ones in their order.

        Args:
            members: Numbers of sentences, ascending.
            title: Words that say what they are about.
            most: So many at most.
        """
        scores = self.rank(members, title)
        chosen: list[int] = []
        for place in np.argsort(-np.round(scores, 12), kind="stable").tolist():
            member = members[place]
            if self._columns[member].size and all(self._cosine(member, other) <= SAME_SHARE for other in chosen):
                chosen.append(member)
                if len(chosen) == most:
                    break
        return chosen

    def _cosine(self, one: int, other: int) -> float:
        _, first, second = np.intersect1d(
            self._columns[one], self._columns[other], assume_unique=True, return_indices=True
        )
        return float(self._weights[one][first] @ self._weights[other][second])


def _sum_up(places: NDArray[np.int64], values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """[size] the sum of the values at each place."""
    return np.bincount(places, weights=values, minlength=size).astype(np.float64, copy=False)


def _share(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """With the sum 1, where there is anything."""
    return values / (values.sum() or 1.0)


def _normalise(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return weights / (np.linalg.norm(weights) or 1.0)
