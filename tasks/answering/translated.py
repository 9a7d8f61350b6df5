"""Whether a quoted span says what a claim says in another language.

Words cannot be compared there: what a sentence is about is told by its vector, and only those that are about as near
as the nearest are looked at further. What must not differ is compared as within a language as far as that needs no
word's meaning: numbers, units, dates, names, how strongly something binds, whether it is denied. So both languages must
be such as those are known in.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.answering.polarity import Clause
from tasks.answering.quantities import find_agreeing, find_singles
from tasks.answering.statements import Evidence, Shown, Statement
from tasks.answering.words import LANGUAGES
from tasks.errors import BackendUnavailable, RateLimited
from tasks.ports import Embedder

logger = logging.getLogger(__name__)

_LEAST_NEARNESS = 0.23
_WIDEST_GAP = 0.1
"""A sentence that is less near than the nearest by more than this is about something else."""
_MOST_COMPARED = 64
"""Sentences whose meaning is measured: half a second the first time."""
_NO_COUNTS = frozenset({"date", "time", "weekday", "code"})
"""Units of what is not counted or measured."""
_DENIED_STEMS = 2


def is_foreign(evidence: Evidence, language: str) -> bool:
    """Whether a sentence is in the other one of the languages that are read, as far as both are known."""
    return {language, evidence.quotable.passage.chunk.language} == LANGUAGES


def list_translated(claim: str, language: str, shown: Shown, embedder: Embedder) -> Iterator[tuple[float, Evidence]]:
    """Sentences of the other language that are about what a claim is about, the nearest first, with their nearness.

    Nearness is the share of the way from the mean similarity of these sentences to 1, since encoders differ in what
    they call similar. So a sentence that is the only one shown in its language is near nothing. Nor is any where the
    encoder's server does not answer: what is written already is not lost for that.
    """
    foreign = [one for one in shown.evidence if is_foreign(one, language)][:_MOST_COMPARED]
    if not foreign:
        return
    try:
        similarities = _measure_similarity(claim, [one.quotable.quote for one in foreign], embedder)
    except (BackendUnavailable, RateLimited) as error:
        logger.warning("translated claim not compared reason=%s", error)
        return
    usual = similarities.mean()
    nearness = ((similarities - usual) / max(1 - usual, np.finfo(np.float32).eps)).tolist()
    least = max(_LEAST_NEARNESS, max(nearness) - _WIDEST_GAP)
    for place in sorted(range(len(foreign)), key=lambda place: -nearness[place]):
        if nearness[place] >= least:
            yield nearness[place], foreign[place]


def is_unmistakable(claim: Statement, window: Sequence[Evidence]) -> bool:
    """Whether a span leaves open neither whose a number is nor what is denied, which only words could tell."""
    return all(_has_own_numbers(claim, one) for one in window) and _denies_alike(claim, window)


def _denies_alike(claim: Statement, window: Sequence[Evidence]) -> bool:
    """Whether neither denies anything, or each is one denial: of several statements only words tell which is denied."""
    said = [clause for one in window for clause in one.said.clauses]
    if not any(clause.negated for clause in [*claim.clauses, *said]):
        return True
    return _denies_plainly(claim.clauses) and _denies_plainly(said)


def _has_own_numbers(claim: Statement, evidence: Evidence) -> bool:
    """Whether each number of the claim is the only one of its unit there, a bare one the only count or measure."""
    said = evidence.said.quantities - find_singles(evidence.quotable.quote)
    others = {one.unit for one in said if not find_agreeing(claim.quantities, frozenset([one]))}
    units = {one.unit for one in claim.quantities}
    counting, others_counting = units - _NO_COUNTS, others - _NO_COUNTS
    is_bare = ("" in counting and others_counting) or ("" in others_counting and counting)
    return units.isdisjoint(others) and not is_bare


def _denies_plainly(clauses: Sequence[Clause]) -> bool:
    """Whether a single clause denies, as a whole or by a "no" before a word or two."""
    negated = [clause.negated for clause in clauses]
    return negated == [True] or (negated == [True, False] and len(clauses[0].stems) <= _DENIED_STEMS)


def _measure_similarity(claim: str, quotes: Sequence[str], embedder: Embedder) -> NDArray[np.float32]:
    """[n]: of each quote. Of two encoders in one vector it depends on who asks which of them counts: the better way."""
    asking = embedder.embed_documents(quotes) @ embedder.embed_queries([claim])[0]
    asked = embedder.embed_queries(quotes) @ embedder.embed_documents([claim])[0]
    better: NDArray[np.float32] = np.maximum(asking, asked)
    return better
