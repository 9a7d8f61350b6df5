"""Whether a quoted span says what a claim says: the first, strict form of the check.

A claim is supported when its words stand in the span, all its numbers, dates and units do, and both or neither deny.
The next step (names, modal words, entailment) grows inside `supports`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tasks.answering.context import Quotable
from tasks.answering.quantities import Quantity, find_quantities, quantities_agree
from tasks.answering.words import Stems, has_negation

_WIDEST_SPAN = 3
"""Sentences in a row that one claim may draw on."""
_SHARE_IN_SPAN = 0.5
_SHARE_IN_PLACE = 0.75
_SHARE_OF_EACH = 1 / 3
"""Of a wider span every sentence must be spoken of, or one could lend its "not" to another's words."""
_MARKED_BONUS = 0.05


class Statement(NamedTuple):
    """What is compared of a text."""

    stems: frozenset[str]
    quantities: frozenset[Quantity]
    negated: bool


class Evidence(NamedTuple):
    """One quotable, read once for all claims of an answer."""

    quotable: Quotable
    statement: Statement
    place: Statement


class Support(NamedTuple):
    """The sentences in a row that carry a claim, and how well (0 to 1)."""

    quotables: tuple[Quotable, ...]
    score: float


def read_statement(text: str, stems: Stems) -> Statement:
    """Words, quantities and negation of a text."""
    return Statement(frozenset(stems.find(text)), find_quantities(text), has_negation(text))


def read_evidence(quotables: Sequence[Quotable], stems: Stems) -> list[Evidence]:
    """The quotables, in order, ready to be compared with claims."""
    return [
        Evidence(quotable, read_statement(quotable.quote, stems), read_statement(quotable.place, stems))
        for quotable in quotables
    ]


def find_support(
    claim: str, evidence: Sequence[Evidence], stems: Stems, *, marked: frozenset[int] = frozenset()
) -> Support | None:
    """The span that carries a claim best, the shortest of equals; None when none does.

    Args:
        marked: Ranks of the passages that the generator named for this claim: a hint that settles near ties.
    """
    statement = read_statement(claim, stems)
    if not statement.stems and not statement.quantities:
        return None
    best: Support | None = None
    for window in _list_windows(evidence):
        score = _score_support(statement, window)
        if score and window[0].quotable.rank in marked:
            score += _MARKED_BONUS
        if score > (best.score if best else 0.0):
            best = Support(tuple(one.quotable for one in window), score)
    return best


def _list_windows(evidence: Sequence[Evidence]) -> Iterator[Sequence[Evidence]]:
    """Runs of one, then two, then three sentences of one passage."""
    for width in range(1, _WIDEST_SPAN + 1):
        for start in range(len(evidence) - width + 1):
            window = evidence[start : start + width]
            if window[0].quotable.rank == window[-1].quotable.rank:
                yield window


def _score_support(claim: Statement, window: Sequence[Evidence]) -> float:
    """Share of the claim's words in the span and its place; 0 when it is not supported."""
    stems = frozenset[str]().union(*(one.statement.stems for one in window))
    placed = stems.union(*(one.place.stems for one in window))
    in_span = _share(claim.stems, stems)
    in_place = _share(claim.stems, placed)
    if in_span < _SHARE_IN_SPAN or in_place < _SHARE_IN_PLACE:
        return 0.0
    if len(window) > 1 and any(_share(one.statement.stems, claim.stems) < _SHARE_OF_EACH for one in window):
        return 0.0
    if claim.negated != any(one.statement.negated for one in window):
        return 0.0
    quantities = frozenset[Quantity]().union(*(one.statement.quantities for one in window))
    if not quantities_agree(claim.quantities, quantities):
        return 0.0
    return (in_span + in_place) / 2


def _share(wanted: frozenset[str], found: frozenset[str]) -> float:
    return len(wanted & found) / len(wanted) if wanted else 1.0
