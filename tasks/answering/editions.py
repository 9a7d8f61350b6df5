"""How old a document says it is, and which documents are editions of one: what a file's name tells.

"travel-policy-2024.pdf" and "travel-policy-2026.docx", "Preisliste v3.xlsx" and "Preisliste v4.xlsx": names that differ
in a year, a date or an edition's number alone. Other numbers tell things apart: pump-120.md is no older pump-240.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from tasks.models import Passage

_DATE = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)(?:-(?P<month>0[1-9]|1[0-2])(?:-(?P<day>0[1-9]|[12]\d|3[01]))?)?(?!\d)"
)
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


def are_editions(one: Passage, other: Passage) -> bool:
    """Whether two documents are editions of one."""
    first, second = read_edition(one), read_edition(other)
    return bool(first.name) and first.name == second.name and first.numbers != second.numbers


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
        for match in _DATE.finditer(name):
            try:
                yield date(int(match["year"]), int(match["month"] or 1), int(match["day"] or 1)), match[0]
            except ValueError:
                continue
