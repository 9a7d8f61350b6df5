"""A network that fails between us and a real Weaviate: said in time, asked with measure, mended without a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.errors import BackendUnavailable
from tasks.integrations.weaviate import WeaviateIndex, parse_address
from tests.contract.vector_index import NAME, QUERY, SPEC, find_ids, list_ids, make_rows, open_weaviate
from tests.network import Proxy
from tests.weaviate_server import WeaviateServer

pytestmark = pytest.mark.server

NOWHERE = Path("/nonexistent")
LIMIT_SECONDS = 3.0
"""`EXPERTLOOP_INDEX_TIMEOUT_SECONDS` of these tests."""

CALL_SECONDS = 2 * LIMIT_SECONDS
"""The longest call: a connection that has to be opened first, or a batch whose last requests were just begun."""

CONNECTIONS_A_CALL = 3
"""One by HTTP, one by gRPC, and one that gRPC tries by itself."""


@dataclass(frozen=True)
class Network:
    """What lies before both ports of a server."""

    http: Proxy
    grpc: Proxy

    @property
    def connections(self) -> int:
        return self.http.connections + self.grpc.connections

    def fail(self, fault: str) -> None:
        for proxy in (self.http, self.grpc):
            getattr(proxy, fault)()

    def heal(self) -> None:
        self.http.heal()
        self.grpc.heal()


@pytest.fixture
def network(weaviate_server: WeaviateServer) -> Iterator[Network]:
    """Before a server with an empty collection."""
    with (
        open_weaviate(weaviate_server) as direct,
        Proxy(weaviate_server.http_port).running() as http,
        Proxy(weaviate_server.grpc_port).running() as grpc,
    ):
        direct.ensure_collection(SPEC)
        yield Network(http, grpc)


@contextmanager
def through(network: Network, timeout_seconds: float = LIMIT_SECONDS) -> Iterator[WeaviateIndex]:
    url = f"weaviate+http://127.0.0.1:{network.http.port}?grpc={network.grpc.port}"
    address = parse_address(url, home=NOWHERE)
    index = WeaviateIndex(address, binaries=NOWHERE, timeout_seconds=timeout_seconds)
    try:
        yield index
    finally:
        index.close()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The block ends in time; double the time counts as in time where many others work on the machine."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 2 * seconds


@contextmanager
def unavailable(seconds: float) -> Iterator[None]:
    """The block fails as it should, and in time."""
    with within(seconds), pytest.raises(BackendUnavailable):
        yield


def search(index: WeaviateIndex) -> list[str]:
    return find_ids(index, QUERY._replace(limit=1))


@pytest.mark.parametrize("fault", ["refuse", "reset", "hang"])
def test_a_call_fails_in_time_with_few_connections_and_the_same_object_works_when_the_network_is_back(
    network: Network, fault: str
) -> None:
    with through(network) as index:
        index.upsert_rows(NAME, make_rows(3))
        assert search(index) == ["c0"]
        known = network.connections
        network.fail(fault)
        calls: list[Callable[[], object]] = [lambda: search(index), lambda: index.upsert_rows(NAME, make_rows(500))]
        for call in calls:
            with unavailable(CALL_SECONDS):
                call()
        assert network.connections - known <= CONNECTIONS_A_CALL * len(calls)
        network.heal()
        assert search(index) == ["c0"]
        index.upsert_rows(NAME, make_rows(5))
        assert list_ids(index) == [f"c{i}" for i in range(5)]


def test_a_large_write_into_a_network_that_hangs_begins_no_further_requests(network: Network) -> None:
    with through(network) as index:
        index.upsert_rows(NAME, make_rows(3))
        network.grpc.hang()
        with unavailable(CALL_SECONDS):
            index.upsert_rows(NAME, make_rows(4000))
        network.grpc.heal()
        assert search(index) == ["c0"]


def test_a_write_that_was_reset_in_its_middle_and_is_repeated_leaves_each_object_once(network: Network) -> None:
    rows = make_rows(2000)
    with through(network, timeout_seconds=60) as index:
        network.grpc.cut_after(300_000)
        with unavailable(60):
            index.upsert_rows(NAME, rows)
        network.heal()
        written = set(list_ids(index))
        assert 0 < len(written) < len(rows), "it was cut before the first request or after the last"
        index.upsert_rows(NAME, rows)
        assert list_ids(index) == sorted(row.chunk_id for row in rows)
        # Weaviate leaves stored objects without their vectors behind, and writing them again does not mend them.
        before = [row for row in rows if row.chunk_id in written]
        found = index.search_rows(NAME, [QUERY._replace(vector=row.vector, limit=1) for row in before])
        assert [hits[0].chunk_id for hits in found] == [row.chunk_id for row in before]


def test_an_answer_that_is_cut_is_no_answer(network: Network) -> None:
    with through(network) as index:
        index.upsert_rows(NAME, make_rows(300))
        for proxy, call in (
            (network.grpc, lambda: find_ids(index, QUERY._replace(limit=300))),
            (network.http, lambda: index.ensure_collection(SPEC)),
        ):
            proxy.cut_after(2000)
            with unavailable(CALL_SECONDS):
                call()
            proxy.heal()
            call()
        assert len(find_ids(index, QUERY._replace(limit=300))) == 300


def test_connections_that_the_network_forgot_cost_one_call_and_are_replaced(network: Network) -> None:
    with through(network) as index:
        index.upsert_rows(NAME, make_rows(3))
        known = network.connections
        network.fail("forget")
        with unavailable(CALL_SECONDS):
            search(index)
        assert search(index) == ["c0"]
        assert network.connections - known <= CONNECTIONS_A_CALL


def test_a_slow_network_is_waited_for(network: Network) -> None:
    with through(network) as index:
        network.http.dawdle(0.05)
        network.grpc.dawdle(0.05)
        index.upsert_rows(NAME, make_rows(300))
        assert search(index) == ["c0"]


@pytest.mark.parametrize("fault", ["reset", "hang"])
def test_64_askers_of_a_server_out_of_reach_all_fail_in_time_and_none_of_them_storms_it(
    network: Network, fault: str
) -> None:
    with through(network) as index, ThreadPoolExecutor(64) as pool:
        network.fail(fault)
        with within(CALL_SECONDS):
            asked = [pool.submit(search, index) for _ in range(64)]
            assert {type(one.exception()) for one in asked} == {BackendUnavailable}
        assert network.connections <= 64
        network.heal()
        network.http.connections = network.grpc.connections = 0
        index.upsert_rows(NAME, make_rows(1))
        assert list(pool.map(lambda _: search(index), range(64))) == [["c0"]] * 64
        assert network.grpc.connections == 1, "it is opened once for all"
