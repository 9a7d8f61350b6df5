"""Numbers, dates and units in one spelling, so that "1.200 €", "EUR 1,200.00" and "1200 Euro" are equal.

What follows exactly is equal too: an hour and 60 minutes, a kilogram and 1,000 grams, a year and twelve months.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from tasks.answering.units import MONTHS, MULTIPLIERS, NUMBER_WORDS, RATES, UNITS, WEEKDAYS, Unit, find_unit
from tasks.answering.words import is_stop_word


def _alternatives(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_MONTH = _alternatives(MONTHS)
_FULL_MONTH = _alternatives(name for name in MONTHS if len(name) > 4 or name in ("may", "mai", "märz", "juni", "juli"))
_DATES = re.compile(
    rf"\b(?P<y1>\d{{4}})-(?P<m1>\d{{1,2}})-(?P<d1>\d{{1,2}})\b"
    rf"|\b(?P<d2>\d{{1,2}})\.\s?(?P<m2>\d{{1,2}})\.\s?(?P<y2>\d{{4}})\b"
    rf"|\b(?P<d3>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?P<m3>{_MONTH})\b\.?(?:,?\s+(?P<y3>\d{{4}})\b)?"
    rf"|\b(?P<m4>{_MONTH})\b\.?\s+(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d)(?:,?\s+(?P<y4>\d{{4}})\b)?"
    r"|\b(?P<d5>\d{1,2})\.\s?(?P<m6>\d{1,2})\.(?!\s?\d)"
    rf"|\b(?P<m5>{_MONTH})\b\.?,?\s+(?P<y5>\d{{4}})\b",
    re.IGNORECASE,
)
_BARE_MONTH = re.compile(rf"(?<=[\w,] )(?P<m>{_FULL_MONTH})\b", re.IGNORECASE)
_LABEL = re.compile(r"(?P<word>\b[^\W\d_]+) (?=\d)")
_ENUMERATOR = re.compile(rf"^\s*\(?\d{{1,2}}[.)]\s+(?=\D)(?!(?:{_MONTH})\b)", re.MULTILINE | re.IGNORECASE)
_FORMER = re.compile(r"\b(?:instead of|rather than|formerly|previously|statt|anstatt|früher) (?=\d)")
_LABEL_MARK, _FORMER_MARK = "\x01", "\x02"
_ROLES = {_LABEL_MARK: "label", _FORMER_MARK: "former"}
_WEEKDAY = re.compile(rf"\b({_alternatives(WEEKDAYS)})\b")
_TIME = re.compile(
    r"\b(?P<h1>\d{1,2})(?:[:.](?P<m1>\d{2}))?\s?(?:uhr\b|(?P<half>[ap])\.?m\b)|(?<!:)\b(?P<h2>\d{1,2}):(?P<m2>\d{2})\b(?!:)"
)
_HOUR_OF_RANGE = re.compile(r"\b(?P<h1>\d{1,2})(?=\s?(?:-|–|bis|und|to|and)\s?\d{1,2}(?:[:.]\d{2})?\s?uhr\b)")
_PHONE = re.compile(r"\+\d{1,3}(?:[ /-]?\d+)+")
_CODE = re.compile(r"(?<![\w.])([^\W\d_]{1,6})-?\d\w*(?:[-.]\d\w*)*|(?<![\w.-])\d(?:-\d)+(?![\w-])")
_NUMBER_WORD = re.compile(rf"(?<![\w-])({_alternatives(NUMBER_WORDS)})(?!\w)(?:\s+an?(?=\s))?")
_THREE_QUARTERS = re.compile(r"\b(?:drei viertel|three quarters)\b")
_NUMBER = re.compile(
    r"(?P<before>[€$£₹]|(?<![^\W\d_])[a-z]{3})?\s?(?<![\d.,])"
    r"(?P<number>\d{1,3}(?: \d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,'’]\d+)*)"
)
_MULTIPLIER = re.compile(rf"\s?({_alternatives(MULTIPLIERS)})\b\.?")
_SYMBOL = r"%|€|\$|£|₹|°c|°f|m³|[\"”″]|[^\W\d_]+"
_ADJECTIVE = r"calendar|consecutive|full|more|volle[nr]?|weitere[nr]?|ganze[nr]?"
_UNIT = re.compile(rf"[\s-]?(?:(?P<working>working|business)\s|(?:{_ADJECTIVE})\s)?(?P<unit>{_SYMBOL})")
_PER = re.compile(r"(?:/|\s(?:per|an?|each|every|pro|je|im|in der)\s)(?P<per>[^\W\d_]+)")
_RANGE = re.compile(r"\s?(?:-|–|—|to|bis|and|und|or|oder|of(?: the)?|der)\s?(?:zu\s)?")
_SINGLE = re.compile(r"\b(?:an?|ein(?:e[nmrs]?)?|each|every|per|pro|je|jede[nmrs]?|single)\s+([^\W\d_]+)")
_RATE = re.compile(
    rf"\b(?:({_alternatives(RATES)})|(?:an?|per|each|every|pro|je|jede[nmrs]?|im)\s([^\W\d_]+))\b|/([^\W\d_]+)"
)
_BOUND = re.compile(
    r"\b(?:(?P<least>at least|minimum(?: of)?|(?<!no )(?<!not )(?<!nicht )(?:more than|mehr als)|mindestens|wenigstens)"
    r"|(?P<most>at most|up to|maximum(?: of)?|no more than|not more than|höchstens|maximal|bis zu|nicht mehr als))\s",
    re.IGNORECASE,
)
_BOUND_REACH = 12
_SYMBOLS = re.compile(_SYMBOL)
_WHOLE = ("date", "time", "weekday", "code", "former")
_DAY_SECONDS = 86_400
_CURRENCY_LETTERS = 3


class Quantity(NamedTuple):
    """A number in plain spelling with its base unit, or what counts like one.

    Dates are year-month-day with "?" for what is not said (unit "date"), times of day "9:05" ("time"), days of the week
    1 to 7 ("weekday"), article and telephone numbers their letters and digits ("code"), the number of a "Hall 2" is a
    "label", and what is said not to be so any more ("instead of 60") is "former".
    """

    value: str
    unit: str
    per: str = ""
    """What stands after "per" or "/", as number and base unit."""


class _Number(NamedTuple):
    start: int
    end: int
    value: Decimal
    unit: Unit | None
    per: str
    is_year: bool
    """Four digits without marks that would make a year of our time."""
    role: str
    """ "label", "former" or nothing."""


@lru_cache(maxsize=8192)
def find_quantities(text: str) -> frozenset[Quantity]:
    """Every number, number word, date, time and code in a text; unit "" where none of the known ones is near."""
    found: list[Quantity] = []

    def take(pattern: re.Pattern[str], read: Callable[[re.Match[str]], Quantity | None], rest: str) -> str:
        def replace(match: re.Match[str]) -> str:
            quantity = read(match)
            found.extend([quantity] if quantity else [])
            return " " if quantity else match.group()

        return pattern.sub(replace, rest)

    rest = take(_DATES, _read_date, _ENUMERATOR.sub("", text))
    rest = _spell_digits(_LABEL.sub(_mark_label, take(_BARE_MONTH, _read_month, rest)).casefold())
    rest = _FORMER.sub(rf"\g<0>{_FORMER_MARK}", rest)
    for pattern, read in _READERS:
        rest = take(pattern, read, rest)
    return frozenset([*found, *_read_numbers(rest)])


def find_singles(text: str) -> frozenset[Quantity]:
    """What "a", "each" or "pro" counts as one of; for the text that is compared with, where "a guest" is 1 guest."""
    words = _SINGLE.findall(text.casefold())
    units = [unit for unit in map(find_unit, words) if unit]
    return frozenset(
        [*(Quantity("1", "label") for _ in words), *(Quantity(_write(unit.factor), unit.base) for unit in units)]
    )


def find_units(text: str) -> frozenset[str]:
    """Base units that a text names, with or without a number."""
    return frozenset(unit.base for unit in map(find_unit, _SYMBOLS.findall(text.casefold())) if unit)


def find_rates(text: str) -> frozenset[Quantity]:
    """How often: "monthly", "a month" and "/month" are one month."""
    words = [RATES.get(adverb) or per or slash for adverb, per, slash in _RATE.findall(text.casefold())]
    units = [unit for unit in map(find_unit, words) if unit and unit.base in ("s", "mo", "wd")]
    return frozenset(Quantity(_write(unit.factor), unit.base) for unit in units)


def find_bounds(text: str) -> dict[Quantity, str]:
    """Quantities that a text calls the least ("least") or the most ("most") there is."""
    bounds: dict[Quantity, str] = {}
    for match in _BOUND.finditer(text):
        kind = "least" if match["least"] else "most"
        following = find_quantities(text[match.end() : match.end() + _BOUND_REACH])
        bounds.update(dict.fromkeys(following if len(following) == 1 else (), kind))
    return bounds


def quantities_agree(
    claim: frozenset[Quantity], evidence: frozenset[Quantity], *, units: frozenset[str] | None = None
) -> bool:
    """Whether every quantity of the claim is in the evidence.

    Args:
        units: Base units that a bare number of the evidence may be meant in (a table says it in its header); None: any.
            A bare number of the claim may be in any unit.
    """
    return all(any(_agree(wanted, found, units) for found in evidence) for wanted in claim)


def find_agreeing(claim: frozenset[Quantity], evidence: frozenset[Quantity]) -> frozenset[Quantity]:
    """The quantities of the claim that are in the evidence, whatever unit a bare number is meant in."""
    return frozenset(wanted for wanted in claim if quantities_agree(frozenset([wanted]), evidence))


def _agree(wanted: Quantity, found: Quantity, units: frozenset[str] | None) -> bool:
    if wanted.unit in _WHOLE or found.unit in _WHOLE:
        same = _same_date if wanted.unit == "date" else str.__eq__
        return wanted.unit == found.unit and same(wanted.value, found.value)
    if wanted.per != found.per and wanted.per and found.per:
        return False
    if (wanted.unit, found.unit) == ("s", "wd"):  # "days" says less than "working days"
        return Decimal(wanted.value) == Decimal(found.value) * _DAY_SECONDS
    return _same_number(wanted, found, units)


def _same_number(wanted: Quantity, found: Quantity, units: frozenset[str] | None) -> bool:
    if wanted.unit == found.unit:
        return wanted.value == found.value
    if wanted.unit in ("", "label"):
        return wanted.value in _said_values(found)
    return found.unit == "" and (units is None or wanted.unit in units) and found.value in _said_values(wanted)


def _said_values(quantity: Quantity) -> frozenset[str]:
    """The numbers that may have been written before a base unit: 180 s is "180" seconds and "3" minutes."""
    factors = {unit.factor for unit in UNITS.values() if unit.base == quantity.unit} | {Decimal(1)}
    return frozenset(_write(Decimal(quantity.value) / factor) for factor in factors)


def _same_date(wanted: str, found: str) -> bool:
    pairs = zip(wanted.split("-"), found.split("-"), strict=True)
    return all(one in ("?", other) for one, other in pairs)


# --- reading ------------------------------------------------------------------------------------------------------


def _spell_digits(folded: str) -> str:
    """Number words in digits; "half an hour" loses its article."""
    return _NUMBER_WORD.sub(lambda match: NUMBER_WORDS[match[1]], _THREE_QUARTERS.sub("0.75", folded))


def _mark_label(match: re.Match[str]) -> str:
    """ "Hall 2" and "CloudWay 24" name things; a number after such a word is in no unit."""
    word = match["word"]
    is_name = word[0].isupper() and find_unit(word.casefold()) is None and not is_stop_word(word)
    return match.group() + (_LABEL_MARK if is_name else "")


def _read_date(match: re.Match[str]) -> Quantity:
    parts = {key[0]: value for key, value in match.groupdict().items() if value is not None}
    month = MONTHS.get(parts["m"].casefold()) or int(parts["m"])
    day = int(parts["d"]) if "d" in parts else "?"
    return Quantity(f"{parts.get('y', '?')}-{month}-{day}", "date")


def _read_month(match: re.Match[str]) -> Quantity | None:
    """A month alone is written with a capital: "may" and "march" are other words."""
    return Quantity(f"?-{MONTHS[match['m'].casefold()]}-?", "date") if match["m"][0].isupper() else None


def _read_weekday(match: re.Match[str]) -> Quantity:
    return Quantity(str(WEEKDAYS[match[1]]), "weekday")


def _read_code(match: re.Match[str]) -> Quantity | None:
    """ "TX-200" and "TX200" are one; "EUR135" is none."""
    if match.re.groups and match[1] and len(match[1]) == _CURRENCY_LETTERS and find_unit(match[1]):
        return None
    joint = "" if match.re.groups and match[1] else "-"
    return Quantity(joint.join(re.findall(r"\w+", match.group())), "code")


def _read_time(match: re.Match[str]) -> Quantity:
    parts = {key[0]: value for key, value in match.groupdict().items() if value is not None and key != "half"}
    hour = int(parts["h"]) % 12 + 12 if match.groupdict().get("half") == "p" else int(parts["h"])
    return Quantity(f"{hour}:{parts.get('m', '00')}", "time")


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Quantity | None]], ...] = (
    (_WEEKDAY, _read_weekday),
    (_PHONE, _read_code),
    (_CODE, _read_code),
    (_HOUR_OF_RANGE, _read_time),
    (_TIME, _read_time),
)


def _read_numbers(text: str) -> Iterator[Quantity]:
    """From the last to the first: "5 to 10 days" are 5 days and 10 days."""
    following: _Number | None = None
    for match in reversed(list(_NUMBER.finditer(text))):
        number = _read_number(text, match)
        if following and number.unit is None and _RANGE.fullmatch(text, number.end, following.start):
            number = number._replace(unit=following.unit, per=following.per)
        following = number
        yield _make_quantity(number)


def _read_number(text: str, match: re.Match[str]) -> _Number:
    value, end = Decimal(_plain(match["number"])), match.end()
    if multiplier := _MULTIPLIER.match(text, end):
        value, end = value * MULTIPLIERS[multiplier[1]], multiplier.end()
    unit = find_unit(match["before"] or "")
    start = match.start("before" if unit else "number")
    if (after := _UNIT.match(text, end)) and (found := find_unit(after["unit"])):
        working = after["working"] and found == UNITS["day"]
        unit, end = unit or (UNITS["workday"] if working else found), after.end()
    role = _ROLES.get(text[match.start("number") - 1 : match.start("number")], "")
    per = _PER.match(text, end)
    per_unit = find_unit(per["per"]) if per else None
    is_year = re.fullmatch(r"(?:19|20)\d\d", match["number"]) is not None
    role = "" if role == "label" and unit else role
    return _Number(start, end, value, unit, f"{per_unit.factor} {per_unit.base}" if per_unit else "", is_year, role)


def _make_quantity(number: _Number) -> Quantity:
    if number.role:
        return Quantity(_write(number.value), number.role)
    if number.unit is None and number.is_year:
        return Quantity(f"{number.value}-?-?", "date")
    if number.unit is None:
        return Quantity(_write(number.value), "", number.per)
    return Quantity(_write(number.value * number.unit.factor), number.unit.base, number.per)


def _write(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _plain(number: str) -> str:
    """ "1.200,50" and "1,200.5" are 1200.5.

    Of two kinds of marks the last is the decimal one; one mark alone groups thousands when three digits follow it.
    """
    compact = re.sub(r"['’ ]", "", number)
    marks = re.sub(r"\d", "", compact)
    whole, decimals = compact, ""
    if len(set(marks)) == 2 or (len(marks) == 1 and not re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", compact)):
        whole, decimals = compact[: compact.rfind(marks[-1])], compact[compact.rfind(marks[-1]) + 1 :]
    whole = re.sub(r"[.,]", "", whole).lstrip("0") or "0"
    decimals = decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole
