"""What only the server store must do: time limits, keys, coming back, compression, foreign collections."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import weaviate
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.weaviate import WeaviateIndex, parse_address
from tasks.integrations.weaviate.rows import to_object
from tasks.models import EVERYONE, CollectionSpec
from tasks.ports import VectorIndex
from tests.contract.vector_index import (
    NAME,
    QUERY,
    SPEC,
    connect,
    find_ids,
    list_ids,
    make_rows,
    make_vector,
    open_weaviate,
)
from tests.fakes.http import serving
from tests.fakes.vector_index import is_readable
from tests.weaviate_server import WeaviateServer, find_binary, free_ports

pytestmark = pytest.mark.server

NOWHERE = Path("/nonexistent")
KEY = "a-key-of-the-test"
LIMIT_SECONDS = 5.0


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The block ends in time; double the time counts as in time where many others work on the machine."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 2 * seconds


def calls(index: VectorIndex) -> list[Callable[[], object]]:
    return [
        lambda: index.search_rows(NAME, [QUERY._replace(keywords="gemeinsam")]),
        lambda: index.upsert_rows(NAME, make_rows(3)),
        lambda: index.delete_rows(NAME, "acme", ["c0"]),
        lambda: index.set_readers(NAME, "acme", {"d0": ("hr",)}),
        lambda: index.fetch_vectors(NAME, "acme", ["c0"]),
        lambda: list(index.list_chunk_ids(NAME, "acme")),
        lambda: index.ensure_collection(SPEC),
        lambda: index.drop_collection(NAME),
    ]


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeaviateServer]:
    """A server of this file's own, which asks for a key and may be killed."""
    environment = {
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
        "AUTHENTICATION_APIKEY_ENABLED": "true",
        "AUTHENTICATION_APIKEY_ALLOWED_KEYS": KEY,
        "AUTHENTICATION_APIKEY_USERS": "expertloop",
    }
    server = WeaviateServer(tmp_path_factory.mktemp("guarded"), find_binary(), environment)
    try:
        yield server.start()
    finally:
        server.stop()


@contextmanager
def with_key(server: WeaviateServer, key: str | None, timeout_seconds: float = 60) -> Iterator[WeaviateIndex]:
    index = WeaviateIndex(
        parse_address(server.url, home=NOWHERE),
        binaries=NOWHERE,
        key=SecretStr(key) if key else None,
        timeout_seconds=timeout_seconds,
    )
    try:
        yield index
    finally:
        index.close()


@pytest.mark.parametrize("key", [None, "another-key"])
def test_without_the_right_key_nothing_works_and_the_key_is_never_shown(
    guarded_server: WeaviateServer, key: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with with_key(guarded_server, key) as index:
        for call in calls(index):
            with pytest.raises(ConfigurationError) as caught:
                call()
            assert "EXPERTLOOP_INDEX_KEY" in caught.value.advice
    assert "another-key" not in caplog.text


def test_a_killed_server_is_said_at_once_and_the_same_object_works_when_it_is_back(
    guarded_server: WeaviateServer,
) -> None:
    rows = make_rows(500)
    with with_key(guarded_server, KEY) as index:
        index.ensure_collection(SPEC)
        index.upsert_rows(NAME, rows)
        guarded_server.kill()
        for call in calls(index):
            with pytest.raises(BackendUnavailable) as caught, within(LIMIT_SECONDS):
                call()
            assert "log" in caught.value.advice
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(find_ids, index, QUERY) for _ in range(64)]
        assert {type(one.exception()) for one in asked} == {BackendUnavailable}
        guarded_server.start()
        assert list_ids(index) == sorted(row.chunk_id for row in rows)
        found = index.search_rows(NAME, [QUERY._replace(vector=row.vector, limit=1) for row in rows])
        assert [hits[0].chunk_id for hits in found] == [row.chunk_id for row in rows]


