"""A vector store for each test: the fake, LanceDB, and a real Weaviate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tasks.ports import VectorIndex
from tests.contract.vector_index import SPEC, Store, open_fake, open_lancedb, open_weaviate


@pytest.fixture(params=["fake", "lancedb", pytest.param("weaviate", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "weaviate":
        return partial(open_weaviate, request.getfixturevalue("weaviate_server"))
    return {"fake": open_fake, "lancedb": open_lancedb}[request.param]


@pytest.fixture
def index(store: Store) -> Iterator[VectorIndex]:
    with store() as opened:
        opened.ensure_collection(SPEC)
        yield opened
