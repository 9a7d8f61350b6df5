"""Where a quoted span stands in a document's text, and what stands there instead when it is gone."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from typing import NamedTuple

from tasks.curation.texts import list_words

_GAP = re.compile(r"[\s|]+")
_CLASSES = ("-‐‑‒–—−", '"“”„‟«»', "'‘’‚‛`´")
_ALIKE = {character: f"[{re.escape(one)}]" for one in _CLASSES for character in one}
_PIECE_END = re.compile(r"\n+|(?<=[.!?;])\s+")
_LEAST_SHARED = 0.4


class Span(NamedTuple):
    """Characters start to end (exclusive) of a text."""

    start: int
    end: int


def locate_quote(text: str, quote: str, *, near: int | None = None) -> Span | None:
    """The place of a quote, the one nearest to `near` of several, else the first.

    A person copies a quote from a page: spaces, line ends, borders of cells, dashes and quotation marks may differ.
    """
    if not quote.strip(" \t\r\n|"):
        return None
    start = _find_exact(text, quote, near)
    if start is not None:
        return Span(start, start + len(quote))
    matches = (Span(*match.span()) for match in _loosen(quote).finditer(text))
    return min(matches, key=lambda span: abs(span.start - (near or 0)), default=None)


def _find_exact(text: str, quote: str, near: int | None) -> int | None:
    first = text.find(quote)
    if first < 0 or near is None:
        return first if first >= 0 else None
    after, before = text.find(quote, near), text.rfind(quote, 0, near + len(quote))
    return min((place for place in (first, after, before) if place >= 0), key=lambda place: abs(place - near))


def _loosen(quote: str) -> re.Pattern[str]:
    words = [word for word in _GAP.split(quote) if word]
    return re.compile(r"[\s|]+".join(map(_loosen_word, words)))


def _loosen_word(word: str) -> str:
    return "".join(_ALIKE.get(character) or re.escape(character) for character in word)


def find_nearest(text: str, quote: str) -> str | None:
    """The sentence or line of the text that shares most words with the quote, None where none shares enough."""
    wanted = Counter(list_words(quote))
    best, best_shared = None, _LEAST_SHARED
    start = 0
    for end in [*(match.start() for match in _PIECE_END.finditer(text)), len(text)]:
        piece = text[start:end].strip()
        start = end
        words = Counter(list_words(piece[: 8 * len(quote) + 200]))
        shared = 2 * (wanted & words).total() / ((wanted + words).total() or 1)
        if shared > best_shared:
            best, best_shared = piece, shared
    return best[: 4 * len(quote) + 200] if best else None


def mark_changes(before: str, after: str) -> str:
    """One text with what was taken away as [-…-] and what was added as {+…+}, word by word."""
    old, new = before.split(), after.split()
    parts: list[str] = []
    for what, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            parts += old[a:b]
            continue
        if b > a:
            parts.append(f"[-{' '.join(old[a:b])}-]")
        if d > c:
            parts.append(f"{{+{' '.join(new[c:d])}+}}")
    return " ".join(parts)
