"""A vector store in memory with the semantics of the real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import log

import numpy as np
from numpy.typing import NDArray

from tasks.errors import ConfigurationError
from tasks.fusion import CANDIDATES, fuse_candidates, weigh_sides
from tasks.models import CollectionSpec
from tasks.ports import IndexHit, IndexQuery, IndexRow


class FakeIndex:
    """Rows in dictionaries, an exact scan, BM25 with k1 = 1.2 and b = 0.75."""

    def __init__(self) -> None:
        self._dimensions: dict[str, int] = {}
        self._collections: dict[str, dict[str, IndexRow]] = {}

    def ensure_collection(self, collection: CollectionSpec) -> None:
        if collection.name in self._collections:
            self._check_dimension(collection.name, collection.dimension)
            return
        self._dimensions[collection.name] = collection.dimension
        self._collections[collection.name] = {}

    def drop_collection(self, collection: str) -> None:
        self._collections.pop(collection, None)
        self._dimensions.pop(collection, None)

    def upsert_rows(self, collection: str, rows: Sequence[IndexRow]) -> None:
        stored = self._rows(collection)
        for row in rows:
            self._check_dimension(collection, row.vector.size)
        stored.update({row.chunk_id: row for row in rows})

    def delete_rows(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> None:
        stored = self._rows(collection)
        for chunk_id in chunk_ids:
            if chunk_id in stored and stored[chunk_id].tenant == tenant:
                del stored[chunk_id]

    def set_readers(self, collection: str, tenant: str, readers: Mapping[str, Sequence[str]]) -> None:
        stored = self._rows(collection)
        for row in list(stored.values()):
            if row.tenant == tenant and row.document_id in readers:
                stored[row.chunk_id] = row._replace(readers=tuple(readers[row.document_id]))

    def search_rows(self, collection: str, queries: Sequence[IndexQuery]) -> list[list[IndexHit]]:
        rows = list(self._rows(collection).values())
        for query in queries:
            self._check_dimension(collection, query.vector.size)
        return [self._search_one(rows, query) for query in queries]

    def fetch_vectors(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        stored = self._rows(collection)
        return {key: stored[key].vector for key in chunk_ids if key in stored and stored[key].tenant == tenant}

    def list_chunk_ids(self, collection: str, tenant: str) -> Iterator[str]:
        return (row.chunk_id for row in list(self._rows(collection).values()) if row.tenant == tenant)

    def optimize(self, collection: str) -> None:
        self._rows(collection)

    def _rows(self, collection: str) -> dict[str, IndexRow]:
        if collection not in self._collections:
            raise ConfigurationError(f"there is no collection {collection}")
        return self._collections[collection]

    def _check_dimension(self, collection: str, dimension: int) -> None:
        if self._dimensions[collection] != dimension:
            raise ConfigurationError(f"collection {collection} has {self._dimensions[collection]} dimensions")

    def _search_one(self, rows: Sequence[IndexRow], query: IndexQuery) -> list[IndexHit]:
        alpha, width = weigh_sides(query), max(query.limit, CANDIDATES)
        readable = {row.chunk_id: row for row in rows if is_readable(row, query)}
        dense = {key: float(row.vector @ query.vector) for key, row in readable.items()} if alpha > 0 else {}
        keyword = score_keywords(rows, query.keywords) if alpha < 1 else {}
        keyword = {key: score for key, score in keyword.items() if key in readable}
        return fuse_candidates(_best(dense, width), _best(keyword, width), alpha=alpha, limit=query.limit)


def is_readable(row: IndexRow, query: IndexQuery) -> bool:
    """The filter, said once more in plain Python: the contract suite compares stores with it."""
    narrowed = query.filter
    return (
        row.tenant == query.tenant
        and not query.principals.isdisjoint(row.readers)
        and (narrowed.sources is None or row.source in narrowed.sources)
        and (narrowed.languages is None or row.language in narrowed.languages)
        and (narrowed.types is None or row.document_type in narrowed.types)
        and _is_between(row.modified, narrowed.modified_after, narrowed.modified_before)
    )


def _is_between(modified: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    if after is None and before is None:
        return True
    return (
        modified is not None
        and (after is None or _in_utc(modified) >= _in_utc(after))
        and (before is None or _in_utc(modified) < _in_utc(before))
    )


def _in_utc(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def score_keywords(rows: Sequence[IndexRow], keywords: str) -> dict[str, float]:
    """BM25 of every row that has one of the tokens; statistics are those of all rows, as in the real stores."""
    k1, b = 1.2, 0.75
    counts = [Counter(row.keywords.split()) for row in rows]
    mean_length = sum(count.total() for count in counts) / len(rows) if rows else 0.0
    scores: Counter[str] = Counter()
    for token in set(keywords.split()):
        holders = [(row, count) for row, count in zip(rows, counts, strict=True) if token in count]
        rarity = log(1 + (len(rows) - len(holders) + 0.5) / (len(holders) + 0.5))
        for row, count in holders:
            length = k1 * (1 - b + b * count.total() / mean_length)
            scores[row.chunk_id] += rarity * count[token] * (k1 + 1) / (count[token] + length)  # type: ignore[assignment]
    return dict(scores)


def _best(scores: Mapping[str, float], width: int) -> dict[str, float]:
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:width])
