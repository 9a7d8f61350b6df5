"""LanceDB 0.40, embedded: one folder, one table a collection, vectors and BM25 in it.

What it does not do by itself and is done here (docs/decisions has the evidence): writers take turns, because two
concurrent merges of the same new key both insert it; queries with one filter share one scan; fusion is ours.
"""

from __future__ import annotations

import fcntl
import importlib
import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.lancedb_errors import corrupt, translated
from tasks.integrations.lancedb_search import LanceSearch, check_dimensions, is_in, quote, read_dimension
from tasks.integrations.postponed_import import postpone_import
from tasks.integrations.store_values import clean_text, in_utc, list_batches
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
        with translated(collection.name):
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._turn(collection.name):
                path = self._path(collection.name)
                if _is_half_created(path):
                    shutil.rmtree(path)
                if not path.exists():
                    self._database.create_table(collection.name, schema=_schema(collection.dimension))
                table = self.open_table(collection.name)
                check_dimensions(collection.name, table.schema, {collection.dimension})
                present = {index.columns[0] for index in table.list_indices()}
                for column, config in _indexes().items():
                    if column not in present:
                        table.create_index(column, config=config)

    def drop_collection(self, collection: str) -> None:
        """Remove the table's folder, in a way that a kill cannot leave half of it in place."""
        dropped = self._folder / f"{collection}.dropped"
        with translated(collection):
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
        with translated(collection), self._turn(collection):
            table = self.open_table(collection)
            check_dimensions(collection, table.schema, {row.vector.size for row in rows})
            unique = list({row.chunk_id: row for row in rows}.values())
            merge = table.merge_insert("chunk_id").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(_to_arrow(unique, table.schema))

    def delete_rows(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> None:
        """Remove rows; unknown ids are ignored."""
        with translated(collection), self._turn(collection):
            table = self.open_table(collection)
            for ids in list_batches(chunk_ids, _IDS_AT_ONCE):
                table.delete(f"tenant = {quote(tenant)} AND {is_in('chunk_id', ids)}")

    def set_readers(self, collection: str, tenant: str, readers: Mapping[str, Sequence[str]]) -> None:
        """Read the rows of each batch of documents and write them back with their new readers, in one commit."""
        # Merging the readers column alone costs seconds at 100,000 rows, one update a document a commit each.
        import pyarrow as pa

        cleaned = {clean_text(key): [clean_text(name) for name in names] for key, names in readers.items()}
        with translated(collection), self._turn(collection):
            table = self.open_table(collection)
            for document_ids in list_batches(list(cleaned), _DOCUMENTS_AT_ONCE):
                condition = f"tenant = {quote(tenant)} AND {is_in('document_id', document_ids)}"
                rows = table.search().where(condition).to_arrow()
                field = table.schema.field("readers")
                column = pa.array([cleaned[key] for key in rows["document_id"].to_pylist()], type=field.type)
                rows = rows.set_column(rows.schema.get_field_index("readers"), field, column)
                table.merge_insert("chunk_id").when_matched_update_all().execute(rows)

    def search_rows(self, collection: str, queries: Sequence[IndexQuery]) -> list[list[IndexHit]]:
        """Dense and BM25 candidates under the same pushed-down filter, fused; queries with one filter share a scan."""
        with translated(collection):
            self._require(collection)
            return self._search.search(collection, queries)

    def fetch_vectors(self, collection: str, tenant: str, chunk_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Stored vectors by chunk_id; missing ids are left out."""
        found: dict[str, NDArray[np.float32]] = {}
        with translated(collection):
            table = self.open_table(collection)
            for ids in list_batches(chunk_ids, _IDS_AT_ONCE):
                condition = f"tenant = {quote(tenant)} AND {is_in('chunk_id', ids)}"
                rows = table.search().where(condition).select(["chunk_id", "vector"]).to_arrow()
                for batch in rows.to_batches():
                    matrix = batch["vector"].flatten().to_numpy().reshape(batch.num_rows, -1)
                    found.update(zip(batch["chunk_id"].to_pylist(), matrix, strict=True))
        return found

    def list_chunk_ids(self, collection: str, tenant: str) -> Iterator[str]:
        """Every chunk_id of the tenant, streamed from one version of the table."""
        with translated(collection):
            query = self.open_table(collection).search().where(f"tenant = {quote(tenant)}").select(["chunk_id"])
            for batch in query.to_batches():
                yield from batch["chunk_id"].to_pylist()

    def optimize(self, collection: str) -> None:
        """Fold new rows into the indexes, merge small files, drop old versions; build the ANN index when it pays."""
        started = time.monotonic()
        with translated(collection), self._turn(collection):
            table = self.open_table(collection)
            table.optimize(cleanup_older_than=KEPT_VERSIONS)
            rows = table.count_rows()
            if rows >= self._ann_rows:
                _ensure_vector_index(table)
        logger.info("index optimized collection=%s rows=%s seconds=%.1f", collection, rows, time.monotonic() - started)

    # --- the folder ----------------------------------------------------------------------------------------------

    @cached_property
    def _session(self) -> Any:
        lancedb = _import_lancedb()
        return lancedb.Session(index_cache_size_bytes=_CACHE_BYTES, metadata_cache_size_bytes=_CACHE_BYTES // 4)

    @cached_property
    def _database(self) -> Any:
        return _import_lancedb().connect(self._folder, session=self._session)

    @cached_property
    def _search(self) -> LanceSearch:
        return LanceSearch(self._folder, self._session)

    def _path(self, collection: str) -> Path:
        return self._folder / f"{collection}.lance"

    def open_table(self, collection: str) -> Any:
        """LanceDB's own table; for measurements and maintenance."""
        # Opened anew each time (0.7 ms): always the newest version, also after another process dropped and refilled it.
        self._require(collection)
        try:
            return self._database.open_table(collection)
        except ValueError as error:  # the folder is there, but no table is found in it
            raise corrupt(collection, error) from error

    def _require(self, collection: str) -> None:
        if not self._path(collection).exists():
            raise ConfigurationError(
                f"there is no collection {collection} in {self._folder}",
                advice="run `expertloop ingest`, or `expertloop index rebuild` if another store has them",
            )

    @contextmanager
    def _turn(self, collection: str) -> Iterator[None]:
        """One writer at a time, over threads and processes; the kernel ends the turn of a killed one."""
        if not self._folder.exists():
            self._require(collection)
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


# --- the table -----------------------------------------------------------------------------------------------------

_TEXTS = ("chunk_id", "document_id", "tenant", "keywords", "source", "language", "document_type")


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
    if not indexed and read_dimension(table.schema) % 8 == 0:
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


# --- import --------------------------------------------------------------------------------------------------------


def _import_lancedb() -> ModuleType:
    """Import LanceDB without its REST client and Azure's SDK, which make up almost half of its import time."""
    postpone_import("adlfs")
    postpone_import("lance_namespace_urllib3_client")
    return importlib.import_module("lancedb")
