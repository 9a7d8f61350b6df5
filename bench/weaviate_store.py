"""Weaviate through our port beside the bare client, on one real server, in one run.

    python -m bench.weaviate_store [--rows 100000] [--insert-rows 10000] [--questions 60] [--compression none rq sq]

Needs `make weaviate`. Vectors and texts are those of bench/search.py (896 dimensions, 100 words a chunk, 20 groups of
readers, askers in five). Insert: the same objects through `upsert_rows` and through the client's own batches, at
several settings, of which the best one counts. Search: one question at a time through the port, with the join with a
database of as many chunks, beside the client's bare hybrid call of the same limit. Recall: what of the ten nearest is
found. The file is not called weaviate.py, which would hide the client from scripts of this folder.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from heapq import nlargest
from pathlib import Path
from typing import Any

import cpuinfo
import numpy as np
import psutil
import sqlalchemy as sa

from bench.search import DIMENSION, GROUPS, NAME, Corpus
from tasks.integrations.database import schema
from tasks.integrations.database.engine import Database
from tasks.integrations.database.passages import DatabasePassages
from tasks.integrations.weaviate import WeaviateIndex, parse_address
from tasks.integrations.weaviate.rows import to_filter, to_object
from tasks.models import CollectionSpec
from tasks.ports import IndexQuery, IndexRow
from tests.weaviate_server import WeaviateServer, find_binary

BATCH = 2048
BARE_SETTINGS = ((100, 2), (200, 4), (500, 2), (1000, 2))
"""(objects a request, requests at once) of the client's `batch.fixed_size`."""

WIDTH = 400
"""What a search of ours asks the store for."""


@contextmanager
def running_server(folder: Path) -> Iterator[WeaviateServer]:
    """A server that ends with the block."""
    server = WeaviateServer(folder, find_binary())
    try:
        yield server.start()
    finally:
        server.stop()


@contextmanager
def connected(server: WeaviateServer, compression: str = "none") -> Iterator[WeaviateIndex]:
    """The port over it."""
    nowhere = Path("/nonexistent")
    index = WeaviateIndex(
        parse_address(server.url, home=nowhere),
        binaries=nowhere,
        timeout_seconds=300,
        compression=compression,  # type: ignore[arg-type]
    )
    try:
        yield index
    finally:
        index.close()


def insert_bare(client: Any, collection: str, *, rows: Sequence[IndexRow], size: int, requests: int) -> float:
    """Objects a second of the client's own batches, our conversion included, since everybody needs one."""
    place = client.collections.use(collection).with_tenant("bench")
    started = time.perf_counter()
    with place.batch.fixed_size(batch_size=size, concurrent_requests=requests) as batch:
        for row in rows:
            made = to_object(row)
            batch.add_object(properties=made.properties, uuid=made.uuid, vector=made.vector)
    if place.batch.failed_objects:
        raise SystemExit(f"{len(place.batch.failed_objects)} objects failed")
    return len(rows) / (time.perf_counter() - started)


def insert_ours(index: WeaviateIndex, collection: str, *, rows: Sequence[IndexRow]) -> float:
    """Objects a second through the port, as an ingest writes them."""
    started = time.perf_counter()
    for first in range(0, len(rows), BATCH):
        index.upsert_rows(collection, rows[first : first + BATCH])
    return len(rows) / (time.perf_counter() - started)


def measure_insert(server: WeaviateServer, rows: Sequence[IndexRow]) -> None:
    """Each setting twice, in turn, into collections of their own: a graph that grows gets slower for all of them."""
    with connected(server) as index:
        rates: dict[str, list[float]] = {}

        def measure(label: str, insert: Callable[[str], float]) -> None:
            name = f"Bench_{len(rates)}_{sum(map(len, rates.values()))}"
            index.ensure_collection(CollectionSpec(name=name, dimension=DIMENSION))
            rates.setdefault(label, []).append(insert(name))
            index.drop_collection(name)

        with index._connection.use() as client:
            for _ in range(2):
                measure("ours", partial(insert_ours, index, rows=rows))
                for size, requests in BARE_SETTINGS:
                    label = f"bare {size} x {requests}"
                    measure(label, partial(insert_bare, client, rows=rows, size=size, requests=requests))
        best = max(max(found) for label, found in rates.items() if label != "ours")
        for label, found in rates.items():
            print(f"  insert {label}: {', '.join(f'{rate:.0f}' for rate in found)} objects/s")
        print(f"  insert ours / best bare: {max(rates['ours']) / best:.2f}")


