"""Units, numbers, months and weekdays in English and German, and what follows exactly from one unit in another.

A unit is written in its base: 60 minutes are 3600 s and 3 years 36 mo. Months have no number of days and working days
no number of hours, so they are bases of their own.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple


class Unit(NamedTuple):
    """A base unit and how many of it one is."""

    base: str
    factor: Decimal


_RARE_CURRENCIES = ("lkr", "bdt", "btn", "npr", "jpy", "cny", "sek", "nok", "dkk", "pln", "czk")
CURRENCIES = frozenset(["eur", "usd", "gbp", "inr", "chf", "cent", *_RARE_CURRENCIES])
LENGTHS = frozenset(["mm", "in", "mi"])

_BASES = {
    "s": {
        "1": "s sec second seconds sekunde sekunden",
        "60": "min minute minutes minuten",
        "3600": "h hr hrs hour hours stunde stunden std",
        "86400": "d day days tag tage tagen tages",
        "604800": "wk week weeks woche wochen",
    },
    "mo": {"1": "month months monat monate monaten monats", "12": "year years jahr jahre jahren jahres annum"},
    "wd": {"1": "arbeitstag arbeitstage arbeitstagen werktag werktage werktagen workday workdays"},
    "%": {"1": "% percent prozent"},
    "eur": {"1": "€ eur euro euros"},
    "usd": {"1": "$ usd dollar dollars"},
    "gbp": {"1": "£ gbp pounds"},
    "inr": {"1": "₹ inr rupee rupees"},
    "chf": {"1": "chf franken"},
    "cent": {"1": "cent cents"},
    **{code: {"1": code} for code in _RARE_CURRENCIES},
    "mm": {
        "1": "mm millimeter millimetre millimeters millimetres millimetern",
        "10": "cm centimeter centimetre centimeters centimetres zentimeter zentimetern",
        "1000": "m meter metre meters metres metern",
        "1000000": "km kilometer kilometre kilometers kilometres kilometern",
    },
    "in": {"1": '" ” ″ inch inches zoll'},
    "mi": {"1": "mile miles meile meilen"},
    "g": {
        "0.001": "mg",
        "1": "g gram grams gramm",
        "1000": "kg kilogram kilograms kilogramm",
        "1000000": "t ton tons tonne tonnes tonnen",
    },
    "ml": {"1": "ml", "1000": "l liter litre liters litres litern", "1000000": "m³ kubikmeter kubikmetern"},
    "gal": {"1": "gallon gallons gallone gallonen"},
    "pa": {"1": "pa", "100": "mbar", "1000": "kpa", "100000": "bar", "1000000": "mpa"},
    "psi": {"1": "psi"},
    "c": {"1": "°c"},
    "f": {"1": "°f"},
    "v": {"0.001": "mv", "1": "v volt volts", "1000": "kv"},
    "a": {"0.001": "ma", "1": "ampere amperes amps"},
    "w": {"1": "w watt watts", "1000": "kw"},
    "hz": {"1": "hz", "1000": "khz"},
    **{name: {"1": name} for name in ("rpm", "nm", "ohm", "lux", "db", "kb", "mb", "gb", "tb", "ppm", "mol")},
}
UNITS = {
    name: Unit(base, Decimal(factor))
    for base, scale in _BASES.items()
    for factor, names in scale.items()
    for name in names.split()
}
_COMPOUND_ENDS = (
    *("tage", "tagen", "stunde", "stunden", "woche", "wochen", "monat", "monate", "monaten", "jahr", "jahre", "jahren"),
    *("minuten", "sekunden", "euro", "prozent"),
)
"""German writes "Betriebsstunden" and "Urlaubstage"; a singular "-tag" would take in "Montag" and "Vertrag"."""

MULTIPLIERS = {
    name: Decimal(factor)
    for factor, names in {
        "1000": "thousand tausend",
        "100000": "lakh lakhs",
        "1000000": "million millions millionen mio",
        "10000000": "crore crores",
        "1000000000": "billion billions milliarde milliarden mrd",
    }.items()
    for name in names.split()
}

_CARDINALS = {
    2: "two zwei twice zweimal",
    3: "three drei dreimal",
    4: "four vier",
    5: "five fünf",
    6: "six sechs",
    7: "seven sieben",
    8: "eight acht",
    9: "nine neun",
    10: "ten zehn",
    11: "eleven elf",
    12: "twelve zwölf",
    13: "thirteen dreizehn",
    14: "fourteen vierzehn",
    15: "fifteen fünfzehn",
    16: "sixteen sechzehn",
    17: "seventeen siebzehn",
    18: "eighteen achtzehn",
    19: "nineteen neunzehn",
    20: "twenty zwanzig",
    30: "thirty dreißig",
    40: "forty vierzig",
    50: "fifty fünfzig",
    60: "sixty sechzig",
    70: "seventy siebzig",
    80: "eighty achtzig",
    90: "ninety neunzig",
    100: "hundred hundert einhundert",
}
_ORDINALS = {
    3: "third dritt",
    4: "fourth viert",
    5: "fifth fünft",
    6: "sixth sechst",
    7: "seventh siebt",
    8: "eighth acht",
    9: "ninth neunt",
    10: "tenth zehnt",
    11: "eleventh elft",
    12: "twelfth zwölft",
    20: "twentieth zwanzigst",
    25: "twenty-fifth fünfundzwanzigst",
}
NUMBER_WORDS = {
    "one": "1",
    **{word: str(number) for number, words in _CARDINALS.items() for word in words.split()},
    **{words.split()[0]: str(number) for number, words in _ORDINALS.items()},
    **{
        f"{words.split()[1]}e{end}": str(number)
        for number, words in _ORDINALS.items()
        for end in ("", "n", "r", "s", "m")
    },
    **{f"{words.split()[1]}einhalb": f"{number}.5" for number, words in _CARDINALS.items()},
    "anderthalb": "1.5",
    "half": "0.5",
    **{f"halbe{end}": "0.5" for end in ("", "n", "r", "s")},
}
"""Not "second", which is a unit, nor "once", which is a time, nor German "ein", which is an article."""

MONTHS = {
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
WEEKDAYS = {
    form: number
    for number, names in enumerate(
        (
            "monday montag",
            "tuesday dienstag",
            "wednesday mittwoch",
            "thursday donnerstag",
            "friday freitag",
            "saturday samstag sonnabend",
            "sunday sonntag",
        ),
        start=1,
    )
    for name in names.split()
    for form in (name, f"{name}s", f"{name}e", f"{name}en")
}
RATES = {
    name: unit
    for unit, names in {
        "day": "daily täglich",
        "week": "weekly wöchentlich",
        "month": "monthly monatlich",
        "year": "yearly annual annually jährlich",
    }.items()
    for name in names.split()
}


@lru_cache(maxsize=65_536)
def find_unit(word: str) -> Unit | None:
    """The unit that a folded word names, alone or at the end of a German compound."""
    if word in UNITS:
        return UNITS[word]
    end = next((end for end in _COMPOUND_ENDS if word.endswith(end) and len(word) >= len(end) + 3), None)
    if end is None:
        return None
    return UNITS["arbeitstage"] if word.startswith(("arbeitstag", "werktag")) else UNITS[end]
