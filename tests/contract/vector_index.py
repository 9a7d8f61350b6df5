"""What the suites over vector stores share: the stores, rows and queries with known answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from tasks.integrations.lancedb import LanceIndex
from tasks.integrations.weaviate import WeaviateIndex, parse_address
from tasks.models import EVERYONE, CollectionSpec
from tasks.ports import IndexHit, IndexQuery, IndexRow, VectorIndex
from tests.fakes.vector_index import FakeIndex
from tests.weaviate_server import WeaviateServer

DIMENSION = 16
NAME = "Chunks_test"
SPEC = CollectionSpec(name=NAME, dimension=DIMENSION)

Store = Callable[[], AbstractContextManager[VectorIndex]]


@contextmanager
def open_fake() -> Iterator[VectorIndex]:
    yield FakeIndex()


@contextmanager
def open_lancedb() -> Iterator[VectorIndex]:
    with TemporaryDirectory() as folder:
        yield LanceIndex(Path(folder))


@contextmanager
def open_weaviate(server: WeaviateServer) -> Iterator[WeaviateIndex]:
    """The real server; what a test leaves there is gone before the next one comes."""
    index = connect(server)
    try:
        yield index
        for name in (NAME, "Other"):
            index.drop_collection(name)
    finally:
        index.close()


def connect(server: WeaviateServer, *, timeout_seconds: float = 60) -> WeaviateIndex:
    nowhere = Path("/nonexistent")
    return WeaviateIndex(parse_address(server.url, home=nowhere), binaries=nowhere, timeout_seconds=timeout_seconds)


def make_vector(seed: int, dimension: int = DIMENSION) -> NDArray[np.float32]:
    vector = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


ROW = IndexRow(
    chunk_id="c0",
    document_id="d0",
    tenant="acme",
    vector=make_vector(0),
    keywords="wartung pumpe",
    source="files",
    language="de",
    document_type="pdf",
    modified=datetime(2026, 1, 15, tzinfo=UTC),
    readers=(EVERYONE,),
)


def make_rows(number: int, *, first: int = 0) -> list[IndexRow]:
    """Row i has its own vector and the token `token<i>`; ten rows make a document."""
    return [
        ROW._replace(chunk_id=f"c{i}", document_id=f"d{i // 10}", vector=make_vector(i), keywords=f"gemeinsam token{i}")
        for i in range(first, first + number)
    ]


QUERY = IndexQuery(
    tenant="acme", principals=frozenset({EVERYONE}), vector=make_vector(0), keywords="", alpha=0.5, limit=10
)


def find(index: VectorIndex, query: IndexQuery) -> list[IndexHit]:
    [hits] = index.search_rows(NAME, [query])
    return hits


def find_ids(index: VectorIndex, query: IndexQuery) -> list[str]:
    return [hit.chunk_id for hit in find(index, query)]


def list_ids(index: VectorIndex, tenant: str = "acme") -> list[str]:
    return sorted(index.list_chunk_ids(NAME, tenant))
