"""Documents that disagree: two sentences about the same, with different numbers, are shown both, the newer first.

Only numbers, dates and amounts in the same unit are compared: that two sentences contradict each other in words alone
is not something that words alone tell. Sentences of any two documents must be worded alike; of two editions of one
document it is enough that both answer the question nearly as well, since an edition is often written anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

from tasks.answering.context import Quotable
from tasks.answering.editions import are_editions, find_date, find_named_date, read_edition
from tasks.answering.extract import WIDEST_GAP, Ranked
from tasks.answering.quantities import Quantity
from tasks.answering.statements import Evidence, read_shown
from tasks.answering.words import Stems
from tasks.models import Trust

_LEAST_SHARED_TOPICS = 3
_LEAST_OVERLAP = 0.6
"""Of what two sentences speak of, numbers apart; rewordings of one rule share more, neighbouring rules less."""
_LEAST_PLACE_OVERLAP = 0.4
_NOT_AMOUNTS = frozenset({"", "code", "label", "former", "weekday"})
"""Units of what names a thing instead of measuring it."""
_TRUST_RANKS: Mapping[Trust, int] = {"low": 0, "normal": 1, "high": 2}


def find_conflicting(
    lead: Quotable, ranked: Sequence[Ranked], stems: Stems, readings: Sequence[str] = ()
) -> list[Quotable]:
    """What says of the same another amount and stands in another document, the best of each such document.

    Args:
        lead: What the answer begins with.
        ranked: All that can be quoted, the best answers first.
        stems: Of the question's language.
        readings: Texts that ask the question.
    """
    foreign = [one for one in ranked if one.quotable.passage.document_id != lead.passage.document_id]
    asked = frozenset(topic for reading in readings for topic in stems.find_topics(reading))
    topics = frozenset(stems.find_topics(lead.quote))
    least = next((one.score for one in ranked if one.quotable == lead), math.inf) - WIDEST_GAP
    # Reading closely costs fifty times as much as this, and most sentences are of something else.
    close = [
        (one.quotable, rewritten)
        for one in foreign
        if (rewritten := one.score >= least and are_editions(lead.passage, one.quotable.passage, readings))
        or _share_topics(topics, frozenset(stems.find_topics(one.quotable.quote)))
    ]
    first, *rest = read_shown([lead, *(one for one, _ in close)], stems).evidence
    found: dict[str, Quotable] = {}
    for one, (quotable, rewritten) in zip(rest, close, strict=True):
        same = _is_about_same(first, one) or (rewritten and _answers_alike(first, one, asked))
        if same and _differs(first, one):
            found.setdefault(quotable.passage.document_id, quotable)
    return list(found.values())


def sort_newest_first(quotables: Sequence[Quotable]) -> list[Quotable]:
    """By what their documents say of their age; those that say nothing come last, and less trusted ones after all.

    Where names tell editions of one document apart by numbers alone, these are its age: files are copied in any order.
    """
    passages = [one.passage for one in quotables]
    numbered = len({read_edition(one).name for one in passages}) == 1 and not any(map(find_named_date, passages))
    return sorted(
        quotables,
        key=lambda one: (
            _TRUST_RANKS[one.passage.trust],
            read_edition(one.passage).numbers if numbered else (),
            find_date(one.passage) or date.min,
        ),
        reverse=True,
    )


def _is_about_same(one: Evidence, other: Evidence) -> bool:
    """Whether both speak of the same thing at a comparable place; a code or a name that one has alone says no."""
    return (
        _share_topics(one.said.topics, other.said.topics)
        and _overlap(one.place.topics, other.place.topics) >= _LEAST_PLACE_OVERLAP
        and one.said.names == other.said.names
        and _codes(one) == _codes(other)
    )


def _answers_alike(one: Evidence, other: Evidence, asked: frozenset[str]) -> bool:
    """Whether the other says something of what is asked that the one says, too, and covers as much of the rest."""
    if asked.isdisjoint(one.said.topics & other.said.topics):
        return False
    mine, theirs = (asked & (side.said.topics | side.place.topics) for side in (one, other))
    return len(theirs) >= _LEAST_OVERLAP * len(mine)


def _share_topics(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _LEAST_SHARED_TOPICS and _overlap(one, other) >= _LEAST_OVERLAP


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


def _codes(one: Evidence) -> frozenset[Quantity]:
    return frozenset(quantity for quantity in one.said.quantities if quantity.unit == "code")


def _differs(one: Evidence, other: Evidence) -> bool:
    """Whether an amount of one has a counterpart in the same unit in the other, and none of those is equal."""
    for unit in {quantity.unit for quantity in one.said.quantities} - _NOT_AMOUNTS:
        mine, theirs = ({q for q in side.said.quantities if q.unit == unit} for side in (one, other))
        if theirs and mine.isdisjoint(theirs):
            return True
    return False
