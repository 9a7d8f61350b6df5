"""Search through LanceIndex at 10,000 and 100,000 chunks, beside LanceDB's own hybrid query on the same table.

    python bench/search.py [--rows 10000 100000] [--questions 60]

Vectors are synthetic: 400 topics in 48 latent dimensions, spread over 896 with noise (uniform noise has no neighbours
to find); text is Zipf distributed, 100 words a chunk; every document is read by one of 20 groups, the asker is in five.
First exact, by scan; then with the approximate index that LanceIndex builds above its row limit, and its recall.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cpuinfo
import numpy as np
from numpy.typing import NDArray

from tasks.integrations import lancedb as integration
from tasks.integrations.lancedb import LanceIndex
from tasks.models import CollectionSpec
from tasks.ports import IndexQuery, IndexRow

DIMENSION, LATENT, TOPICS, VOCABULARY, GROUPS = 896, 48, 400, 30_000, 20
BATCH = 2048
NAME = "Chunks_bench"
Array = NDArray[np.float32]


class Corpus:
    """Synthetic chunks and questions, the same for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._words = [f"w{number}" for number in range(VOCABULARY + 1)]
        self._spread = self._random.standard_normal((LATENT, DIMENSION), dtype=np.float32)
        self._topics = self._random.standard_normal((TOPICS, LATENT), dtype=np.float32)

    def make_vectors(self, number: int) -> Array:
        """[number x 896], normalised."""
        latent = self._topics[self._random.integers(0, TOPICS, number)]
        latent = latent + 0.6 * self._random.standard_normal((number, LATENT), dtype=np.float32)
        vectors = latent @ self._spread + self._random.standard_normal((number, DIMENSION), dtype=np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    def make_texts(self, number: int, words: int) -> list[str]:
        """Zipf distributed words."""
        numbers = np.minimum(self._random.zipf(1.2, (number, words)), VOCABULARY).tolist()
        return [" ".join(map(self._words.__getitem__, line)) for line in numbers]

    def make_rows(self, first: int, number: int) -> list[IndexRow]:
        """Chunks first … first + number - 1, ten a document."""
        vectors, texts = self.make_vectors(number), self.make_texts(number, 100)
        return [
            IndexRow(
                chunk_id=f"{i:032x}",
                document_id=f"d{i // 10}",
                tenant="bench",
                vector=vectors[i - first],
                keywords=texts[i - first],
                source="synthetic",
                language="en",
                document_type="md",
                modified=None,
                readers=(f"g{i // 10 % GROUPS}",),
            )
            for i in range(first, first + number)
        ]

    def make_queries(self, number: int) -> list[IndexQuery]:
        """Questions of eight words; the asker is in a quarter of the groups."""
        asker = frozenset(f"g{group}" for group in range(GROUPS // 4))
        vectors, texts = self.make_vectors(number), self.make_texts(number, 8)
        return [IndexQuery("bench", asker, vectors[i], texts[i], alpha=0.5, limit=10) for i in range(number)]


def time_calls(calls: Iterator[Callable[[], object]]) -> tuple[float, float]:
    """p50 and p95 in milliseconds."""
    seconds = []
    for call in calls:
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds), 1000 * float(np.percentile(seconds, 95))


def ask_builtin(table: Any, query: IndexQuery) -> list[str]:
    """LanceDB's own hybrid query with its default reranker (RRF) and the same filter."""
    readers = ", ".join(f"'{name}'" for name in sorted(query.principals))
    search = table.search(query_type="hybrid", vector_column_name="vector", fts_columns="keywords").vector(query.vector)
    search = search.text(query.keywords).distance_type("dot").limit(query.limit)
    rows = search.where(f"tenant = 'bench' AND array_has_any(readers, [{readers}])", prefilter=True)
    return [str(chunk_id) for chunk_id in rows.to_arrow()["chunk_id"].to_pylist()]


def measure_writing(index: LanceIndex, corpus: Corpus, rows: int, folder: Path) -> None:
    """Fill the collection and print what it cost."""
    seconds = 0.0
    for first in range(0, rows, BATCH):
        batch = corpus.make_rows(first, min(BATCH, rows - first))
        started = time.perf_counter()
        index.upsert_rows(NAME, batch)
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    index.optimize(NAME)
    optimized = time.perf_counter() - started
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(
        f"{rows} chunks: insert {rows / seconds:.0f} rows/s, optimize {optimized:.1f} s, {size / rows:.0f} bytes/chunk"
    )


def measure_changes(index: LanceIndex, corpus: Corpus, rows: int) -> None:
    """Print what small changes cost, and what 200 of them do to a search."""
    [(update, _), (readers, _), (delete, _)] = [
        time_calls(iter([call] * 5))
        for call in (
            lambda: index.upsert_rows(NAME, corpus.make_rows(rows // 2, 20)),
            lambda: index.set_readers(NAME, "bench", {f"d{i}": ("g1", "g9") for i in range(20)}),
            lambda: index.delete_rows(NAME, "bench", [f"{i:032x}" for i in range(rows - 100, rows)]),
        )
    ]
    print(
        f"  update 20 rows {update:.0f} ms, readers of 20 documents {readers:.0f} ms, delete 100 rows {delete:.0f} ms"
    )


def measure_search(index: LanceIndex, table: Any, queries: Sequence[IndexQuery], label: str) -> None:
    """Print p50 and p95 of one question at a time through the port and the built-in query, and of all at once."""
    index.search_rows(NAME, queries[:2]), ask_builtin(table, queries[0])
    ours, ours_95 = time_calls((lambda q=query: index.search_rows(NAME, [q])) for query in queries)  # type: ignore[misc]
    theirs, theirs_95 = time_calls((lambda q=query: ask_builtin(table, q)) for query in queries)  # type: ignore[misc]
    together, _ = time_calls(iter([lambda: index.search_rows(NAME, queries)] * 3))
    print(
        f"  {label}: ours p50 {ours:.1f} p95 {ours_95:.1f} ms | built-in hybrid p50 {theirs:.1f} p95 {theirs_95:.1f} ms"
        f" | ratio p50 {ours / theirs:.2f} p95 {ours_95 / theirs_95:.2f}"
        f" | {len(queries)} at once {together / len(queries):.1f} ms each ({ours / together * len(queries):.1f}x)"
    )


def find_dense(index: LanceIndex, queries: Sequence[IndexQuery]) -> list[list[str]]:
    """The ten nearest of each."""
    found = index.search_rows(NAME, [query._replace(alpha=1.0) for query in queries])
    return [[hit.chunk_id for hit in hits] for hits in found]


def measure_recall(index: LanceIndex, table: Any, queries: Sequence[IndexQuery]) -> None:
    """Build the approximate index; print its cost and recall@10 against the scan, and search with it."""
    everyone = [query._replace(principals=frozenset(f"g{i}" for i in range(GROUPS))) for query in queries]
    exact, exact_all = find_dense(index, queries), find_dense(index, everyone)
    started = time.perf_counter()
    table.create_index("vector", config=integration.make_vector_index())
    seconds = time.perf_counter() - started
    filtered, unfiltered = (
        np.mean([len(set(one) & set(other)) / len(other) for one, other in zip(found, truth, strict=True)])
        for found, truth in ((find_dense(index, queries), exact), (find_dense(index, everyone), exact_all))
    )
    print(
        f"  approximate index: built in {seconds:.0f} s, recall@10 {filtered:.3f} filtered, {unfiltered:.3f} unfiltered"
    )
    measure_search(index, table, queries, "approximate")


def main() -> None:
    """Run all sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--questions", type=int, default=60)
    options = parser.parse_args()
    print(f"processor: {cpuinfo.get_cpu_info().get('brand_raw', platform.processor())}")
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            index, corpus = LanceIndex(Path(folder), ann_rows=max(options.rows) + 1), Corpus()
            index.ensure_collection(CollectionSpec(name=NAME, dimension=DIMENSION))
            measure_writing(index, corpus, rows, Path(folder))
            table = index.open_table(NAME)
            queries = corpus.make_queries(options.questions)
            measure_search(index, table, queries, "exact")
            measure_recall(index, table, queries)
            measure_changes(index, corpus, rows)


if __name__ == "__main__":
    main()
