"""How near a span is to a claim's subject: shared words, those of its place and context, fuzzily.

The constants were chosen on the "tune" half of bench/claims.jsonl and on facts of `enterprise/` outside the other half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from tasks.answering.quantities import Quantity, find_agreeing
from tasks.answering.statements import Evidence, Statement
from tasks.answering.words import cut_pieces

_IN_PLACE = 0.8
"""What a word counts that stands in title or heading only."""
_IN_CONTEXT = 0.5
"""The same of an earlier sentence, which may speak of something else."""
_SIMILAR = 0.6
_UNKNOWN = 0.6
"""Weight of a word that no passage has, as a share of the rarest one's: a claim may use its own words."""
_MISSING = 0.5
"""Weight of a number that the span does not have."""
_NAMED = 0.5
"""A name is compared by itself; it must not draw a wrong one to the place where that one is spoken of."""
_SHARED_PIECES = 0.5
_SHARE_OF_EACH = 1 / 3
"""Of a wider span every sentence must be spoken of, or one could lend its "not" to another's words."""


class Nearness(NamedTuple):
    """Weighted shares, 0 to 1, of what a claim speaks of that a span speaks of."""

    topics: float
    all: float
    """Numbers included."""


def measure_nearness(claim: Statement, window: Sequence[Evidence], weights: Mapping[str, float]) -> Nearness:
    """How near a span is to a claim.

    Args:
        weights: Of each topic of the passages (`Shown`).
    """
    said = frozenset[str]().union(*(one.said.topics for one in window))
    found = find_agreeing(claim.quantities, frozenset[Quantity]().union(*(one.said.quantities for one in window)))
    if not _is_touched(claim, window, said, found):
        return Nearness(0.0, 0.0)
    place = frozenset[str]().union(*(one.place.topics for one in window))
    context = frozenset[str]().union(*(one.context.topics for one in window))
    usual = max(weights.values(), default=1.0)
    counted = usual * len(found)
    missing = _MISSING * usual * len(claim.quantities - found)
    reached = total = 0.0
    for topic in claim.topics:
        weight = weights.get(topic, _UNKNOWN * usual) * (_NAMED if topic in claim.named else 1.0)
        total += weight
        reached += weight * max(
            _reach(topic, said), _IN_PLACE * _reach(topic, place), _IN_CONTEXT * _reach(topic, context)
        )
    return Nearness(reached / total if total else 1.0, (reached + counted) / (total + counted + missing))


def find_similar(topic: str, others: frozenset[str]) -> bool:
    """Whether a word or one made of the same pieces is among others."""
    return topic in others or any(_are_similar(topic, other) for other in others)


def _is_touched(claim: Statement, window: Sequence[Evidence], said: frozenset[str], found: frozenset[Quantity]) -> bool:
    """Whether the span itself shares a word or a number in a unit, and each sentence of a wider one some words."""
    if len(window) > 1 and any(_overlap(one.said.topics, claim.topics) < _SHARE_OF_EACH for one in window):
        return False
    return any(one.unit not in ("", "label") for one in found) or any(find_similar(one, said) for one in claim.topics)


def _overlap(wanted: frozenset[str], found: frozenset[str]) -> float:
    return sum(find_similar(topic, found) for topic in wanted) / len(wanted) if wanted else 1.0


def _reach(topic: str, others: frozenset[str]) -> float:
    if topic in others:
        return 1.0
    return _SIMILAR if find_similar(topic, others) else 0.0


@lru_cache(maxsize=65_536)
def _are_similar(one: str, other: str) -> bool:
    """Whether two words share half of the shorter one's pieces, as compounds and derivations do."""
    first, second = cut_pieces([one]), cut_pieces([other])
    return len(first & second) >= max(1.0, _SHARED_PIECES * min(len(first), len(second)))
