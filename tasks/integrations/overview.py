"""What a table holds as a whole, in sentences that "how many" and "which is the largest" can be answered from.

One pass, memory bounded: per column a count, the smallest, the largest, and the distinct values while they are few.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from tasks.integrations.row_values import format_value

_MAX_DISTINCT = 20
_MAX_DISTINCT_LENGTH = 60
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
_BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]{1,12})[)\]]\s*$")
_UNIT_PAIRS = """
    mg=mg g=g kg=kg t=t mm=mm cm=cm m=m km=km ml=ml l=l bar=bar mbar=mbar pa=Pa kpa=kPa mpa=MPa rpm=rpm ppm=ppm
    v=V kv=kV a=A ma=mA w=W kw=kW mw=MW wh=Wh kwh=kWh mwh=MWh hz=Hz khz=kHz mhz=MHz db=dB n=N kn=kN nm=Nm
    c=°C degc=°C celsius=°C f=°F k=K pct=% percent=% prozent=% eur=EUR usd=USD chf=CHF gbp=GBP kb=kB mb=MB gb=GB
    mm2=mm² cm2=cm² m2=m² mm3=mm³ cm3=cm³ m3=m³ m3_h=m³/h m3h=m³/h l_h=l/h l_min=l/min m_s=m/s km_h=km/h
    ms=ms s=s min=min h=h seconds=seconds minutes=minutes hours=hours days=days weeks=weeks months=months years=years
    sekunden=Sekunden minuten=Minuten stunden=Stunden tage=Tage wochen=Wochen monate=Monate jahre=Jahre
"""
_UNITS = dict(pair.split("=") for pair in _UNIT_PAIRS.split())
"""Ending of a column's name to unit."""

_WORDS = {
    "en": {
        "title": "{table}: overview of the table",
        "rows": "The table {table} has {rows} rows. There are {rows} {table}.",
        "columns": "It has {count} columns: {columns}.",
        "column": "{table}, column {column} ({kind}): {filled} of {rows} rows have a value.",
        "unit": "in {unit}",
        "smallest": "The smallest is {value} ({row}).",
        "largest": "The largest is {value} ({row}).",
        "distinct": "There are {count} distinct values: {values}.",
        "distinct_one": "Its only value is {values}.",
        "value": "{value} ({rows} rows)",
        "value_one": "{value} (1 row)",
        "number": "number",
        "date": "date",
        "boolean": "yes or no",
        "text": "text",
        "empty": "empty",
    },
    "de": {
        "title": "{table}: Übersicht der Tabelle",
        "rows": "Die Tabelle {table} hat {rows} Zeilen. Es gibt {rows} {table}.",
        "columns": "Sie hat {count} Spalten: {columns}.",
        "column": "{table}, Spalte {column} ({kind}): {filled} von {rows} Zeilen haben einen Wert.",
        "unit": "in {unit}",
        "smallest": "Der kleinste Wert ist {value} ({row}).",
        "largest": "Der größte Wert ist {value} ({row}).",
        "distinct": "Es gibt {count} verschiedene Werte: {values}.",
        "distinct_one": "Ihr einziger Wert ist {values}.",
        "value": "{value} ({rows} Zeilen)",
        "value_one": "{value} (1 Zeile)",
        "number": "Zahl",
        "date": "Datum",
        "boolean": "ja oder nein",
        "text": "Text",
        "empty": "leer",
    },
}


def find_unit(column: str) -> str | None:
    """The unit that a column's name ends in: `weight_kg`, `Preis (EUR)`, `pressure [bar]`."""
    if match := _BRACKETS.search(column):
        return match.group(1)
    words = column.lower().split("_")
    for count in (2, 1):
        if len(words) > count and (unit := _UNITS.get("_".join(words[-count:]))):
            return unit
    return None


def _say_name(column: str) -> str:
    """The column's name as words, with the written name behind it where the two differ."""
    plain = _BRACKETS.sub("", column)
    words = plain.split("_")
    for count in (2, 1):
        if len(words) > count and "_".join(words[-count:]).lower() in _UNITS:
            words = words[:-count]
            break
    said = " ".join(filter(None, words))
    return column if said == column else f"{said}, {column}"


