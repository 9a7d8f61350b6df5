"""LanceDB 0.40, embedded: one folder, one table a collection, vectors and BM25 in it.

What it does not do by itself and is done here (docs/decisions has the evidence): writers take turns, because two
concurrent merges of the same new key both insert it; queries with one filter share one scan; fusion is ours.
"""

from __future__ import annotations

import errno
import fcntl
import importlib
import logging
import os
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import ArtifactCorrupt, BackendUnavailable, ConfigurationError, ProductError
from tasks.fusion import CANDIDATES, fuse_candidates, weigh_sides
from tasks.integrations.postponed_import import postpone_import
from tasks.integrations.store_values import can_match, clean_text, in_utc, list_batches
from tasks.models import CollectionSpec
from tasks.ports import IndexHit, IndexQuery, IndexRow

logger = logging.getLogger(__name__)

ANN_ROWS = 50_000
"""From here on `optimize` builds an approximate vector index; below, scanning is exact and fast enough."""

KEPT_VERSIONS = timedelta(minutes=10)
"""Table versions younger than this stay: longer than any search or listing that may still read them."""

LOCK_SECONDS = 600.0
"""How long a writer waits for its turn; the longest turn builds an approximate index."""

_IDS_AT_ONCE = 1000
_DOCUMENTS_AT_ONCE = 200
_VECTORS_AT_ONCE = 64
_CACHE_BYTES = 1 << 30


