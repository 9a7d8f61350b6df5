"""Whether a quoted span says what a claim says in another language.

Words cannot be compared there: what a sentence is about is told by its vector, and only those that are about as near
as the nearest are looked at further. What must not differ is compared as within a language as far as that needs no
word's meaning: numbers, units, dates, names, how strongly something binds, whether it is denied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.answering.quantities import find_agreeing
from tasks.answering.statements import Evidence, Shown, Statement
from tasks.language import UNDETERMINED
from tasks.ports import Embedder

_LEAST_NEARNESS = 0.23
_WIDEST_GAP = 0.1
"""A sentence that is less near than the nearest by more than this is about something else."""


def list_translated(claim: str, language: str, shown: Shown, embedder: Embedder) -> Iterator[tuple[float, Evidence]]:
    """Sentences of other languages that are about what a claim is about, the nearest first, with their nearness.

    Nearness is the share of the way from the mean similarity of these sentences to 1, since encoders differ in what
    they call similar. So a sentence that is the only one shown in its language is near nothing.
    """
    foreign = [one for one in shown.evidence if is_foreign(one, language)]
    if not foreign:
        return
    similarities = _measure_similarity(claim, [one.quotable.quote for one in foreign], embedder)
    usual = similarities.mean()
    nearness = ((similarities - usual) / max(1 - usual, np.finfo(np.float32).eps)).tolist()
    least = max(_LEAST_NEARNESS, max(nearness) - _WIDEST_GAP)
    for place in sorted(range(len(foreign)), key=lambda place: -nearness[place]):
        if nearness[place] >= least:
            yield nearness[place], foreign[place]


def is_foreign(evidence: Evidence, language: str) -> bool:
    """Whether a sentence is in another language."""
    return evidence.quotable.passage.chunk.language not in (language, UNDETERMINED)


def _measure_similarity(claim: str, quotes: Sequence[str], embedder: Embedder) -> NDArray[np.float32]:
    """[n]: of each quote. Of two encoders in one vector it depends on who asks which of them counts: the better way."""
    asking = embedder.embed_documents(quotes) @ embedder.embed_queries([claim])[0]
    asked = embedder.embed_queries(quotes) @ embedder.embed_documents([claim])[0]
    better: NDArray[np.float32] = np.maximum(asking, asked)
    return better


def is_unmistakable(claim: Statement, evidence: Evidence) -> bool:
    """Whether each of the claim's numbers is the only one of its unit in a sentence: whose it is, words would tell."""
    others = {one.unit for one in evidence.said.quantities if not find_agreeing(claim.quantities, frozenset([one]))}
    return others.isdisjoint(one.unit for one in claim.quantities if one.unit != "label")


def deny_alike(claim: Statement, window: Sequence[Evidence]) -> bool:
    """Whether both deny something, or neither does."""
    denied = [clause.negated for one in window for clause in one.said.clauses]
    return any(one.negated for one in claim.clauses) == any(denied)
