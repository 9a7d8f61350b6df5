"""The extractive answer: the sentences of the found passages that answer a question best.

A sentence's score is a weighted sum of what its words, its place, its passage's search score and, with an embedder,
its meaning say; the weights were fitted on `enterprise/` and the sample company, by listwise logistic regression.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.answering.context import Quotable
from tasks.answering.quantities import find_quantities
from tasks.answering.words import Stems, cut_pieces
from tasks.models import Hit
from tasks.ports import Embedder

_ASKS_QUANTITY = re.compile(
    r"\b(how (many|much|long|often|far|old|high|big|large|soon|fast)|when|what (time|date|year|percentage|price|number)"
    r"|wie ?viele?|wie (lange|oft|hoch|weit|groß|schnell|alt|teuer)|wann|in welchem jahr)\b"
)

FEATURES = ("words", "words_and_place", "pieces", "passage_score", "quantity", "short", "meaning")
_WEIGHTS = np.array([2.2, 2.2, 2.8, 5.6, 1.2, -3.5, 5.6])
_LEAST_SIMILARITY = 0.18
_LEAST_COVERAGE = 0.3
_WIDEST_GAP = 2.0


class Ranked(NamedTuple):
    """A quotable and how well it answers; scores compare within one question only."""

    quotable: Quotable
    score: float
    coverage: float
    """Share of the question's words, weighted by rarity, that stand in the sentence or its place; 0 to 1."""


def rank_quotables(
    question: str, quotables: Sequence[Quotable], stems: Stems, *, embedder: Embedder | None = None
) -> list[Ranked]:
    """The quotables, the best answer first.

    Args:
        embedder: Adds the meaning; None leaves it out.
    """
    features = measure_quotables(question, quotables, stems, embedder=embedder)
    coverage = features[:, FEATURES.index("words_and_place")].tolist()
    ranked = [Ranked(*one) for one in zip(quotables, (features @ _WEIGHTS).tolist(), coverage, strict=True)]
    return sorted(ranked, key=lambda one: -one.score)


def are_relevant(hits: Sequence[Hit], ranked: Sequence[Ranked]) -> bool:
    """Whether what was found is about the question's subject at all.

    The best hit's similarity tells it in both languages: it let 15 of 100 English and 2 of 100 German questions on
    other subjects pass, and held back 4 and 0 of 100 that were answered rightly. Without one, words must do.
    """
    similarity = next((hit.dense_score for hit in hits if hit.dense_score is not None), None)
    if similarity is not None:
        return similarity >= _LEAST_SIMILARITY
    return bool(ranked) and ranked[0].coverage >= _LEAST_COVERAGE


def choose_sentences(ranked: Sequence[Ranked], *, limit: int) -> list[Quotable]:
    """The best sentence and those nearly as good, best first."""
    return [one.quotable for one in ranked[:limit] if one.score >= ranked[0].score - _WIDEST_GAP]


def measure_quotables(
    question: str, quotables: Sequence[Quotable], stems: Stems, *, embedder: Embedder | None = None
) -> NDArray[np.float64]:
    """[n x f]: a row a quotable, a column a feature of FEATURES, each from 0 to 1."""
    wanted = set(stems.find(question))
    words = [set(stems.find(one.quote)) for one in quotables]
    placed = [found | set(stems.find(one.place)) for one, found in zip(quotables, words, strict=True)]
    rarity = _measure_rarity(wanted, placed)
    pieces = cut_pieces(wanted)
    asks_quantity = bool(_ASKS_QUANTITY.search(question.casefold()))
    columns = [
        [_cover(rarity, found) for found in words],
        [_cover(rarity, found) for found in placed],
        [len(pieces & cut_pieces(found)) / max(1, len(pieces)) for found in placed],
        [one.score for one in quotables],
        [float(asks_quantity and bool(find_quantities(one.quote))) for one in quotables],
        [1 / (1 + len(found)) for found in words],
        _measure_meaning(question, quotables, embedder),
    ]
    return np.array(columns, dtype=np.float64).reshape(len(FEATURES), -1).T


def _measure_rarity(wanted: Iterable[str], sentences: Sequence[set[str]]) -> dict[str, float]:
    """Inverse document frequency of the question's words over the candidates."""
    counts = Counter(word for sentence in sentences for word in sentence)
    return {word: math.log(1 + len(sentences) / (0.5 + counts[word])) for word in wanted}


def _cover(rarity: dict[str, float], found: set[str]) -> float:
    total = sum(rarity.values())
    return sum(weight for word, weight in rarity.items() if word in found) / total if total else 0.0


def _measure_meaning(question: str, quotables: Sequence[Quotable], embedder: Embedder | None) -> list[float]:
    if embedder is None or not quotables:
        return [0.0] * len(quotables)
    vectors = embedder.embed_documents([f"{one.place}\n{one.quote}" for one in quotables])
    similarities: list[float] = (vectors @ embedder.embed_queries([question])[0]).tolist()
    return similarities
