"""How old a document says it is, and which documents are editions of one: what a file's name tells.

"travel-policy-2024.pdf" and "travel-policy-2026.docx", "Preisliste v3.xlsx" and "Preisliste v4.xlsx": names that differ
in a year, a date or an edition's number alone. Other numbers tell things apart: pump-120.md is no older pump-240.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from tasks.models import Passage

_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATES = tuple(
    re.compile(rf"(?<!\d){form}(?!\d)")
    for form in (
        rf"(?P<day>{_DAY})[-_.](?P<month>{_MONTH})[-_.](?P<year>{_YEAR})",
        rf"(?P<year>{_YEAR})(?P<month>{_MONTH})(?P<day>{_DAY})",
        rf"(?P<year>{_YEAR})(?:[-_.](?P<month>{_MONTH})(?:[-_.](?P<day>{_DAY}))?)?",
    )
)
"""As Germans write them, without marks, and as ISO 8601 does; of one date the first form that it has."""
_EDITION = re.compile(
    r"(?<![^\W_])(?:"
    r"(?:19|20)\d\d(?:[-_.]?(?:0[1-9]|1[0-2])(?:[-_.]?(?:0[1-9]|[12]\d|3[01]))?)?"
    r"|(?:0?[1-9]|[12]\d|3[01])[-_.](?:0?[1-9]|1[0-2])[-_.](?:19|20)\d\d"
    r"|(?:v|ver|vers|version|rev|revision|fassung|edition|auflage|ausgabe|issue)[-_. ]?\d{1,4}(?:\.\d{1,3})*"
    r")(?![^\W_])"
)
_LETTERS = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+")


class Edition(NamedTuple):
    """What a file's name says."""

    name: str
    """Without what tells editions apart."""
    numbers: tuple[int, ...]
    """Of what does: of two editions of one name the newer has the greater ones."""


def read_edition(passage: Passage) -> Edition:
    """Of a passage's document; the name is empty where nothing but numbers is left of it."""
    file = unquote(passage.uri.rpartition("/")[2].partition("#")[0])
    stem = PurePosixPath(file).stem.casefold() if "." in file else file.casefold()
    numbers = tuple(int(number) for found in _EDITION.findall(stem) for number in _NUMBER.findall(found))
    words = _LETTERS.findall(_EDITION.sub(" ", stem))
    return Edition(" ".join(words) if any(word.isalpha() for word in words) else "", numbers)


def are_editions(one: Passage, other: Passage, asked: Iterable[str] = ()) -> bool:
    """Whether two documents are editions of one.

    Args:
        one: Of one document.
        other: Of the other.
        asked: Texts that ask a question. Who names what tells the two apart ("revenue in 2024", "invoice 2001") asks
            about one of them, and the other contradicts nothing.
    """
    first, second = read_edition(one), read_edition(other)
    named = {int(number) for text in asked for number in _NUMBER.findall(text)}
    apart = set(first.numbers) ^ set(second.numbers)
    return bool(first.name and apart) and first.name == second.name and named.isdisjoint(apart)


def find_date(passage: Passage) -> date | None:
    """How old a document is: the date or year in its title or file name, else when it was modified.

    A copy of an old file is new on the disk; the year in its name still tells.
    """
    return find_named_date(passage) or (passage.modified.date() if passage.modified else None)


def find_named_date(passage: Passage) -> date | None:
    """The newest date or year in a document's title or file name."""
    return max(_read_dates(passage), default=(None, ""))[0]


def tell_date(passage: Passage) -> str:
    """The same in words, as precise as the name is: a year, a month or a day; else the day of the last change."""
    named = max(_read_dates(passage), default=None)
    if named:
        return named[1]
    return passage.modified.date().isoformat() if passage.modified else ""


def _read_dates(passage: Passage) -> Iterator[tuple[date, str]]:
    for name in (passage.title, passage.uri.rpartition("/")[2]):
        rest = name
        for form in _DATES:
            for match in form.finditer(rest):
                parts = [match[part] for part in ("year", "month", "day") if match[part]]
                try:
                    yield date(*map(int, [*parts, "1", "1"][:3])), "-".join(parts)
                except ValueError:
                    continue
            rest = form.sub(" ", rest)
