"""Documents as pairs quote them: found by whatever people call them, read a batch at a time, remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache

from tasks.curation_models import CitedDocument
from tasks.curation_ports import CitedDocuments

_MOST_CHARACTERS = 32_000_000
"""Of all remembered texts: a hundred MB at most where a character takes more than a byte."""
_MOST_NAMES = 4096


class Library:
    """A tenant's documents; for one command, since it remembers what they say.

    Args:
        tenant: Whose documents.
        cited: Where they are.
        most_characters: Of all remembered texts together; one that is longer is remembered alone.
    """

    def __init__(self, tenant: str, cited: CitedDocuments, *, most_characters: int = _MOST_CHARACTERS) -> None:
        self._tenant = tenant
        self._cited = cited
        self._read: OrderedDict[str, CitedDocument | None] = OrderedDict()
        self._characters = 0
        self._most_characters = most_characters
        self.find = lru_cache(_MOST_NAMES)(self._find)

    def _find(self, name: str) -> list[str]:
        return self._cited.find_documents(self._tenant, name)

    def read(self, document_id: str) -> CitedDocument | None:
        """The live document, None where it is gone."""
        if document_id not in self._read:
            self.fetch([document_id])
        self._read.move_to_end(document_id)
        return self._read[document_id]

    def fetch(self, document_ids: Iterable[str]) -> None:
        """Read those that are not remembered, in one go; those longest not asked for are forgotten for them."""
        missing = [one for one in dict.fromkeys(document_ids) if one not in self._read]
        found = self._cited.read_documents(self._tenant, missing) if missing else {}
        for document_id in missing:
            document = self._read[document_id] = found.get(document_id)
            self._characters += _count(document)
        while self._characters > self._most_characters and len(self._read) > 1:
            _, forgotten = self._read.popitem(last=False)
            self._characters -= _count(forgotten)


def _count(document: CitedDocument | None) -> int:
    return len(document.text) if document else 0
