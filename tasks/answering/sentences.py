"""Splits text into sentences, list items and table rows with their places, in linear time.

Rules instead of a trained splitter: a quote must be the same on every machine, in English and in German, and what
documents hold is as often a row or a bullet as a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

CELL_BORDER = " | "
"""What joins the cells of a table's row (`tasks.models.Element`)."""


def _split_words(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ABBREVIATIONS = _split_words(
    "abb abs allg art aufl bd bsp bspw bzgl bzw ca dgl dr eig einschl engl etc evtl exkl fa ff fig frl gem ggf ggfs"
    " hr hrsg inkl insb jr kap lfd lt max mind min mio mrd nr orig prof rd s sog st std str tab tel tsd usf usw v vgl"
    " vol vs zb zzgl zt approx apt assoc ave bros co corp dept e.g eg est ext i.e ie inc ltd mr mrs ms no nos op p pp"
    " ref rev sec sen sr vs jan feb mar apr jun jul aug sep sept oct okt nov dec dez gmbh"
)
_ORDINAL_FOLLOWERS = _split_words(
    "januar jänner februar märz april mai juni juli august september oktober november dezember jan feb apr jun jul aug"
    " sep okt nov dez quartal halbjahr jahr jahrhundert stock etage obergeschoss tag monat woche auflage klasse"
)
_FIELD = re.compile(r"\s*[A-ZÄÖÜ][\w-]{0,24}:[ \t]+\S")
"""A line that starts with the name of a field, as those of a mail's head do."""
_BULLET = re.compile(r"[ \t]*(?:[-*•·▪◦‣–—■●○✓✔][ \t]+)?")
_RUN_IN_LIST = re.compile(r":[ \t]+[-*•·▪◦‣–][ \t]")
_RUN_IN_ITEM = re.compile(r"[ \t][-*•·▪◦‣–][ \t](?=[^\W_])")
# The lookbehind starts a match only at the first of many marks, so that "....." is read once, not once a mark.
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”“’»«)\]]{0,3}[ \t\n]++|[。！？]")
_OPENERS = "\"'“„‚«»([¿¡"
_SOFT_WRAP_LENGTH = 60
_LONGEST_TOKEN = 24


class Span(NamedTuple):
    """Characters start to end (exclusive) of a text."""

    start: int
    end: int


@lru_cache(maxsize=4096)
def split_sentences(text: str) -> tuple[Span, ...]:
    """The sentences of a document's text; remembered, since the passages of one question are those of the next."""
    return cut_sentences(text)


def cut_sentences(text: str) -> tuple[Span, ...]:
    """The sentences, list items and table rows of a text, in order, without overlap, none of them blank.

    Bullets, spaces and line ends around them belong to none. A line that merely wraps is no end; a table's row is one
    sentence.
    """
    spans = (span for line in _split_lines(text) for span in _split_line(text, line))
    return tuple(trimmed for span in spans if (trimmed := _trim(text, span)).start < trimmed.end)


def is_row(sentence: str) -> bool:
    """Whether a sentence is a table's row."""
    return CELL_BORDER in sentence


def _split_lines(text: str) -> Iterator[Span]:
    """Lines as a person means them: a wrapped line goes on in the next."""
    start = previous = 0
    for line in re.finditer(r"[^\r\n\f\v]+", text):
        gap = text[previous : line.start()]
        if previous and (
            gap.count("\n") > 1 or not _wraps(text[max(start, previous - 400) : previous], line.group()[:400])
        ):
            yield Span(start, previous)
            start = line.start()
        elif not previous:
            start = line.start()
        previous = line.end()
    if previous:
        yield Span(start, previous)


def _wraps(line: str, following: str) -> bool:
    last = line.rsplit("\n", 1)[-1].rstrip()
    bullet = _BULLET.match(following)
    starts_item = (bullet is not None and bullet.group().strip() != "") or re.match(r"\s*\(?\d{1,3}[.)]\s", following)
    if not last or starts_item or is_row(last) or is_row(following) or last[-1] in ".!?:;…":
        return False
    if _FIELD.match(last) and _FIELD.match(following):
        return False
    return following.lstrip()[:1].islower() or last[-1] in ",-–" or len(last) >= _SOFT_WRAP_LENGTH


def _split_line(text: str, line: Span) -> Iterator[Span]:
    if is_row(text[line.start : line.end]):
        yield line
        return
    start = line.start
    if _RUN_IN_LIST.search(text, line.start, line.end):
        for item in _RUN_IN_ITEM.finditer(text, line.start, line.end):
            yield from _split_prose(text, Span(start, item.start()))
            start = item.end()
    yield from _split_prose(text, Span(start, line.end))


def _split_prose(text: str, span: Span) -> Iterator[Span]:
    start = span.start
    for mark in _SENTENCE_END.finditer(text, span.start, span.end):
        if mark.end() < span.end and _ends_sentence(text, start, mark):
            yield Span(start, mark.end())
            start = mark.end()
    yield Span(start, span.end)


def _ends_sentence(text: str, start: int, mark: re.Match[str]) -> bool:
    if not mark.group().startswith(".") or mark.group().startswith(".."):
        return True
    following = text[mark.end() : mark.end() + _LONGEST_TOKEN].lstrip(_OPENERS)
    if following[:1].islower():
        return False
    before = text[max(start, mark.start() - _LONGEST_TOKEN) : mark.start()]
    token = before.split()[-1].lstrip(_OPENERS).casefold() if before.split() else ""
    if token.isdigit():
        return not _is_ordinal(token, following, first=before.strip() == token and len(before) < _LONGEST_TOKEN)
    last = token.rsplit(".", 1)[-1]
    return not (len(last) == 1 and last.isalpha()) and token not in _ABBREVIATIONS and bool(token)


def _is_ordinal(number: str, following: str, *, first: bool) -> bool:
    """Whether "3." counts ("3. März", the step "3. Open the valve") instead of ending a sentence ("in 2023.")."""
    next_word = re.match(r"\w*", following)
    return len(number) < 3 and (first or (next_word is not None and next_word.group().casefold() in _ORDINAL_FOLLOWERS))


def _trim(text: str, span: Span) -> Span:
    start, end = span
    bullet = _BULLET.match(text, start, end)
    start = bullet.end() if bullet else start
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)