def fill(index: WeaviateIndex, corpus: Corpus, rows: int) -> None:
    """Fill the collection and print objects a second and our own memory at the beginning and the end."""
    index.ensure_collection(CollectionSpec(name=NAME, dimension=DIMENSION))
    process, seconds, memory = psutil.Process(), 0.0, []
    for first in range(0, rows, BATCH):
        batch = corpus.make_rows(first, min(BATCH, rows - first))
        started = time.perf_counter()
        index.upsert_rows(NAME, batch)
        seconds += time.perf_counter() - started
        memory.append(process.memory_info().rss / 1e6)
    print(
        f"  filled with {rows} chunks: {rows / seconds:.0f} objects/s, our memory {memory[len(memory) // 4]:.0f} MB "
        f"after a quarter, {memory[-1]:.0f} MB at the end"
    )


def print_sizes(server: WeaviateServer, folder: Path, rows: int) -> None:
    """What a chunk takes in the server: in memory once its vectors and the graph are there, and on disk."""
    memory = psutil.Process(server.pid).memory_info()
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(
        f"  a chunk in the server: {memory.rss / rows:.0f} bytes in memory, of them "
        f"{memory.shared / rows:.0f} of mapped files, {disk / rows:.0f} on disk"
    )


def ask_bare(place: Any, query: IndexQuery) -> Any:
    """The client's hybrid call with the same filter and limit, nothing done with its answer."""
    return place.query.hybrid(
        query=query.keywords,
        vector=query.vector.tolist(),
        alpha=query.alpha,
        query_properties=["keywords"],
        filters=to_filter(query),
        limit=query.limit,
        return_properties=["chunk_id"],
    )


def fill_database(database: Database, rows: int) -> None:
    """The chunks as an ingest leaves them, in documents of ten, each read by one group."""
    now = datetime.now(UTC)
    documents, readers, versions, chunks = [], [], [], []
    for number in range(rows // 10):
        group = f"g{number % GROUPS}"
        common = {
            "document_id": f"d{number}",
            "tenant": "bench",
            "source": "synthetic",
            "content_hash": f"{number:064x}",
        }
        documents.append(
            common
            | {"path": f"{number}.md", "uri": f"file:///{number}.md", "file_name": f"{number}.md", "state": "live"}
            | {"live_version_id": f"v{number}", "groups": [group], "readers_stale": False, "updated_at": now}
        )
        readers.append({"document_id": f"d{number}", "principal": group})
        versions.append(
            common
            | {"version_id": f"v{number}", "fingerprint": "bench", "state": "ready", "title": f"Document {number}"}
            | {"language": "en", "text": "", "groups": [group], "document_type": "md", "chunk_count": 10}
            | {"created_at": now}
        )
        chunks += [
            {"chunk_id": f"{10 * number + i:032x}", "version_id": f"v{number}", "position": i, "start": 0, "end": 600}
            | {"text": "word " * 100, "repeated_header": "", "heading_path": ["One", "Two"], "language": "en"}
            | {"kind": "text", "element_ids": [], "embedding_key": ""}
            for i in range(10)
        ]
    with database.write() as connection:
        for table, values in (
            (schema.documents, documents),
            (schema.document_readers, readers),
            (schema.versions, versions),
            (schema.chunks, chunks),
        ):
            connection.execute(sa.insert(table), values)


def measure_search(index: WeaviateIndex, passages: DatabasePassages, queries: Sequence[IndexQuery]) -> None:
    """p50 and p95 of both, in turn: the machine's moods hit both."""

    def ask_ours(query: IndexQuery) -> None:
        [hits] = index.search_rows(NAME, [query])
        found = passages.read_passages("bench", [hit.chunk_id for hit in hits], query.principals)
        if len(found) != len(hits):
            raise SystemExit(f"{len(hits)} hits, {len(found)} of them in the database")

    with index._connection.use() as client:
        place = client.collections.use(NAME).with_tenant("bench")
        for width in (10, WIDTH):
            asked = [query._replace(limit=width) for query in queries]
            ask_ours(asked[0])
            ask_bare(place, asked[0])
            times = [time_both(partial(ask_ours, one), partial(ask_bare, place, one), n) for n, one in enumerate(asked)]
            (ours, ours_95), (bare, bare_95) = (
                (float(np.percentile(side, 50)), float(np.percentile(side, 95))) for side in zip(*times, strict=True)
            )
            print(
                f"  search, {width} wide: ours with the join p50 {ours:.1f} p95 {ours_95:.1f} ms | "
                f"bare p50 {bare:.1f} p95 {bare_95:.1f} ms | ratio p50 {ours / bare:.2f} p95 {ours_95 / bare_95:.2f}"
            )
    started = time.perf_counter()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask_ours, [query._replace(limit=WIDTH) for query in queries]))
    print(f"  16 askers at once, {WIDTH} wide: {len(queries) / (time.perf_counter() - started):.1f} questions/s")