class LanceIndex:
    """The `VectorIndex` port on a folder.

    Args:
        folder: Holds the tables and one lock file a collection; created by the first `ensure_collection`.
        ann_rows: Collections of at least so many rows get an approximate vector index when optimized.
    """

    def __init__(self, folder: Path, *, ann_rows: int = ANN_ROWS) -> None:
        self._folder = folder.absolute()
        self._ann_rows = ann_rows

    def ensure_collection(self, collection: CollectionSpec) -> None:
        """Create the table and its indexes; what is already there stays."""
        with _translated(collection.name):
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._turn(collection.name):
                path = self._path(collection.name)
                if _is_half_created(path):
                    shutil.rmtree(path)
                if not path.exists():
                    self._database.create_table(collection.name, schema=_schema(collection.dimension))
                table = self.open_table(collection.name)
                _check_dimensions(collection.name, table, {collection.dimension})
                present = {index.columns[0] for index in table.list_indices()}
                for column, config in _indexes().items():
                    if column not in present:
                        table.create_index(column, config=config)

    def drop_collection(self, collection: str) -> None:
        """Remove the table's folder, in a way that a kill cannot leave half of it in place."""
        dropped = self._folder / f"{collection}.dropped"
        with _translated(collection):
            if not self._path(collection).exists() and not dropped.exists():
                return
            with self._turn(collection):
                shutil.rmtree(dropped, ignore_errors=True)
                if self._path(collection).exists():
                    self._path(collection).rename(dropped)
                    shutil.rmtree(dropped)

    def upsert_rows(self, collection: str, rows: Sequence[IndexRow]) -> None:
        """Write all rows in one commit; of rows with one chunk_id the last one counts."""
        if not rows:
            return
        with _translated(collection), self._turn(collection):
            table = self.open_table(collection)
            _check_dimensions(collection, table, {row.vector.size for row in rows})
            unique = list({row.chunk_id: row for row in rows}.values())
            merge = table.merge_insert("chunk_id").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(_to_arrow(unique, table.schema))

    def delete_rows(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> None:
        """Remove rows; unknown ids are ignored."""
        with _translated(collection), self._turn(collection):
            table = self.open_table(collection)
            for ids in list_batches(chunk_ids, _IDS_AT_ONCE):
                table.delete(f"tenant = {_quote(tenant)} AND {_is_in('chunk_id', ids)}")

    def set_readers(self, collection: str, tenant: str, readers: Mapping[str, Sequence[str]]) -> None:
        """Read the rows of each batch of documents and write them back with their new readers, in one commit."""
        # Merging the readers column alone costs seconds at 100,000 rows, one update a document a commit each.
        import pyarrow as pa

        cleaned = {clean_text(key): [clean_text(name) for name in names] for key, names in readers.items()}
        with _translated(collection), self._turn(collection):
            table = self.open_table(collection)
            for document_ids in list_batches(list(cleaned), _DOCUMENTS_AT_ONCE):
                condition = f"tenant = {_quote(tenant)} AND {_is_in('document_id', document_ids)}"
                rows = table.search().where(condition).to_arrow()
                field = table.schema.field("readers")
                column = pa.array([cleaned[key] for key in rows["document_id"].to_pylist()], type=field.type)
                rows = rows.set_column(rows.schema.get_field_index("readers"), field, column)
                table.merge_insert("chunk_id").when_matched_update_all().execute(rows)

    def search_rows(self, collection: str, queries: Sequence[IndexQuery]) -> list[list[IndexHit]]:
        """Dense and BM25 candidates under the same pushed-down filter, fused; queries with one filter share a scan."""
        with _translated(collection):
            table = self.open_table(collection)
            _check_dimensions(collection, table, {query.vector.size for query in queries})
            with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # LanceDB works outside Python's lock
                waiting = pool.submit(_dense_candidates, table, queries)
                keyword = list(pool.map(partial(_keyword_candidates, table), queries))
                dense = waiting.result()
        return [
            fuse_candidates(*sides, alpha=weigh_sides(query), limit=query.limit)
            for query, *sides in zip(queries, dense, keyword, strict=True)
        ]

    def fetch_vectors(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Stored vectors by chunk_id; missing ids are left out."""
        found: dict[str, NDArray[np.float32]] = {}
        with _translated(collection):
            table = self.open_table(collection)
            for ids in list_batches(chunk_ids, _IDS_AT_ONCE):
                condition = f"tenant = {_quote(tenant)} AND {_is_in('chunk_id', ids)}"
                rows = table.search().where(condition).select(["chunk_id", "vector"]).to_arrow()
                for batch in rows.to_batches():
                    matrix = batch["vector"].flatten().to_numpy().reshape(batch.num_rows, -1)
                    found.update(zip(batch["chunk_id"].to_pylist(), matrix, strict=True))
        return found

    def list_chunk_ids(self, collection: str, tenant: str) -> Iterator[str]:
        """Every chunk_id of the tenant, streamed from one version of the table."""
        with _translated(collection):
            query = self.open_table(collection).search().where(f"tenant = {_quote(tenant)}").select(["chunk_id"])
            for batch in query.to_batches():
                yield from batch["chunk_id"].to_pylist()

    def optimize(self, collection: str) -> None:
        """Fold new rows into the indexes, merge small files, drop old versions; build the ANN index when it pays."""
        started = time.monotonic()
        with _translated(collection), self._turn(collection):
            table = self.open_table(collection)
            table.optimize(cleanup_older_than=KEPT_VERSIONS)
            rows = table.count_rows()
            if rows >= self._ann_rows:
                _ensure_vector_index(table)
        logger.info("index optimized collection=%s rows=%s seconds=%.1f", collection, rows, time.monotonic() - started)

    # --- the folder ----------------------------------------------------------------------------------------------

    @cached_property
    def _database(self) -> Any:
        lancedb = _import_lancedb()
        session = lancedb.Session(index_cache_size_bytes=_CACHE_BYTES, metadata_cache_size_bytes=_CACHE_BYTES // 4)
        return lancedb.connect(self._folder, session=session)

    def _path(self, collection: str) -> Path:
        return self._folder / f"{collection}.lance"

    def open_table(self, collection: str) -> Any:
        """LanceDB's own table; for measurements and maintenance."""
        # Opened anew each time (0.7 ms): always the newest version, also after another process dropped and refilled it.
        if not self._path(collection).exists():
            raise ConfigurationError(
                f"there is no collection {collection} in {self._folder}",
                advice="run `expertloop ingest`, or `expertloop index rebuild` if another store has them",
            )
        try:
            return self._database.open_table(collection)
        except ValueError as error:  # the folder is there, but no table is found in it
            raise _corrupt(collection, error) from error

    @contextmanager
    def _turn(self, collection: str) -> Iterator[None]:
        """One writer at a time, over threads and processes; the kernel ends the turn of a killed one."""
        if not self._folder.exists():
            self.open_table(collection)
        with (self._folder / f"{collection}.lock").open("w") as handle:
            deadline = time.monotonic() + LOCK_SECONDS
            while not _try_lock(handle.fileno()):
                if time.monotonic() > deadline:
                    raise BackendUnavailable(
                        f"another process has been writing to collection {collection} for {LOCK_SECONDS:.0f} s",
                        advice="wait for it to finish, or end it if it hangs",
                    )
                time.sleep(0.02)
            yield


def _is_half_created(path: Path) -> bool:
    """Whether a kill came before the table's first commit: no version, and no data that could be missed."""
    return path.is_dir() and not any(path.glob("_versions/*.manifest")) and not any(path.glob("data/*"))


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# --- searching -----------------------------------------------------------------------------------------------------


def _dense_candidates(table: Any, queries: Sequence[IndexQuery]) -> list[dict[str, float]]:
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for position, query in enumerate(queries):
        if weigh_sides(query) > 0 and can_match(query):
            groups[_condition(query), max(query.limit, CANDIDATES)].append(position)
    found: list[dict[str, float]] = [{} for _ in queries]
    for (condition, limit), members in groups.items():
        for positions in list_batches(members, _VECTORS_AT_ONCE):
            vectors = [queries[position].vector.astype(np.float32) for position in positions]
            search = table.search(vectors, vector_column_name="vector", query_type="vector").distance_type("dot")
            search = search.where(condition, prefilter=True).limit(limit)
            # For an approximate index: more parts are probed while a narrow filter has not found `limit` rows yet, and
            # the best are scored again with their stored vectors.
            search = search.minimum_nprobes(_PROBES).maximum_nprobes(0).refine_factor(_REFINE)
            rows = search.select(["chunk_id", "_distance"]).to_arrow().to_pydict()
            owners = rows.get("query_index") or [0] * len(rows["chunk_id"])
            for owner, chunk_id, distance in zip(owners, rows["chunk_id"], rows["_distance"], strict=True):
                found[positions[owner]][chunk_id] = 1.0 - distance  # LanceDB's dot distance is 1 - dot product
    return found


def _keyword_candidates(table: Any, query: IndexQuery) -> dict[str, float]:
    if weigh_sides(query) == 1 or not can_match(query):
        return {}
    match_query: Any = importlib.import_module("lancedb.query").MatchQuery  # mypy takes its defaults for missing
    search = table.search(match_query(clean_text(query.keywords), "keywords"), query_type="fts")
    search = search.where(_condition(query), prefilter=True).limit(max(query.limit, CANDIDATES))
    rows = search.select(["chunk_id", "_score"]).to_arrow().to_pydict()
    return dict(zip(rows["chunk_id"], rows["_score"], strict=True))


def _condition(query: IndexQuery) -> str:
    """The filter as SQL; sorted, so that equal filters are equal strings."""
    readers = ", ".join(map(_quote, sorted(query.principals)))
    parts = [f"tenant = {_quote(query.tenant)}", f"array_has_any(readers, [{readers}])"]
    narrowed = {"source": query.filter.sources, "language": query.filter.languages, "document_type": query.filter.types}
    parts += [_is_in(column, sorted(values)) for column, values in narrowed.items() if values is not None]
    if query.filter.modified_after is not None:
        parts.append(f"modified >= {_quote_time(query.filter.modified_after)}")
    if query.filter.modified_before is not None:
        parts.append(f"modified < {_quote_time(query.filter.modified_before)}")
    return " AND ".join(parts)


def _is_in(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(map(_quote, values))})"


def _quote(value: str) -> str:
    """An SQL string literal: in Lance's dialect only the quote itself is special."""
    return "'" + clean_text(value).replace("'", "''") + "'"


def _quote_time(value: datetime) -> str:
    return f"timestamp '{in_utc(value).isoformat()}'"


# --- the table -----------------------------------------------------------------------------------------------------

_TEXTS = ("chunk_id", "document_id", "tenant", "keywords", "source", "language", "document_type")
_PROBES = 64
_REFINE = 4


def _schema(dimension: int) -> Any:
    import pyarrow as pa

    texts = [pa.field(name, pa.string(), nullable=False) for name in _TEXTS]
    return pa.schema(
        [
            *texts,
            pa.field("vector", pa.list_(pa.float32(), dimension), nullable=False),
            pa.field("modified", pa.timestamp("us", "UTC")),
            pa.field("readers", pa.list_(pa.string()), nullable=False),
        ]
    )


def _indexes() -> dict[str, Any]:
    from lancedb.index import FTS, Bitmap, BTree, LabelList

    # Keywords arrive analysed: tokens are cut at spaces and taken as they are, however long.
    keywords = FTS(
        base_tokenizer="whitespace",
        stem=False,
        remove_stop_words=False,
        lower_case=False,
        ascii_folding=False,
        max_token_length=None,
        with_position=False,
    )
    return {
        "keywords": keywords,
        "chunk_id": BTree(),
        "document_id": BTree(),
        "tenant": Bitmap(),
        "readers": LabelList(),
    }


def _ensure_vector_index(table: Any) -> None:
    indexed = any(index.columns == ["vector"] for index in table.list_indices())
    # Other dimensions cannot be encoded and stay with the exact scan; the known embedders have none such.
    if not indexed and _dimension(table) % 8 == 0:
        table.create_index("vector", config=make_vector_index())


def make_vector_index() -> Any:
    """RaBitQ codes in inverted lists (Gao and Long, SIGMOD 2024), the approximate index of big collections.

    Of LanceDB's kinds it was the only one that is both quick to build and faster than scanning at recall@10 1.0.
    """
    from lancedb.index import IvfRq

    return IvfRq(distance_type="dot")


def _to_arrow(rows: Sequence[IndexRow], schema: Any) -> Any:
    import pyarrow as pa

    matrix = np.stack([row.vector for row in rows]).astype(np.float32, copy=False)
    columns: dict[str, Any] = {name: [clean_text(getattr(row, name)) for row in rows] for name in _TEXTS}
    columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])
    columns["modified"] = [None if row.modified is None else in_utc(row.modified) for row in rows]
    columns["readers"] = [[clean_text(reader) for reader in row.readers] for row in rows]
    return pa.table(columns, schema=schema)


