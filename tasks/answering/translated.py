"""Whether a quoted span says what a claim says in another language.

Words cannot be compared there: what a sentence is about is told by its vector, and only those that are about as near
as the nearest are looked at further. What must not differ is compared as within a language as far as that needs no
word's meaning: numbers, units, dates, names, how strongly something binds, whether it is denied. So both languages must
be such as those are known in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.answering.polarity import Denial, read_denial
from tasks.answering.quantities import Quantity, find_singles
from tasks.answering.statements import Evidence, Shown, Statement
from tasks.answering.units import CURRENCIES
from tasks.answering.words import LANGUAGES, Stems
from tasks.language import UNDETERMINED, detect_language
from tasks.ports import Embedder

_LEAST_NEARNESS = 0.23
_WIDEST_GAP = 0.1
"""A sentence that is less near than the nearest by more than this is about something else."""
_MOST_COMPARED = 64
"""Sentences whose meaning is measured: half a second the first time."""
_KINDS = {**dict.fromkeys(("s", "mo", "wd"), "duration"), **dict.fromkeys(CURRENCIES, "money"), "label": ""}
"""Of units of which one may be said instead of another."""
_NO_COUNTS = frozenset({"date", "time", "weekday"})
"""Units of what is not counted or measured."""


def find_languages(claim: str, asked: str) -> frozenset[str]:
    """What a claim's document may be in without being foreign to it: the language it seems to be in, and the asker's.

    Where the two differ, a short claim full of names may have been taken for another language's.
    """
    return frozenset({detect_language(claim), asked}) - {UNDETERMINED}


def is_foreign(evidence: Evidence, languages: frozenset[str]) -> bool:
    """Whether a sentence is in the other one of the languages that are read."""
    return len(languages) == 1 and languages | {evidence.quotable.passage.chunk.language} == LANGUAGES


def list_translated(
    claim: str, languages: frozenset[str], shown: Shown, embedder: Embedder
) -> Iterator[tuple[float, Evidence]]:
    """Sentences of the other language that are about what a claim is about, the nearest first, with their nearness.

    Nearness is the share of the way from the mean similarity of these sentences to 1, since encoders differ in what
    they call similar. So a sentence that is the only one shown in its language is near nothing.

    Raises:
        BackendUnavailable, RateLimited: The encoder's server does not answer.
    """
    foreign = [one for one in shown.evidence if is_foreign(one, languages)][:_MOST_COMPARED]
    if not foreign:
        return
    similarities = _measure_similarity(claim, [one.quotable.quote for one in foreign], embedder)
    usual = similarities.mean()
    nearness = ((similarities - usual) / max(1 - usual, np.finfo(np.float32).eps)).tolist()
    least = max(_LEAST_NEARNESS, max(nearness) - _WIDEST_GAP)
    for place in sorted(range(len(foreign)), key=lambda place: -nearness[place]):
        if nearness[place] >= least:
            yield nearness[place], foreign[place]


def is_unmistakable(text: str, claim: Statement, window: Sequence[Evidence], stems: Stems) -> bool:
    """Whether a span leaves open neither whose a number is nor what is denied, which only words could tell.

    Args:
        text: The claim's.
        claim: What was read of it.
        window: Sentences in a row.
        stems: Of the asker's language.
    """
    said = read_denial(" ".join(one.quotable.quote for one in window), stems)
    denies_alike = said is read_denial(text, stems) is not Denial.UNCLEAR
    return denies_alike and all(_has_own_numbers(claim, one) for one in window)


def _has_own_numbers(claim: Statement, evidence: Evidence) -> bool:
    """Whether a claim and a sentence have one number of each kind that the claim has, and a bare one no other."""
    claimed = _list_kinds(claim.quantities)
    found = _list_kinds(evidence.said.quantities - find_singles(evidence.quotable.quote))
    counted = [kind for kind in found if kind not in _NO_COUNTS]
    is_bare = "" in counted or "" in claimed
    if is_bare and any(kind not in _NO_COUNTS for kind in claimed) and len(counted) > 1:
        return False
    return all(claimed.count(kind) == 1 and found.count(kind) <= 1 for kind in claimed)


def _list_kinds(quantities: frozenset[Quantity]) -> list[str]:
    """One a number; a product's code is a name."""
    return [_KINDS.get(one.unit, one.unit) for one in quantities if one.unit != "code"]


def _measure_similarity(claim: str, quotes: Sequence[str], embedder: Embedder) -> NDArray[np.float32]:
    """[n]: of each quote. Of two encoders in one vector it depends on who asks which of them counts: the better way."""
    asking = embedder.embed_documents(quotes) @ embedder.embed_queries([claim])[0]
    asked = embedder.embed_queries(quotes) @ embedder.embed_documents([claim])[0]
    better: NDArray[np.float32] = np.maximum(asking, asked)
    return better
