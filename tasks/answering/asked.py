"""What kind of value a question asks for, and whether a text holds one.

"What does it cost" is answered by an amount of money, "how long" by a duration or a length, "when" by a date: question
classification by the expected answer (Li and Roth, "Learning question classifiers", 2002), here by the words of English
and German questions. What they do not tell is left open.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from tasks.answering.quantities import Quantity, find_quantities, find_rates, find_units
from tasks.answering.units import CURRENCIES, LENGTHS, find_unit

_NAMES = frozenset(["label", "code", "former"])
"""Numbers that name things, and what is not so any more."""
_MOMENTS = frozenset(["date", "time", "weekday"])
_DURATIONS = frozenset(["s", "mo", "wd"])

_LIKELY = 0.5
_YEAR = re.compile(r"\b[12]\d{3}\b")

_WHICH = r"(?:what|which|was|welche[mnrs]?)(?:'s)?"
_NEAR = r"(?:[ -][^\W\d_]+){0,2}[ -]"
"""So few words stand between "what" and what it asks for."""
_FAR = r".{0,160}"
_DO = r"(?:am|are|can|could|did|do|does|has|have|is|may|must|shall|should|was|were|will|would)"
_MONEY = re.compile(
    rf"\b{_WHICH}{_NEAR}(?:costs?|prices?|fees?|salary|salaries|wages?|bonus|budget|rent|expenses|fines?|money|euros?|dollars?"
    r"|kosten|(?:(?:listen|stück|kauf|einzel|netto|brutto|gesamt)?preise?s?)|\w*gebühr(?:en)?|(?:\w+s)?gehalt|\w*lohn|\w*miete"
    r"|\w*pauschale|\w*vergütung|\w*zuschuss)\b"
    rf"|\b(?:{_WHICH}|how (?:much|high)|wie ?viel|wie hoch)\b{_FAR}\b(?:costs?|priced?|salary|fee|charged|earns?|pays?"
    r"|paid|euros?|dollars?|kosten|kostet|preis|gehalt|gebühr|verdien\w+|erstattet)\b|\bhow expensive\b|\bwie teuer\b"
)
_OFTEN = re.compile(
    r"\bhow (?:often|frequently|regularly)\b|\bwie (?:oft|häufig)\b"
    rf"|\b{_WHICH}{_NEAR}(?:intervals?|frequency|abst[aä]nde?n?|\w*intervall\w*|turnus|rhythmus)\b"
)
_SHARE = re.compile(rf"\b(?:{_WHICH}|how|wie)\b{_FAR}\b(?:percent|percentage|prozent\w*)\b")
_CHANGE = re.compile(r"\bby how much\b|\bum wie ?viel\b")
_WHEN = re.compile(
    rf"\bwhen {_DO}\b|\bwann\b|\b(?:what|which) (?:dates?|days?|months?|year|time|weekday)\b"
    r"|\bwelche[mnrs]? (?:datum|tage?n?|monate?n?|jahr|uhrzeit|wochentag)\b|\bwie ?viel uhr\b"
)
_LONG = re.compile(
    r"\bhow (?:long|soon|quickly|fast|late|early)\b|\bwie (?:lange|lang|bald|schnell|früh|spät)\b"
    r"|\bwithin (?:what|which)\b|\b(?:innerhalb|binnen|in) welche[mnrs]? (?:zeit|frist|zeitraum)\b"
    rf"|\b{_WHICH}{_NEAR}(?:duration|deadline|period|response time|\w*dauer|\w*frist(?:en)?|\w*zeitraum)\b"
)
_COUNT = re.compile(r"\b(?:how many|wie ?viele?n?)((?: [^\W\d_]+){1,3})")
_MEASURE = re.compile(
    r"\bhow (?:many|much|high|big|large|far|heavy|hot|cold|deep|wide|thick|old|tall|loud)\b"
    r"|\bwie ?viele?n?\b|\bwie (?:hoch|groß|weit|schwer|heiß|kalt|tief|breit|dick|alt|laut|stark)\b"
    rf"|\b{_WHICH}{_NEAR}(?:values?|numbers?|amount|quantity|limit|maximum|minimum|temperature|pressure|weight|weigh|size"
    r"|capacity|volume|voltage|length|width|height|distance|speed|sum|bill|total|penalty|discount|share|portion|\w*werte?"
    r"|\w*zahl|\w*nummer|\w*menge|\w*betrag|\w*höhe|\w*grenze|\w*temperatur|\w*druck|\w*gewicht|\w*größe|\w*volumen"
    r"|\w*spannung|\w*länge|\w*breite|\w*abstand|\w*leistung|wiegt|\w*summe|\w*strafe|\w*rabatt|\w*anteil)\b"
)


class Asked(NamedTuple):
    """The kind of value a question asks for."""

    units: frozenset[str]
    """Base units and kinds of `find_quantities`; none: any number that does not name a thing."""
    named: frozenset[Quantity]
    """What the question says itself and so does not ask for."""


@lru_cache(maxsize=1024)
def find_asked(question: str) -> Asked | None:
    """The kind of value that a question asks for; None where its words do not tell, as of "why" and "who"."""
    folded = " ".join(question.casefold().split())
    units = _find_units(folded)
    return None if units is None else Asked(units, find_quantities(question))


def _find_units(folded: str) -> frozenset[str] | None:
    if _CHANGE.search(folded):
        return frozenset()
    if counted := _COUNT.search(folded):
        return _widen({unit.base for unit in map(find_unit, counted[1].split()) if unit})
    return next((units for pattern, units in _KINDS if pattern.search(folded)), None)


def hold_asked(text: str, place: str, asked: Asked) -> float:
    """How surely a text holds a value of the kind: 1, or .5 for a bare number that may be one, or 0.

    A bare number is one where the text or its place names the unit, as the header of a table does.
    """
    found = {one.unit for one in find_quantities(text) - asked.named} - _NAMES
    if not asked.units:
        return 1.0 if found - _MOMENTS - {""} else _LIKELY * bool(found - _MOMENTS)
    if found & asked.units or ("rate" in asked.units and find_rates(text)):
        return 1.0
    if asked.units >= _MOMENTS and _YEAR.search(text):
        return 1.0
    return float("" in found and bool(asked.units & (find_units(text) | find_units(place))))


def _widen(units: set[str]) -> frozenset[str]:
    """ "How many days" may be answered by weeks or by working days."""
    return _DURATIONS if units & _DURATIONS else CURRENCIES if units & CURRENCIES else frozenset(units)


_KINDS = (
    (_SHARE, frozenset(["%"])),
    (_OFTEN, _DURATIONS | _MOMENTS | {"rate"}),
    (_MONEY, CURRENCIES),
    (_LONG, _DURATIONS | _MOMENTS | LENGTHS),
    (_WHEN, _DURATIONS | _MOMENTS),
    (_MEASURE, frozenset[str]()),
)
"""The first that a question fits."""
