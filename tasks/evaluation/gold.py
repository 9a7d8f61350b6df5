"""Which documents a question file means: a uri, a title, or the unique end of a path, in any format.

Names are compared as NFC without percent-encoding, first as they are written, then regardless of case; letters are
never folded further, so `Mühle` and `Muhle` are two names. Documents that differ only in their extension, or in a
folder named like it (`pdf/Loan.pdf` beside `md/Loan.md`), are formats of one work; an exact uri means its work too.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from tasks.models import DocumentSummary

_EXTENSION = re.compile(r"\.(?=[a-z0-9]{0,7}[a-z])[a-z0-9]{1,8}$", re.IGNORECASE)
_BORDERS = "/#:"
_HASH = "\ue023"
"""In decoded paths: a "#" that belongs to a name; what stands as "#" there begins a part."""


class GoldMatch(NamedTuple):
    """What became of one gold name."""

    name: str
    work: str | None
    """The work it means; None when none or several are meant."""
    ambiguous: bool = False


class Library:
    """The documents of a tenant, found by the names that people give them."""

    def __init__(self, documents: Iterable[DocumentSummary]) -> None:
        self._works: dict[str, str] = {}
        self._types: dict[str, str] = {}
        self._uris: dict[str, str] = {}
        self._titles: defaultdict[str, set[str]] = defaultdict(set)
        self._tails: defaultdict[str, set[str]] = defaultdict(set)
        for document in documents:
            self._add(document)

    def _add(self, document: DocumentSummary) -> None:
        path = read_path(document.uri)
        work = strip_format(path)
        self._works[document.document_id] = work
        self._types.setdefault(work, read_type(path))
        self._uris[document.uri] = work
        # Folded keys hold the names as they are written; the search compares those first.
        self._titles[normalise(document.title).casefold()].add(work)
        self._tails[_tail(work).casefold()].add(work)

    def work_of(self, document_id: str) -> str:
        """The work a document is a format of; of an unknown one, itself."""
        return self._works.get(document_id, document_id)

    def type_of(self, work: str) -> str:
        """The extension of the work's first document, "none" without one."""
        return self._types.get(work, "none")

    def find(self, name: str) -> GoldMatch:
        """The work that a gold name means: by uri, else by title, else by the end of its path."""
        if name in self._uris:
            return GoldMatch(name, self._uris[name])
        ambiguous = False
        for works in self._propose(name):
            if len(works) == 1:
                return GoldMatch(name, next(iter(works)))
            ambiguous = ambiguous or len(works) > 1
        return GoldMatch(name, None, ambiguous=ambiguous)

    def _propose(self, name: str) -> Iterator[set[str]]:
        """Sets of works that may be meant, the surest reading first."""
        yield self._titles.get(normalise(name).casefold(), set())
        for ending in list_endings(name):
            same_tail = self._tails.get(_tail(ending).casefold(), set())
            for fold in (str, str.casefold):
                yield {work for work in same_tail if ends_with(fold(work), fold(ending))}


def normalise(text: str) -> str:
    """NFC, one space between words."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def read_path(uri: str) -> str:
    """A uri as a decoded path behind its scheme: `file:///a/M%C3%BChle.pdf` is `file:a/Mühle.pdf`."""
    scheme, _, rest = uri.partition(":")
    file, border, part = rest.lstrip("/").partition("#")
    path = f"{scheme}:{unquote(file).replace('#', _HASH)}{border}{unquote(part)}"
    # A table as a whole is `sql:table` to people; its document is the overview that stands for it.
    return unicodedata.normalize("NFC", path.removesuffix("/@overview") if scheme == "sql" else path)


def strip_format(path: str) -> str:
    """A path without its extension and without a folder above it that is named like it."""
    found = _EXTENSION.search(path)
    # The key of a row or record is no file name: what follows its last dot tells it from its neighbours.
    if found is None or path.startswith("sql:") or "#" in path:
        return path
    stem = path[: found.start()]
    folder, border, name = stem.rpartition("/")
    above, _, last = folder.rpartition("/")
    if border and last.casefold() == found.group()[1:].casefold():
        return f"{above}/{name}" if above else name
    return stem


def read_type(path: str) -> str:
    """The extension without its dot, in small letters; `sql` for a row; "none" without one."""
    if path.startswith("sql:"):
        return "sql"
    found = _EXTENSION.search(path.partition("#")[0])
    return found.group()[1:].lower() if found else "none"


def list_endings(name: str) -> list[str]:
    """The path ends that a gold name may stand for: as it is written or decoded, with its last dot or without."""
    readings = [read_path(name)] if "://" in name else [normalise(name), normalise(unquote(name))]
    readings += [one.replace("\\", "/") for one in readings if "\\" in one]
    readings += [one.replace("#", _HASH) for one in readings if "://" not in name and "#" in one]
    plain = [str(PurePosixPath(reading)).lstrip("/") if "://" not in name else reading for reading in readings]
    return list(dict.fromkeys(ending for one in plain for ending in (one, strip_format(one)) if ending.strip("./")))


def ends_with(path: str, ending: str) -> bool:
    """Whether the path ends with the ending, at a border of folders or parts."""
    return path == ending or (path.endswith(ending) and path[-len(ending) - 1] in _BORDERS)


def _tail(path: str) -> str:
    return re.split("[/#]", path)[-1]