def time_both(ours: Callable[[], object], bare: Callable[[], object], number: int) -> tuple[float, float]:
    """Milliseconds of each; every other question is asked of the bare client first, since the second find it warm."""
    if number % 2:
        bare_time = time_once(bare)
        return time_once(ours), bare_time
    return time_once(ours), time_once(bare)


def time_once(call: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - started)


def measure_recall(index: WeaviateIndex, rows: int, queries: Sequence[IndexQuery]) -> None:
    """Of the ten nearest chunks that an asker of all groups, and one of a quarter, may read: what is found."""
    everyone = frozenset(f"g{number}" for number in range(GROUPS))
    for label, asked in (
        ("a quarter of the rows", queries),
        ("all rows", [query._replace(principals=everyone) for query in queries]),
    ):
        exact = find_exact(rows, asked)
        found = index.search_rows(NAME, [query._replace(alpha=1.0, limit=10) for query in asked])
        shares = [
            len({hit.chunk_id for hit in hits} & best) / len(best) for hits, best in zip(found, exact, strict=True)
        ]
        print(f"  recall@10, {label} readable: {np.mean(shares):.3f}")


def find_exact(rows: int, queries: Sequence[IndexQuery]) -> list[set[str]]:
    """The ten nearest of each, from the same chunks made once more."""
    corpus, best = Corpus(), [list[tuple[float, str]]() for _ in queries]
    asked = np.stack([query.vector for query in queries])
    for first in range(0, rows, BATCH):
        batch = corpus.make_rows(first, min(BATCH, rows - first))
        scores = asked @ np.stack([row.vector for row in batch]).T
        for number, query in enumerate(queries):
            readable = [
                (float(scores[number, i]), row.chunk_id)
                for i, row in enumerate(batch)
                if row.readers[0] in query.principals
            ]
            best[number] = nlargest(10, best[number] + readable)
    return [{chunk_id for _, chunk_id in nearest} for nearest in best]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--insert-rows", type=int, default=10_000, help="for the comparison of ten ways to insert")
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--compression", nargs="+", default=["none"], choices=["none", "rq", "sq"])
    options = parser.parse_args()
    print(f"processor: {cpuinfo.get_cpu_info().get('brand_raw', platform.processor())}")
    with tempfile.TemporaryDirectory() as folder:
        with running_server(Path(folder) / "insert") as server:
            measure_insert(server, Corpus().make_rows(0, options.insert_rows))
        database = Database(f"sqlite:///{folder}/bench.db")
        database.migrate()
        fill_database(database, options.rows)
        for compression in options.compression:
            with running_server(Path(folder) / compression) as server, connected(server, compression) as index:
                corpus = Corpus()
                print(f"compression {compression}")
                fill(index, corpus, options.rows)
                print_sizes(server, Path(folder) / compression, options.rows)
                queries = corpus.make_queries(options.questions)
                measure_search(index, DatabasePassages(database), queries)
                measure_recall(index, options.rows, queries)


if __name__ == "__main__":
    main()