class _Column:
    """What is known of one column so far."""

    def __init__(self, name: str, unit: str | None) -> None:
        self.name = name
        self.unit = unit or find_unit(name)
        self.filled = 0
        self.kinds: set[str] = set()
        self.distinct: Counter[str] | None = Counter()
        self.smallest: tuple[object, str, str] | None = None
        self.largest: tuple[object, str, str] | None = None

    def add(self, value: object, shown: str, row: str) -> None:
        if not shown:
            return
        self.filled += 1
        kind, comparable = _classify(value)
        self.kinds.add(kind)
        if comparable is not None and len(self.kinds) == 1:
            if self.smallest is None or comparable < self.smallest[0]:  # type: ignore[operator]
                self.smallest = (comparable, shown, row)
            if self.largest is None or comparable > self.largest[0]:  # type: ignore[operator]
                self.largest = (comparable, shown, row)
        if self.distinct is not None:
            self.distinct[shown] += 1
            if len(self.distinct) > _MAX_DISTINCT or len(shown) > _MAX_DISTINCT_LENGTH:
                self.distinct = None

    def kind(self) -> str:
        if len(self.kinds) > 1:
            return "text"
        return next(iter(self.kinds), "empty")


def _classify(value: object) -> tuple[str, object]:
    """The kind of a value, and what it is compared by: numbers as numbers, dates as ISO text, others not at all."""
    if isinstance(value, bool):
        return "boolean", None
    if isinstance(value, int | float | Decimal):
        return "number", value if math.isfinite(value) else None
    if isinstance(value, datetime | date):
        return "date", value.isoformat()
    if isinstance(value, str):
        if _NUMBER.fullmatch(value):
            return "number", Decimal(value)
        if _ISO_DATE.fullmatch(value):
            return "date", value
    return "text", None


class TableOverview:
    """Collects rows of one table and says what it saw.

    Args:
        table: The table's name as people say it.
        language: "de" for German sentences, anything else for English ones.
        units: Column to unit, where the name does not say it.
        hidden: A column that is left out: the one that names readers.
    """

    def __init__(
        self, table: str, language: str | None, units: Mapping[str, str], *, hidden: str | None = None
    ) -> None:
        self._table = table
        self._language = language
        self._words = _WORDS.get(language or "en", _WORDS["en"])
        self._units = units
        self._hidden = hidden
        self._rows = 0
        self._columns: dict[str, _Column] = {}

    def add_row(self, row: Mapping[str, object], name: str) -> None:
        """Take one row in.

        Args:
            row: Its values by column.
            name: What names the row beside its smallest and largest values.
        """
        self._rows += 1
        for column, value in row.items():
            if column == self._hidden:
                continue
            if column not in self._columns:
                self._columns[column] = _Column(column, self._units.get(column))
            self._columns[column].add(value, " ".join(format_value(value, self._language).split()), name)

    @property
    def title(self) -> str:
        """The overview's title."""
        return self._words["title"].format(table=self._table)

    def describe(self) -> str:
        """The overview's text: a paragraph for the table, then one a column."""
        names = ", ".join(self._columns)
        paragraphs = [
            self._words["rows"].format(table=self._table, rows=self._rows),
            self._words["columns"].format(count=len(self._columns), columns=names),
            *(self._describe_column(column) for column in self._columns.values()),
        ]
        return "\n\n".join(paragraphs)

    def _describe_column(self, column: _Column) -> str:
        kind = self._words[column.kind()]
        if column.unit and column.kind() == "number":
            kind += ", " + self._words["unit"].format(unit=column.unit)
        words = {"table": self._table, "column": _say_name(column.name), "rows": self._rows}
        sentences = [self._words["column"].format(kind=kind, filled=column.filled, **words)]
        if len(column.kinds) == 1:
            sentences += self._describe_ends(column)
        if column.distinct:
            sentences.append(self._describe_values(column.distinct))
        return " ".join(sentences)

    def _describe_values(self, distinct: Counter[str]) -> str:
        ranked = sorted(distinct.items(), key=lambda item: (-item[1], item[0]))
        if ranked[0][1] == 1:  # names, not categories
            values = ", ".join(value for value, _ in ranked)
        else:
            words = (self._words["value_one" if count == 1 else "value"] for _, count in ranked)
            values = ", ".join(
                word.format(value=value, rows=count) for word, (value, count) in zip(words, ranked, strict=True)
            )
        return self._words["distinct_one" if len(ranked) == 1 else "distinct"].format(count=len(ranked), values=values)

    def _describe_ends(self, column: _Column) -> list[str]:
        unit = f" {column.unit}" if column.unit else ""
        ends = (("smallest", column.smallest), ("largest", column.largest))
        return [self._words[word].format(value=f"{end[1]}{unit}", row=end[2]) for word, end in ends if end is not None]
