"""Cuts a text that is too long for one chunk: at sentence ends, then between words, then anywhere.

A span is (start, end) in the text, exclusive, with no white space at its edges.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

COUNT_BATCH = 2048
"""Texts counted in one call: tokenizers are fast in batches and hold all of one in memory."""

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？؟])[\"'”’»)\]]*\s+|(?<=[。！？])|\s*\n\s*")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'„“])(?:\w|\d{1,2}|Nr|No|Dr|Prof|Mr|Mrs|Ms|St|Abs|Art|Abb|Fig|Tab|Tel|Str|Inc|Ltd|Co|ca|vgl|bzw|inkl"
    r"|zzgl|max|min|usw|etc|evtl|ggf|vs|approx|z\.\s?B|d\.\s?h|u\.\s?a|i\.\s?d|e\.g|i\.e)\.$",
    re.I,
)
_WORD = re.compile(r"\S+")
_PHRASE_CHARACTERS = 60
_SLICE_CHARACTERS = 24

Count = Callable[[Sequence[str]], list[int]]


class Unit(NamedTuple):
    """A span that is never cut again, and its length in tokens."""

    start: int
    end: int
    tokens: int


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at its edges; empty when there is nothing else."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def count_in_batches(count: Count, texts: Iterable[str]) -> Iterator[int]:
    """Tokens of each text, a bounded number of texts at a time."""
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == COUNT_BATCH:
            yield from count(batch)
            batch = []
    if batch:
        yield from count(batch)


def split_span(text: str, start: int, end: int, limit: int, count: Count) -> list[Unit]:
    """Units of at most `limit` tokens, in order, that cover the span except for white space between them.

    Args:
        text: The document's text.
        start: First character.
        end: Last character, exclusive.
        limit: Tokens, at least 1; only a single character may be longer.
        count: Tokens of each text, without special ones.
    """
    units: list[Unit] = []
    for cut in (_sentences, _phrases, _words, _slices):
        if cut is _sentences:
            units = _measure(text, list(cut(text, start, end)), limit, count)
        else:
            units = _cut_long(text, units, limit, count, cut)
    return units


def _measure(text: str, spans: list[tuple[int, int]], limit: int, count: Count) -> list[Unit]:
    """Count each span; one that must be too long is not worth counting."""
    sure = 40 * limit
    counted = count_in_batches(count, (text[a:b] for a, b in spans if b - a <= sure))
    return [Unit(a, b, next(counted) if b - a <= sure else limit + 1) for a, b in spans]


def _cut_long(
    text: str,
    units: list[Unit],
    limit: int,
    count: Count,
    cut: Callable[[str, int, int], Iterator[tuple[int, int]]],
) -> list[Unit]:
    """Replace each unit that is too long by its cuts."""
    if all(unit.tokens <= limit for unit in units):
        return units
    pieces = [list(cut(text, unit.start, unit.end)) if unit.tokens > limit else [] for unit in units]
    measured = iter(_measure(text, [span for spans in pieces for span in spans], limit, count))
    result: list[Unit] = []
    for unit, spans in zip(units, pieces, strict=True):
        result += [next(measured) for _ in spans] if spans else [unit]
    return result


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    begin = start
    for match in _SENTENCE_END.finditer(text, start, end):
        if match.start() > begin and not _continues(text, begin, match):
            yield from _nonempty(text, begin, match.start())
            begin = match.end()
    yield from _nonempty(text, begin, end)


def _continues(text: str, begin: int, match: re.Match[str]) -> bool:
    """Whether the sentence goes on: after an abbreviation, a short number ("3. Mai"), or before a small letter."""
    if "\n" in match.group() or text[match.start() - 1] != ".":
        return False
    following = text[match.end() : match.end() + 1]
    return following.islower() or bool(_ABBREVIATION.search(text[max(begin, match.start() - 12) : match.start()]))


def _phrases(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Groups of words of about sixty characters."""
    begin = last = None
    for match in _WORD.finditer(text, start, end):
        if begin is not None and last is not None and match.end() - begin > _PHRASE_CHARACTERS:
            yield begin, last
            begin = None
        begin = match.start() if begin is None else begin
        last = match.end()
    if begin is not None and last is not None:
        yield begin, last


def _words(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    return (match.span() for match in _WORD.finditer(text, start, end))


def _slices(_text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    step = _SLICE_CHARACTERS
    return ((at, min(at + step, end)) for at in range(start, end, step))


def _nonempty(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    start, end = trim(text, start, end)
    if start < end:
        yield start, end
