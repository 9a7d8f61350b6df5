"""What both vector stores do with values before they keep or compare them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from tasks.ports import IndexQuery

Item = TypeVar("Item")


def clean_text(text: str) -> str:
    """Lone surrogates, which UTF-8 cannot hold, become their escapes: the same ones in rows and in queries."""
    return text.encode("utf-8", "backslashreplace").decode()


def in_utc(value: datetime) -> datetime:
    """Aware, in UTC; a naive one is meant as UTC."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def list_batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Consecutive parts of at most `size` items."""
    return (items[start : start + size] for start in range(0, len(items), size))


def can_match(query: IndexQuery) -> bool:
    """Whether any row could pass its filter: nobody reads nothing, and an empty choice chooses nothing."""
    narrowed = (query.filter.sources, query.filter.languages, query.filter.types)
    return bool(query.principals) and query.limit > 0 and () not in narrowed
