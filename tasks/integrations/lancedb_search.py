"""Searches of LanceDB tables, many at a time, by its asynchronous interface.

The synchronous one hands every query over to its event loop six times and looks at the schema three times, which took
twice the processor time of the search itself (a batch of 32 keyword queries: 11 against 5.6 ms each, measured on two
cores); here one hand-over brings all queries of a batch.
"""

from __future__ import annotations

import asyncio
import importlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from tasks.errors import ConfigurationError
from tasks.fusion import CANDIDATES, fuse_candidates, weigh_sides
from tasks.integrations.lancedb_errors import corrupt
from tasks.integrations.store_values import can_match, clean_text, in_utc, list_batches
from tasks.ports import IndexHit, IndexQuery

_VECTORS_AT_ONCE = 64
_PROBES = 64
_REFINE = 4


class LanceSearch:
    """Dense and BM25 candidates under the same pushed-down filter, fused.

    Args:
        folder: Of the tables.
        session: LanceDB's own, whose caches are shared with those who write.
    """

    def __init__(self, folder: Path, session: Any) -> None:
        self._folder = folder
        self._session = session
        self._connection: Any = None

    def search(self, collection: str, queries: Sequence[IndexQuery]) -> list[list[IndexHit]]:
        """The best of each query; the table is opened anew, so that its newest version is searched."""
        loop = importlib.import_module("lancedb.background_loop").LOOP
        dense, keyword = loop.run(self._find(collection, queries))
        return [
            fuse_candidates(*sides, alpha=weigh_sides(query), limit=query.limit)
            for query, *sides in zip(queries, dense, keyword, strict=True)
        ]

    async def _find(
        self, collection: str, queries: Sequence[IndexQuery]
    ) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
        if self._connection is None:
            connect = importlib.import_module("lancedb").connect_async
            self._connection = await connect(self._folder, session=self._session)
        try:
            table = await self._connection.open_table(collection)
        except ValueError as error:  # the folder is there, but no table is found in it
            raise corrupt(collection, error) from error
        check_dimensions(collection, await table.schema(), {query.vector.size for query in queries})
        keyword = asyncio.gather(*(_find_by_keywords(table, query) for query in queries))
        return await _find_dense(table, queries), await keyword


async def _find_dense(table: Any, queries: Sequence[IndexQuery]) -> list[dict[str, float]]:
    """Queries with one filter share one scan."""
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for position, query in enumerate(queries):
        if weigh_sides(query) > 0 and can_match(query):
            groups[_condition(query), max(query.limit, CANDIDATES)].append(position)
    found: list[dict[str, float]] = [{} for _ in queries]
    for (condition, limit), members in groups.items():
        for positions in list_batches(members, _VECTORS_AT_ONCE):
            vectors = [queries[position].vector.astype(np.float32) for position in positions]
            search = table.query().nearest_to(vectors).column("vector").distance_type("dot")
            # For an approximate index: more parts are probed while a narrow filter has not found `limit` rows yet, and
            # the best are scored again with their stored vectors.
            search = search.maximum_nprobes(0).minimum_nprobes(_PROBES).refine_factor(_REFINE)
            table_rows = await search.where(condition).limit(limit).select(["chunk_id", "_distance"]).to_arrow()
            rows = table_rows.to_pydict()
            owners = rows.get("query_index") or [0] * len(rows["chunk_id"])
            for owner, chunk_id, distance in zip(owners, rows["chunk_id"], rows["_distance"], strict=True):
                found[positions[owner]][chunk_id] = 1.0 - distance  # LanceDB's dot distance is 1 - dot product
    return found


async def _find_by_keywords(table: Any, query: IndexQuery) -> dict[str, float]:
    if weigh_sides(query) == 1 or not can_match(query):
        return {}
    match_query: Any = importlib.import_module("lancedb.query").MatchQuery  # mypy takes its defaults for missing
    search = table.query().nearest_to_text(match_query(clean_text(query.keywords), "keywords"))
    search = search.where(_condition(query)).limit(max(query.limit, CANDIDATES)).select(["chunk_id", "_score"])
    rows = (await search.to_arrow()).to_pydict()
    return dict(zip(rows["chunk_id"], rows["_score"], strict=True))


def check_dimensions(collection: str, schema: Any, dimensions: set[int]) -> None:
    """Make sure that vectors fit.

    Raises:
        ConfigurationError: The table's are longer or shorter.
    """
    expected = read_dimension(schema)
    if wrong := dimensions - {expected}:
        raise ConfigurationError(
            f"collection {collection} holds vectors of {expected} dimensions, not of {min(wrong)}",
            advice="set the embedder back, or ingest again into a new collection",
        )


def read_dimension(schema: Any) -> int:
    """Of a table's vectors."""
    return int(schema.field("vector").type.list_size)


def _condition(query: IndexQuery) -> str:
    """The filter as SQL; sorted, so that equal filters are equal strings."""
    readers = ", ".join(map(quote, sorted(query.principals)))
    parts = [f"tenant = {quote(query.tenant)}", f"array_has_any(readers, [{readers}])"]
    narrowed = {"source": query.filter.sources, "language": query.filter.languages, "document_type": query.filter.types}
    parts += [is_in(column, sorted(values)) for column, values in narrowed.items() if values is not None]
    if query.filter.modified_after is not None:
        parts.append(f"modified >= {_quote_time(query.filter.modified_after)}")
    if query.filter.modified_before is not None:
        parts.append(f"modified < {_quote_time(query.filter.modified_before)}")
    return " AND ".join(parts)


def is_in(column: str, values: Iterable[str]) -> str:
    """An SQL condition."""
    return f"{column} IN ({', '.join(map(quote, values))})"


def quote(value: str) -> str:
    """An SQL string literal: in Lance's dialect only the quote itself is special."""
    return "'" + clean_text(value).replace("'", "''") + "'"


def _quote_time(value: datetime) -> str:
    return f"timestamp '{in_utc(value).isoformat()}'"
