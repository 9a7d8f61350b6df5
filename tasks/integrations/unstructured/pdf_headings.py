"""Which lines of a pdf are headings: those set larger than the text, ranked by size.

A pdf states no headings, and unstructured's guess from the words alone takes table cells for titles. The boxes that
it returns tell the size of the type: a box of n lines of size s is about s * (1 + 1.2 * (n - 1)) high, and the n that
fits the box's width best is taken.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise
from typing import Any

_LEADING = 1.2
_CHARACTER_WIDTH = 0.5
_LONGEST_BOX = 60
_MOST_LINES = 3
_WORD = re.compile(r"[^\W\d_]{3}")
_LARGER = 1.12
_MOST_WORDS = 16
_MOST_DEPTH = 3


def rank_headings(elements: list[Any]) -> dict[int, int]:
    """Heading depth, 0 the largest, by the element's place in the list; the rest are no headings."""
    shapes = [_estimate_shape(element) for element in elements]
    weights: Counter[float] = Counter()
    for element, (size, _) in zip(elements, shapes, strict=True):
        weights[size] += len(element.text)
    if not weights:
        return {}
    body = weights.most_common(1)[0][0]
    headings = {
        place: size
        for place, (element, (size, lines)) in enumerate(zip(elements, shapes, strict=True))
        if size >= body * _LARGER and lines <= _MOST_LINES and _is_phrase(element.text)
    }
    ranks = {size: rank for rank, size in enumerate(sorted(set(headings.values()), reverse=True))}
    return {place: min(ranks[size], _MOST_DEPTH) for place, size in headings.items()} or _guess_headings(elements)


def _guess_headings(elements: list[Any]) -> dict[int, int]:
    """All is set in one size: unstructured's titles that stand above longer text, all of one rank."""
    return {
        place: 0
        for place, (element, below) in enumerate(pairwise(elements))
        if element.category == "Title" and _is_phrase(element.text) and len(below.text) > 2 * len(element.text)
    }


def _is_phrase(text: str) -> bool:
    return len(text.split()) <= _MOST_WORDS and bool(_WORD.search(text))


def _estimate_shape(element: Any) -> tuple[float, int]:
    """Size of the type in points, to the half point, and number of lines; zeros where the element has no box."""
    coordinates = element.metadata.coordinates
    if coordinates is None or not element.text:
        return 0.0, 0
    (left, top), (_, bottom), (right, _), _ = coordinates.points
    height, width = max(float(bottom - top), 0.1), max(float(right - left), 0.1)

    def misfit(lines: int) -> float:
        size = height / (1 + _LEADING * (lines - 1))
        return abs(math.log(math.ceil(len(element.text) / lines) * size * _CHARACTER_WIDTH / width))

    lines = min(range(1, min(_LONGEST_BOX, len(element.text)) + 1), key=misfit)
    return round(2 * height / (1 + _LEADING * (lines - 1))) / 2, lines