def test_vectors_that_the_graph_lost_are_not_mended_by_weaviate_and_are_by_us(
    guarded_server: WeaviateServer,
) -> None:
    # When the first assertion fails, Weaviate flushes its graph's log itself, and our flush after each write may go.
    rows = {row.chunk_id: row for row in make_rows(500)}

    def find_lost() -> list[str]:
        found = index.search_rows(NAME, [QUERY._replace(vector=row.vector, limit=1) for row in rows.values()])
        return [chunk_id for chunk_id, [hit] in zip(rows, found, strict=True) if hit.chunk_id != chunk_id]

    with with_key(guarded_server, KEY) as index:
        index.drop_collection(NAME)
        index.ensure_collection(SPEC)
        with index._connection.use() as client:
            place = client.collections.use(NAME).with_tenant("acme")
            place.data.insert_many([to_object(row) for row in rows.values()])
        guarded_server.kill()
        guarded_server.start()
        lost = find_lost()
        assert lost
        assert list_ids(index) == sorted(rows)
        with index._connection.use() as client:
            place = client.collections.use(NAME).with_tenant("acme")
            place.data.insert_many([to_object(rows[chunk_id]) for chunk_id in lost])
        assert find_lost() == lost, "Weaviate mends them itself: ours need not look for them before a write"
        document_id = rows[lost[0]].document_id
        index.set_readers(NAME, "acme", {document_id: rows[lost[0]].readers})
        assert document_id not in {rows[chunk_id].document_id for chunk_id in find_lost()}
        index.upsert_rows(NAME, list(rows.values()))
        assert find_lost() == []
        assert list_ids(index) == sorted(rows)


def test_a_server_that_hangs_is_given_up_after_the_time_limit_and_asked_again_later(
    guarded_server: WeaviateServer,
) -> None:
    with with_key(guarded_server, KEY, timeout_seconds=LIMIT_SECONDS) as index:
        index.ensure_collection(SPEC)
        index.upsert_rows(NAME, make_rows(3))
        os.kill(guarded_server.pid, signal.SIGSTOP)
        try:
            for call in calls(index)[:3]:
                with pytest.raises(BackendUnavailable), within(LIMIT_SECONDS + 5):
                    call()
        finally:
            os.kill(guarded_server.pid, signal.SIGCONT)
        assert find_ids(index, QUERY._replace(limit=1)) == ["c0"]


def test_where_nobody_listens_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    index = WeaviateIndex(parse_address(f"weaviate+http://127.0.0.1:{port}", home=NOWHERE), binaries=NOWHERE)
    for call in calls(index):
        with pytest.raises(BackendUnavailable, match=f"127.0.0.1:{port}"), within(LIMIT_SECONDS):
            call()


def test_a_closed_grpc_port_is_told_from_a_server_that_is_down(weaviate_server: WeaviateServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"weaviate+http://127.0.0.1:{weaviate_server.http_port}?grpc={port}"
    index = WeaviateIndex(parse_address(url, home=NOWHERE), binaries=NOWHERE, timeout_seconds=2)
    with pytest.raises(BackendUnavailable, match=f"gRPC at 127.0.0.1:{port}"), within(LIMIT_SECONDS):
        index.ensure_collection(SPEC)


@pytest.mark.parametrize("version", ["1.20.0", "1.33.3"])
def test_a_server_too_old_is_a_configuration_error_that_names_both_versions(version: str) -> None:
    app = Starlette(routes=[Route("/v1/meta", lambda _request: JSONResponse({"version": version}))])
    with serving(app) as url:
        index = WeaviateIndex(parse_address(f"weaviate+{url}", home=NOWHERE), binaries=NOWHERE)
        with pytest.raises(ConfigurationError, match=version):
            index.describe()


def test_the_version_is_described_for_the_doctor(weaviate_server: WeaviateServer) -> None:
    with open_weaviate(weaviate_server) as index:
        assert index.describe() == f"weaviate+http://127.0.0.1:{weaviate_server.http_port}, Weaviate 1.38.11"


def test_a_collection_of_another_make_is_refused_and_left_alone(weaviate_server: WeaviateServer) -> None:
    with weaviate.connect_to_local(
        port=weaviate_server.http_port, grpc_port=weaviate_server.grpc_port, skip_init_checks=True
    ) as client:
        client.collections.create(NAME, description="somebody's recipes")
        with open_weaviate(weaviate_server) as index:
            with pytest.raises(ConfigurationError, match=NAME) as caught:
                index.ensure_collection(SPEC)
            assert "index drop" in caught.value.advice
            assert client.collections.exists(NAME)


def test_eight_workers_that_create_and_fill_one_collection_at_once_lose_nothing(
    weaviate_server: WeaviateServer,
) -> None:
    with open_weaviate(weaviate_server) as index:

        def work(first: int) -> None:
            other = connect(weaviate_server)
            other.ensure_collection(SPEC)
            other.upsert_rows(NAME, make_rows(60, first=first))
            other.close()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(0, 400, 50)))
        assert list_ids(index) == sorted(f"c{i}" for i in range(410))


