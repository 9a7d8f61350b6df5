"""What documents say that abbreviations stand for, in a list."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from tasks.abbreviations import Meaning, make_long_key, make_short_key
from tasks.models import EVERYONE


class Stated(NamedTuple):
    """One definition with who may read it."""

    short: str
    long: str
    documents: int = 1
    reader: str = EVERYONE
    tenant: str = "default"


class FakeDefinitions:
    """Counts how often it is asked."""

    def __init__(self, *stated: Stated) -> None:
        self.stated = stated
        self.asked = 0

    def find_meanings(
        self, tenant: str, principals: frozenset[str], *, shorts: Collection[str], longs: Collection[str]
    ) -> list[Meaning]:
        self.asked += 1
        mine = [one for one in self.stated if one.tenant == tenant and one.reader in principals]
        keys = {
            make_short_key(one.short)
            for one in mine
            if make_short_key(one.short) in shorts or make_long_key(one.long) in longs
        }
        return [
            Meaning(one.short, one.long, one.documents, f"document of {one.long}")
            for one in mine
            if make_short_key(one.short) in keys
        ]
