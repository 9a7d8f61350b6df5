"""The `VectorIndex` port on a Weaviate server."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateQueryError

from tasks.errors import ConfigurationError
from tasks.integrations.store_values import can_match, list_batches
from tasks.integrations.weaviate.address import WeaviateAddress
from tasks.integrations.weaviate.connection import NEWEST_TESTED, Connection, parse_version
from tasks.integrations.weaviate.errors import is_late
from tasks.integrations.weaviate.reading import fetch_page, fetch_vectors, search_tenant
from tasks.integrations.weaviate.rows import object_id, to_object
from tasks.integrations.weaviate.schema import Compression, create_collection, read_dimension
from tasks.integrations.weaviate.writing import ROWS_AT_ONCE, delete_objects, insert_objects, replace_readers
from tasks.models import CollectionSpec
from tasks.ports import IndexHit, IndexQuery, IndexRow

logger = logging.getLogger(__name__)

_DOCUMENTS_AT_ONCE = 200
_SEARCHES_AT_ONCE = 8
_TENANT = re.compile(r"[A-Za-z0-9_-]{1,64}")

Result = TypeVar("Result")


class WeaviateIndex:
    """The port over one connection, which threads may share.

    Args:
        address: Where the server is.
        key: API key, if it asks for one.
        headers: Sent with every request.
        timeout_seconds: Longest wait for one request.
        compression: Of the vectors in memory of collections created from now on.
        binaries: Where the binary of an embedded server lies.
    """

    def __init__(
        self,
        address: WeaviateAddress,
        *,
        binaries: Path,
        key: SecretStr | None = None,
        headers: Mapping[str, SecretStr] | None = None,
        timeout_seconds: float = 30,
        compression: Compression = "none",
    ) -> None:
        self._connection = Connection(
            address, key=key, headers=headers or {}, timeout_seconds=timeout_seconds, binaries=binaries
        )
        self._compression = compression
        self._dimensions: dict[str, int] = {}

    def describe(self) -> str:
        """The server and its version, for the doctor; asks it."""
        version = self._connection.read_version()
        newer = parse_version(version)[:2] > NEWEST_TESTED
        return f"{self._connection.shown}, Weaviate {version}{' (newer than what we test with)' if newer else ''}"

    def close(self) -> None:
        """Give the connection back; the next call opens another."""
        self._connection.close()

    def ensure_collection(self, collection: CollectionSpec) -> None:
        """Create it when it is not there."""
        with self._connection.use() as client:
            dimension = read_dimension(client, collection.name)
            if dimension is None:
                try:
                    create_collection(client, collection, self._compression)
                except UnexpectedStatusCodeError:
                    # Another worker made it at the same time; if it is not there now, this is the server's refusal.
                    if not client.collections.exists(collection.name):
                        raise
                dimension = read_dimension(client, collection.name) or collection.dimension
        self._dimensions[collection.name] = dimension
        _check_dimensions(collection.name, dimension, {collection.dimension})

    def drop_collection(self, collection: str) -> None:
        """Remove it with all tenants."""
        self._dimensions.pop(collection, None)
        with self._connection.use() as client:
            client.collections.delete(collection)

    def upsert_rows(self, collection: str, rows: Sequence[IndexRow]) -> None:
        """Write all rows or raise; of rows with one chunk_id the last one counts."""
        _check_dimensions(collection, self._read_dimension(collection), {row.vector.size for row in rows})
        by_tenant: dict[str, dict[str, IndexRow]] = defaultdict(dict)
        for row in rows:
            by_tenant[_check_tenant(row.tenant)][row.chunk_id] = row
        with self._connection.use() as client:
            for tenant, unique in by_tenant.items():
                handle = client.collections.use(collection)
                insert_objects(
                    handle.with_tenant(tenant),
                    list(unique.values()),
                    make=to_object,
                    shown=self._connection.shown,
                    may_be_there=handle.tenants.get_by_name(tenant) is not None,
                )

    def delete_rows(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> None:
        """Remove rows; unknown ids are ignored, those that the server could not remove are not."""
        self._read_dimension(collection)
        for some in list_batches([object_id(chunk_id) for chunk_id in chunk_ids], ROWS_AT_ONCE):
            delete = partial(delete_objects, object_ids=some, shown=self._connection.shown)
            deleted = self._in_tenant(collection, tenant, delete, absent=0)
            logger.info("rows deleted collection=%s asked=%s deleted=%s", collection, len(some), deleted)

    def set_readers(self, collection: str, tenant: str, readers: Mapping[str, Sequence[str]]) -> None:
        """Documents with equal new readers together, a page of rows at a time."""
        self._read_dimension(collection)
        by_readers: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for document_id, names in readers.items():
            by_readers[tuple(names)].append(document_id)
        for names, document_ids in by_readers.items():
            for some in list_batches(document_ids, _DOCUMENTS_AT_ONCE):
                replace = partial(replace_readers, readers=names, document_ids=some, shown=self._connection.shown)
                self._in_tenant(collection, tenant, replace, absent=None)

    def search_rows(self, collection: str, queries: Sequence[IndexQuery]) -> list[list[IndexHit]]:
        """One call a query, several at a time."""
        expected = self._dimensions.get(collection) or self._read_dimension(collection)
        _check_dimensions(collection, expected, {query.vector.size for query in queries})
        if len(queries) == 1:
            return [self._search(collection, queries[0])]
        with ThreadPoolExecutor(max_workers=_SEARCHES_AT_ONCE) as pool:
            return list(pool.map(partial(self._search, collection), queries))

    def fetch_vectors(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Stored vectors by chunk_id; missing ids are left out."""
        self._read_dimension(collection)
        found: dict[str, NDArray[np.float32]] = {}
        for some in list_batches([object_id(chunk_id) for chunk_id in chunk_ids], ROWS_AT_ONCE):
            nothing: dict[str, NDArray[np.float32]] = {}
            found |= self._in_tenant(collection, tenant, partial(fetch_vectors, object_ids=some), absent=nothing)
        return found

    def list_chunk_ids(self, collection: str, tenant: str) -> Iterator[str]:
        """Every chunk_id of the tenant, a page at a time."""
        self._read_dimension(collection)
        nothing: tuple[list[str], str | None] = ([], None)
        after: str | None = None
        while True:
            page = partial(fetch_page, after=after, limit=ROWS_AT_ONCE)
            chunk_ids, after = self._in_tenant(collection, tenant, page, absent=nothing)
            yield from chunk_ids
            if after is None:
                return

    def optimize(self, collection: str) -> None:
        """Nothing: Weaviate keeps its indexes up to date by itself."""
        self._read_dimension(collection)

    def _search(self, collection: str, query: IndexQuery) -> list[IndexHit]:
        if not can_match(query):
            return []
        return self._in_tenant(collection, query.tenant, partial(search_tenant, query=query), absent=[])

    # --- places ----------------------------------------------------------------------------------------------------

    def _in_tenant(self, collection: str, tenant: str, act: Callable[[Any], Result], *, absent: Result) -> Result:
        """What `act` does in a tenant; `absent` where nothing was ever written for it."""
        if not _TENANT.fullmatch(tenant):
            return absent
        with self._connection.use() as client:
            handle = client.collections.use(collection)
            try:
                return act(handle.with_tenant(tenant))
            except (WeaviateQueryError, UnexpectedStatusCodeError) as error:
                if is_late(error):
                    raise
                # Asked only after a failure: two more calls for each search would double its time.
                if self._find_dimension(client, collection) is None:
                    raise _no_collection(collection, self._connection.shown) from None
                if handle.tenants.get_by_name(tenant) is None:
                    return absent
                raise

    def _read_dimension(self, collection: str) -> int:
        with self._connection.use() as client:
            dimension = self._find_dimension(client, collection)
        if dimension is None:
            raise _no_collection(collection, self._connection.shown)
        return dimension

    def _find_dimension(self, client: Any, collection: str) -> int | None:
        dimension = read_dimension(client, collection)
        if dimension is None:
            self._dimensions.pop(collection, None)
        else:
            self._dimensions[collection] = dimension
        return dimension


def _check_dimensions(collection: str, expected: int, dimensions: set[int]) -> None:
    if wrong := dimensions - {expected}:
        raise ConfigurationError(
            f"collection {collection} holds vectors of {expected} dimensions, not of {min(wrong)}",
            advice="set the embedder back, or ingest again into a new collection",
        )


def _check_tenant(tenant: str) -> str:
    if not _TENANT.fullmatch(tenant):
        raise ConfigurationError(
            f"{tenant!r} is no name for a tenant in Weaviate", advice="use letters, digits, _ and -, at most 64"
        )
    return tenant


def _no_collection(collection: str, shown: str) -> ConfigurationError:
    return ConfigurationError(
        f"there is no collection {collection} in {shown}",
        advice="run `expertloop ingest`, or `expertloop index rebuild` if another store has them",
    )