@pytest.mark.parametrize("compression", ["none", "rq", "sq"])
def test_each_compression_keeps_the_vectors_and_finds_them(weaviate_server: WeaviateServer, compression: str) -> None:
    with open_weaviate(weaviate_server):
        index = WeaviateIndex(
            parse_address(weaviate_server.url, home=NOWHERE),
            binaries=NOWHERE,
            compression=compression,  # type: ignore[arg-type]
        )
        index.ensure_collection(CollectionSpec(name=NAME, dimension=16))
        rows = make_rows(300)
        index.upsert_rows(NAME, rows)
        found = index.search_rows(NAME, [QUERY._replace(vector=row.vector, limit=1) for row in rows])
        assert [hits[0].chunk_id for hits in found] == [row.chunk_id for row in rows]
        assert all(abs((hits[0].dense_score or 0) - 1) < 1e-4 for hits in found)
        index.close()


@pytest.mark.slow
def test_of_5000_random_askers_in_three_tenants_nobody_sees_what_is_not_theirs(
    weaviate_server: WeaviateServer,
) -> None:
    random = np.random.default_rng(5)
    groups = [EVERYONE, *(f"group {number}" for number in range(9))]

    def choose() -> tuple[str, ...]:
        return tuple(str(name) for name in random.choice(groups, random.integers(0, 4), replace=False))

    rows = {
        f"{tenant}-{i}": row._replace(
            chunk_id=f"{tenant}-{i}", document_id=f"{tenant}-d{i}", tenant=tenant, readers=choose()
        )
        for tenant in ("acme", "other", "third")
        for i, row in enumerate(make_rows(200))
    }
    with open_weaviate(weaviate_server) as index:
        index.ensure_collection(SPEC)
        index.upsert_rows(NAME, list(rows.values()))
        for _ in range(25):
            # Some documents get other readers, which holds for the very next question.
            for key in (str(one) for one in random.choice(sorted(rows), 6, replace=False)):
                rows[key] = rows[key]._replace(readers=choose())
                index.set_readers(NAME, rows[key].tenant, {rows[key].document_id: rows[key].readers})
            queries = [
                QUERY._replace(
                    tenant=str(random.choice(["acme", "other", "third"])),
                    principals=frozenset(choose()),
                    vector=make_vector(int(random.integers(0, 1000))),
                    keywords=str(random.choice(["", "gemeinsam", f"token{random.integers(0, 200)} gemeinsam"])),
                    limit=250,
                )
                for _ in range(200)
            ]
            for query, hits in zip(queries, index.search_rows(NAME, queries), strict=True):
                assert {hit.chunk_id for hit in hits} == {key for key, row in rows.items() if is_readable(row, query)}


def test_an_embedded_server_keeps_its_rows_for_the_next_process_and_serves_one_at_a_time(tmp_path: Path) -> None:
    http_port, grpc_port = free_ports(2)
    address = parse_address(f"weaviate+embedded://127.0.0.1:{http_port}{tmp_path}/data?grpc={grpc_port}", home=NOWHERE)
    first, second, other = (WeaviateIndex(address, binaries=find_binary().parent) for _ in range(3))
    try:
        first.ensure_collection(SPEC)
        first.upsert_rows(NAME, make_rows(20))
        with pytest.raises(ConfigurationError, match="ports") as caught:
            other.describe()
        assert "weaviate+http" in caught.value.advice
        first.close()
        assert len(list_ids(second)) == 20
        assert find_ids(second, QUERY._replace(limit=1)) == ["c0"]
    finally:
        first.close()
        second.close()


def test_an_embedded_server_without_its_binary_says_how_to_get_one(tmp_path: Path) -> None:
    index = WeaviateIndex(parse_address("weaviate+embedded://", home=tmp_path), binaries=tmp_path)
    with pytest.raises(ConfigurationError, match="binary") as caught:
        index.describe()
    assert "make weaviate" in caught.value.advice
