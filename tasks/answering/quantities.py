"""Numbers, dates and units in one spelling, so that "1.200 €", "EUR 1,200.00" and "1200 Euro" are equal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar jänner jan",
            "february februar feb",
            "march märz mar mrz",
            "april apr",
            "may mai",
            "june juni jun",
            "july juli jul",
            "august aug",
            "september sep sept",
            "october oktober oct okt",
            "november nov",
            "december dezember dec dez",
        ),
        start=1,
    )
    for name in names.split()
}
_UNITS = {
    name: unit
    for unit, names in {
        "%": "% percent prozent",
        "eur": "€ eur euro euros",
        "usd": "$ usd dollar dollars",
        "gbp": "£ gbp",
        "inr": "₹ inr rupees",
        "s": "s sec second seconds sekunde sekunden",
        "min": "min minute minutes minuten",
        "h": "h hour hours stunde stunden std hrs",
        "d": "d day days tag tage tagen",
        "wk": "week weeks woche wochen",
        "mo": "month months monat monate monaten",
        "a": "year years jahr jahre jahren",
        "mm": "mm",
        "cm": "cm",
        "m": "m meter metre meters metres metern",
        "km": "km",
        "g": "g",
        "kg": "kg",
        "t": "t tonne tonnes tonnen",
        "ml": "ml",
        "l": "l liter litre liters litres litern",
        "bar": "bar",
        "kpa": "kpa",
        "mpa": "mpa",
        "c": "°c",
        "v": "v volt",
        "ma": "ma",
        "a_el": "ampere",
        "w": "w watt",
        "kw": "kw",
        "hz": "hz",
        "rpm": "rpm",
        "nm": "nm",
        "kb": "kb",
        "mb": "mb",
        "gb": "gb",
        "tb": "tb",
        "lakh": "lakh lakhs",
        "crore": "crore crores",
        "thousand": "thousand tausend k",
        "million": "million millions millionen mio",
        "billion": "billion billions milliarde milliarden mrd",
    }.items()
    for name in names.split()
}
_NUMBER_WORDS = {
    word: str(number)
    for number, words in enumerate(
        (
            "two zwei",
            "three drei",
            "four vier",
            "five fünf",
            "six sechs",
            "seven sieben",
            "eight acht",
            "nine neun",
            "ten zehn",
            "eleven elf",
            "twelve zwölf",
        ),
        start=2,
    )
    for word in words.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATES = re.compile(
    rf"\b(?P<y1>\d{{4}})-(?P<m1>\d{{1,2}})-(?P<d1>\d{{1,2}})\b"
    rf"|\b(?P<d2>\d{{1,2}})\.\s?(?P<m2>\d{{1,2}})\.\s?(?P<y2>\d{{4}})\b"
    rf"|\b(?P<d3>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?P<m3>{_MONTH})\b\.?(?:,?\s+(?P<y3>\d{{4}})\b)?"
    rf"|\b(?P<m4>{_MONTH})\b\.?\s+(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d)(?:,?\s+(?P<y4>\d{{4}})\b)?"
)
_NUMBER = re.compile(
    r"(?P<before>[€$£₹]|\b(?:eur|usd|gbp|inr)\b)?\s?(?<![\d.,])"
    r"(?P<number>\d{1,3}(?: \d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,'’]\d+)*)"
    r"(?:\s?-?(?P<after>%|€|\$|£|₹|°c|[^\W\d_]+))?"
)
_WORD = re.compile(r"[^\W\d_]+")


class Quantity(NamedTuple):
    """A number in plain spelling with its unit, or a date as year-month-day with "?" for what is not said."""

    value: str
    unit: str


def find_quantities(text: str) -> frozenset[Quantity]:
    """Every number, number word (two to twelve) and date in a text; unit "" where none of the known ones is near."""
    folded = text.casefold()
    dates: list[Quantity] = []

    def take_date(match: re.Match[str]) -> str:
        dates.append(_read_date(match))
        return " "

    rest = _DATES.sub(take_date, folded)
    return frozenset([*dates, *_read_numbers(rest)])


def quantities_agree(claim: frozenset[Quantity], evidence: frozenset[Quantity]) -> bool:
    """Whether every quantity of the claim is in the evidence.

    A unit may be missing on one side (a table says it in its header), never be another one.
    """
    return all(any(_agree(wanted, found) for found in evidence) for wanted in claim)


def _agree(wanted: Quantity, found: Quantity) -> bool:
    if "date" in (wanted.unit, found.unit):
        return wanted.unit == found.unit and _same_date(wanted.value, found.value)
    return wanted.value == found.value and (wanted.unit == found.unit or "" in (wanted.unit, found.unit))


def _same_date(wanted: str, found: str) -> bool:
    pairs = zip(wanted.split("-"), found.split("-"), strict=True)
    return all(one in ("?", other) for one, other in pairs)


def _read_date(match: re.Match[str]) -> Quantity:
    parts = {key[0]: value for key, value in match.groupdict().items() if value is not None}
    month = _MONTHS.get(parts["m"]) or int(parts["m"])
    return Quantity(f"{parts.get('y', '?')}-{month}-{int(parts['d'])}", "date")


def _read_numbers(text: str) -> Iterator[Quantity]:
    for match in _NUMBER.finditer(text):
        unit = _UNITS.get(match["before"] or "") or _UNITS.get(match["after"] or "") or ""
        yield Quantity(_plain(match["number"]), unit)
    words = _WORD.findall(text)
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word in _NUMBER_WORDS:
            yield Quantity(_NUMBER_WORDS[word], _UNITS.get(following, ""))


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
