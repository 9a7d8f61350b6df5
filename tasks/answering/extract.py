"""The extractive answer: the sentences of the found passages that answer a question best.

A sentence's score is a weighted sum of what its words, its place, its passage's search score and, with an embedder,
its meaning say; the weights were fitted on `enterprise/` and the sample company, by listwise logistic regression.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.answering.asked import find_asked, hold_asked
from tasks.answering.context import Quotable
from tasks.answering.sentences import is_row
from tasks.answering.words import Stems
from tasks.models import Chunk, Hit
from tasks.ports import Embedder

FEATURES = ("words", "words_and_place", "pieces", "passage_score", "asked", "short", "meaning")
_WEIGHTS = np.array([2.2, 2.2, 2.8, 5.6, 1.2, -3.5, 5.6])
_MEANING = FEATURES.index("meaning")
_EMBEDDED = 24
"""Sentences whose meaning is measured: ten passages hold two hundred, and to embed them all takes a second."""
_LEAST_SIMILARITY = 0.18
_LEAST_COVERAGE = 0.3
WIDEST_GAP = 1.5
"""Between the scores of two sentences of which one answers nearly as well as the other."""


class Ranked(NamedTuple):
    """A quotable and how well it answers; scores compare within one question only."""

    quotable: Quotable
    score: float
    coverage: float
    """Share of the question's words, weighted by rarity, that stand in the sentence or its place; 0 to 1."""
    meaning: float
    """Cosine similarity of the sentence to the question; 0 where it was not measured."""


def rank_quotables(
    readings: Sequence[str], quotables: Sequence[Quotable], stems: Stems, *, embedder: Embedder | None = None
) -> list[Ranked]:
    """The quotables, the best answer first.

    Args:
        readings: Texts that ask the same; of each feature the best counts, whichever form a sentence has.
        embedder: Adds the meaning of those that are best without it; None leaves it out.
    """
    features = np.max([measure_quotables(question, quotables, stems) for question in readings], axis=0)
    if embedder is not None and quotables:
        best = np.argsort(-(features @ _WEIGHTS), kind="stable")[:_EMBEDDED]
        features[best, _MEANING] = _measure_meaning(readings, [quotables[index] for index in best], embedder)
    coverage = features[:, FEATURES.index("words_and_place")].tolist()
    scores = (features @ _WEIGHTS).tolist()
    ranked = [Ranked(*one) for one in zip(quotables, scores, coverage, features[:, _MEANING].tolist(), strict=True)]
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


def choose_quotes(ranked: Sequence[Ranked]) -> list[tuple[Quotable, ...]]:
    """What an extractive answer quotes: the best sentence between its neighbours, and one more nearly as good.

    Over four question sets this holds the answer more often than the three best sentences do (docs/decisions/0009).
    """
    if not ranked:
        return []
    lead = _list_surrounding(ranked[0].quotable, [one.quotable for one in ranked])
    least = ranked[0].score - WIDEST_GAP
    second = next((one for one in ranked if one.quotable not in lead), None)
    return [lead] if second is None or second.score < least else [lead, (second.quotable,)]


def _list_surrounding(best: Quotable, others: Sequence[Quotable]) -> tuple[Quotable, ...]:
    """The sentence with the one before and the one after it where only space lies between; a table's row alone."""
    if is_row(best.quote):
        return (best,)
    chunk = best.passage.chunk
    same = [one for one in others if one.passage.chunk_id == best.passage.chunk_id and not is_row(one.quote)]
    before = max((one for one in same if one.end <= best.start), key=lambda one: one.end, default=None)
    after = min((one for one in same if one.start >= best.end), key=lambda one: one.start, default=None)
    window = [one for one in (before, best, after) if one is not None]
    return tuple(one for one in window if not _text_between(chunk, best, one).strip())


def _text_between(chunk: Chunk, one: Quotable, other: Quotable) -> str:
    start, end = min(one.end, other.end), max(one.start, other.start)
    return chunk.text[start - chunk.start : end - chunk.start]


def measure_quotables(question: str, quotables: Sequence[Quotable], stems: Stems) -> NDArray[np.float64]:
    """[n x f]: a row a quotable, a column a feature of FEATURES, each from 0 to 1; the meaning is left 0."""
    wanted = set(stems.find(question))
    words = [set(stems.find(one.quote)) for one in quotables]
    placed = [found | set(stems.find(one.place)) for one, found in zip(quotables, words, strict=True)]
    rarity = _measure_rarity(wanted, placed)
    pieces = stems.find_pieces(question)
    pieces_held = [stems.find_pieces(one.quote) | stems.find_pieces(one.place) for one in quotables]
    asked = find_asked(question)
    columns = [
        [_cover(rarity, found) for found in words],
        [_cover(rarity, found) for found in placed],
        [len(pieces & held) / max(1, len(pieces)) for held in pieces_held],
        [one.score for one in quotables],
        [hold_asked(one.quote, one.place, asked) if asked else 0.0 for one in quotables],
        [1 / (1 + len(found)) for found in words],
        [0.0] * len(quotables),
    ]
    return np.array(columns, dtype=np.float64).reshape(len(FEATURES), -1).T


def _measure_rarity(wanted: Iterable[str], sentences: Sequence[set[str]]) -> dict[str, float]:
    """Inverse document frequency of the question's words over the candidates."""
    counts = Counter(word for sentence in sentences for word in sentence)
    return {word: math.log(1 + len(sentences) / (0.5 + counts[word])) for word in wanted}


def _cover(rarity: dict[str, float], found: set[str]) -> float:
    total = sum(rarity.values())
    return sum(weight for word, weight in rarity.items() if word in found) / total if total else 0.0


def _measure_meaning(readings: Sequence[str], quotables: Sequence[Quotable], embedder: Embedder) -> list[float]:
    vectors = embedder.embed_documents([f"{one.place}\n{one.quote}" for one in quotables])
    asked = embedder.embed_queries(readings)
    similarities: list[float] = np.max([vectors @ question for question in asked], axis=0).tolist()
    return similarities
