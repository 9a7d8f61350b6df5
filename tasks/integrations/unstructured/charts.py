"""The numbers that a chart of an office file draws, as tables (DrawingML charts; ECMA-376, Part 1, 21.2)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from tasks.integrations.unstructured.number_formats import show_number
from tasks.integrations.unstructured.reading import Piece, make_table
from tasks.integrations.unstructured.tables import show_value

Labels = dict[int, str]
"""What stands at each of a chart's points, by their numbers."""


class _Series(NamedTuple):
    name: str
    labels: Labels
    values: Labels


def read_chart(chart_space: Any, *, page: int | None) -> Iterator[Piece]:
    """A chart's title, then a table with a row a category and a column a series.

    Series over categories of their own, as scattered points have them, are tables of their own.
    """
    title = "".join(run.text or "" for run in chart_space.iterfind("{*}chart/{*}title//{*}t"))
    if title.strip():
        yield Piece("text", title, page=page)
    series = [_read_series(element) for element in chart_space.iter("{*}ser")]
    for labels, group in groupby(series, key=lambda one: one.labels):
        yield _make_table(labels, list(group), page)


def _read_series(element: Any) -> _Series:
    name = " ".join(value.text or "" for value in element.iterfind("{*}tx//{*}v"))
    labels = _read_labels(_find(element, "cat", "xVal"))
    return _Series(name, labels, _read_points(_find(element, "val", "yVal")))


def _find(element: Any, *names: str) -> Any | None:
    return next((found for name in names if (found := element.find(f"{{*}}{name}")) is not None), None)


def _read_labels(element: Any | None) -> Labels:
    """Categories; one within others is named after them ("2025 May")."""
    levels = [_read_points(level) for level in element.iter("{*}lvl")] if element is not None else []
    if not levels:
        return _read_points(element)
    innermost, *outer = levels
    return {
        number: " ".join([*(_last_before(level, number) for level in reversed(outer)), label])
        for number, label in innermost.items()
    }


def _last_before(level: Labels, number: int) -> str:
    """The outer category's label, which is told only at the first of its points."""
    return level[max((start for start in level if start <= number), default=min(level))] if level else ""


def _read_points(element: Any | None) -> Labels:
    if element is None:
        return {}
    number_format = element.findtext(".//{*}formatCode")
    points = ((point, point.findtext("{*}v") or "") for point in element.iter("{*}pt"))
    is_number = next(element.iter("{*}numCache", "{*}numLit"), None) is not None
    return {
        int(point.get("idx", 0)): _show_point(text, point.get("formatCode") or number_format) if is_number else text
        for point, text in points
    }


def _show_point(text: str, number_format: str | None) -> str:
    from openpyxl.styles.numbers import is_date_format
    from openpyxl.utils.datetime import from_excel

    try:
        value = float(text)
        return show_value(from_excel(value)) if is_date_format(number_format) else show_number(value, number_format)
    except (ValueError, OverflowError):
        return text


def _make_table(labels: Labels, group: list[_Series], page: int | None) -> Piece:
    numbers = sorted(set(labels).union(*(one.values for one in group)))
    rows = [[labels.get(number, ""), *(one.values.get(number, "") for one in group)] for number in numbers]
    return make_table([["", *(one.name for one in group)], *rows], page=page)._replace(header_rows=1)