def _dimension(table: Any) -> int:
    return int(table.schema.field("vector").type.list_size)


def _check_dimensions(collection: str, table: Any, dimensions: set[int]) -> None:
    expected = _dimension(table)
    if wrong := dimensions - {expected}:
        raise ConfigurationError(
            f"collection {collection} holds vectors of {expected} dimensions, not of {min(wrong)}",
            advice="set the embedder back, or ingest again into a new collection",
        )


# --- errors and import ---------------------------------------------------------------------------------------------


@contextmanager
def _translated(collection: str) -> Iterator[None]:
    """LanceDB's errors, and the file system's, become ours; anything else is a bug and passes."""
    try:
        yield
    except OSError as error:
        raise _from_errno(collection, error, error.errno) from error
    except RuntimeError as error:
        if not str(error).startswith("lance error"):
            raise
        raise _from_lance(collection, error) from error


def _from_lance(collection: str, error: RuntimeError) -> ProductError:
    if re.search(r"commit conflict|concurrent|contention", str(error), re.IGNORECASE):
        return BackendUnavailable(f"collection {collection} was changed by another process meanwhile")
    code = re.search(r"\(os error (\d+)\)", str(error))
    return _from_errno(collection, error, int(code[1])) if code else _corrupt(collection, error)


def _from_errno(collection: str, error: Exception, code: int | None) -> ProductError:
    reason = os.strerror(code) if code else str(error)
    if code == errno.ENOENT:
        return _corrupt(collection, error)
    if code in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        advice = "give this user a folder it may write to, by EXPERTLOOP_HOME or EXPERTLOOP_INDEX_URL"
        return ConfigurationError(f"the folder of collection {collection} cannot be used: {reason}", advice=advice)
    return BackendUnavailable(
        f"collection {collection} cannot be read or written: {reason}", advice="check the disk, then run again"
    )


def _corrupt(collection: str, error: Exception) -> ArtifactCorrupt:
    logger.debug("collection unreadable collection=%s error=%s", collection, error)
    return ArtifactCorrupt(
        f"collection {collection} is damaged on disk",
        advice="delete the index folder and run `expertloop ingest` again: the index is rebuilt from the database",
    )


def _import_lancedb() -> ModuleType:
    """Import LanceDB without its REST client and Azure's SDK, which make up almost half of its import time."""
    postpone_import("adlfs")
    postpone_import("lance_namespace_urllib3_client")
    return importlib.import_module("lancedb")
