"""Documents that disagree: two sentences about the same, with different numbers, are shown both, the newer first.

Only numbers, dates and amounts in the same unit are compared: that two sentences contradict each other in words alone
is not something that words alone tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from tasks.answering.context import Quotable
from tasks.answering.quantities import Quantity
from tasks.answering.statements import Evidence, read_shown
from tasks.answering.words import Stems
from tasks.models import Passage, Trust

_LEAST_SHARED_TOPICS = 3
_LEAST_OVERLAP = 0.6
"""Of what two sentences speak of, numbers apart; rewordings of one rule share more, neighbouring rules less."""
_LEAST_PLACE_OVERLAP = 0.4
_NOT_AMOUNTS = frozenset({"", "code", "label", "former", "weekday"})
"""Units of what names a thing instead of measuring it."""
_TRUST_RANKS: Mapping[Trust, int] = {"low": 0, "normal": 1, "high": 2}
_DATE = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)(?:-(?P<month>0[1-9]|1[0-2])(?:-(?P<day>0[1-9]|[12]\d|3[01]))?)?(?!\d)"
)


def find_conflicting(lead: Quotable, others: Sequence[Quotable], stems: Stems) -> list[Quotable]:
    """Those of the others, in their order, that say of the same another amount and stand in another document."""
    foreign = [one for one in others if one.passage.document_id != lead.passage.document_id]
    first, *rest = read_shown([lead, *_keep_alike(lead, foreign, stems)], stems).evidence
    return [one.quotable for one in rest if _is_about_same(first, one) and _differs(first, one)]


def _keep_alike(lead: Quotable, others: Sequence[Quotable], stems: Stems) -> list[Quotable]:
    """Those worth reading closely, which costs fifty times as much: most sentences are of something else."""
    topics = frozenset(stems.find_topics(lead.quote))
    return [one for one in others if _share_topics(topics, frozenset(stems.find_topics(one.quote)))]


def sort_newest_first(quotables: Sequence[Quotable]) -> list[Quotable]:
    """By what their documents say of their age; those that say nothing come last, and less trusted ones after all."""
    return sorted(
        quotables,
        key=lambda one: (_TRUST_RANKS[one.passage.trust], find_date(one.passage) or date.min),
        reverse=True,
    )


def find_date(passage: Passage) -> date | None:
    """How old a document is: the date or year in its title or file name, else when it was modified.

    A copy of an old file is new on the disk; the year in its name still tells.
    """
    name = passage.uri.rpartition("/")[2]
    dates = [one for text in (passage.title, name) for one in _read_dates(text)]
    if dates:
        return max(dates)
    return passage.modified.date() if passage.modified else None


def _read_dates(text: str) -> Iterator[date]:
    for match in _DATE.finditer(text):
        try:
            yield date(int(match["year"]), int(match["month"] or 1), int(match["day"] or 1))
        except ValueError:
            continue


def _is_about_same(one: Evidence, other: Evidence) -> bool:
    """Whether both speak of the same thing at a comparable place; a code or a name that one has alone says no."""
    return (
        _share_topics(one.said.topics, other.said.topics)
        and _overlap(one.place.topics, other.place.topics) >= _LEAST_PLACE_OVERLAP
        and one.said.names == other.said.names
        and _codes(one) == _codes(other)
    )


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
