"""An OpenAI-compatible endpoint: a real small server in this process, well and badly behaved."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from tasks.errors import BackendUnavailable, ConfigurationError, ProductError, RateLimited
from tasks.integrations.openai_embedder import OpenAIEmbedder
from tasks.integrations.openai_endpoint import OpenAIEndpoint, read_retry_after


class Reply(NamedTuple):
    status: int = 200
    body: bytes | dict[str, Any] = b""
    headers: tuple[tuple[str, str], ...] = ()


Behave = Callable[[dict[str, Any]], Reply]


class Server(NamedTuple):
    url: str
    requests: list[dict[str, Any]]
    keys: list[str | None]
    released: threading.Event
    """Set at the end: what hangs goes on."""


def well(request: dict[str, Any]) -> Reply:
    """Vectors of `dimensions` (default 4) numbers, last text first, each holding its text's length."""
    width = request.get("dimensions", 4)
    rows = [
        {"index": place, "embedding": [float(len(text)), 1.0, *[0.0] * (width - 2)]}
        for place, text in enumerate(request["input"])
    ]
    return Reply(body={"data": rows[::-1], "model": request["model"]})


@contextmanager
def serve(behave: Behave | None) -> Iterator[Server]:
    """A server that behaves so; None never answers."""
    requests: list[dict[str, Any]] = []
    keys: list[str | None] = []
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))) | {"path": self.path})
            keys.append(self.headers["Authorization"])
            if behave is None:
                released.wait(30)
                return
            reply = behave(requests[-1])
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in (*reply.headers, ("Content-Length", str(len(content)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_address[1]}/v1", requests, keys, released)
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def embedder(url: str, *, model: str = "some-model", timeout_seconds: float = 10, **options: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder(OpenAIEndpoint(url, timeout_seconds=timeout_seconds), model=model, **options)


def failure(reply: Reply) -> ProductError:
    with serve(lambda _request: reply) as server, pytest.raises(ProductError) as caught:
        embedder(server.url).embed_queries(["secret question"])
    assert "secret question" not in str(caught.value)
    return caught.value


def test_vectors_come_normalised_in_the_order_of_the_texts() -> None:
    with serve(well) as server:
        vectors = embedder(server.url).embed_documents(["a", "bb", "ccc"])

    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.allclose(vectors[:, 0] / vectors[:, 1], [1, 2, 3])
    assert server.requests[-1]["path"] == "/v1/embeddings"


def test_requests_are_bounded_by_count() -> None:
    with serve(well) as server:
        vectors = embedder(server.url, batch_texts=2).embed_documents(["a", "bb", "ccc", "dddd", "eeeee"])

    assert np.allclose(vectors[:, 0] / vectors[:, 1], [1, 2, 3, 4, 5])
    assert [len(request["input"]) for request in server.requests[1:]] == [2, 2, 1]


def test_dimensions_are_asked_for() -> None:
    with serve(well) as server:
        identity = embedder(server.url, model="text-embedding-3-small", dimensions=8).identity

    assert identity.dimension == 8
    assert identity.name == "text-embedding-3-small"
    assert server.requests[0]["dimensions"] == 8


def test_a_server_that_was_not_asked_for_dimensions_gets_no_such_field() -> None:
    with serve(well) as server:
        assert embedder(server.url).identity.dimension == 4

    assert set(server.requests[0]) == {"model", "input", "path"}


@pytest.mark.parametrize("model", ["jina-embeddings-v3", "jinaai/jina-embeddings-v4"])
def test_jina_is_told_question_from_passage(model: str) -> None:
    with serve(well) as server:
        ours = embedder(server.url, model=model)
        ours.embed_documents(["passage"])
        ours.embed_queries(["question"])

    assert [request["task"] for request in server.requests[1:]] == ["retrieval.passage", "retrieval.query"]


def test_the_key_is_sent_and_none_is_needed() -> None:
    with serve(well) as server:
        OpenAIEmbedder(OpenAIEndpoint(server.url, key=SecretStr("sk-1")), model="m").embed_queries(["x"])
        embedder(server.url).embed_queries(["x"])

    assert server.keys == ["Bearer sk-1", "Bearer sk-1", None, None]


def test_empty_and_undecodable_text_is_sent_in_a_form_that_servers_take() -> None:
    with serve(well) as server:
        embedder(server.url).embed_documents(["", "\ud800", "naïve"])

    assert server.requests[-1]["input"] == [" ", "?", "naïve"]


def test_too_many_requests_say_how_long_to_wait() -> None:
    error = failure(Reply(429, {"error": {"message": "slow down"}}, (("Retry-After", "7"),)))

    assert isinstance(error, RateLimited)
    assert error.retry_after_seconds == 7


def test_no_credit_is_nothing_to_wait_for() -> None:
    error = failure(Reply(429, {"error": {"code": "insufficient_quota", "message": "check your plan"}}))

    assert isinstance(error, ConfigurationError)


def test_the_request_after_a_429_waits_as_long_as_it_was_told() -> None:
    waited: list[float] = []
    replies = iter([Reply(429, {}, (("Retry-After", "5"),))])
    with serve(lambda request: next(replies, well(request))) as server:
        ours = OpenAIEmbedder(OpenAIEndpoint(server.url, sleep=waited.append), model="m")
        with pytest.raises(RateLimited):
            ours.embed_queries(["x"])
        assert waited == []
        ours.identity  # noqa: B018

    assert waited == [pytest.approx(5, abs=0.5)]


def test_a_wait_of_hours_is_not_slept_through() -> None:
    with serve(lambda _request: Reply(429, {}, (("Retry-After", "7200"),))) as server:
        ours = embedder(server.url)
        for _ in range(2):
            with pytest.raises(RateLimited) as caught:
                ours.embed_queries(["x"])

    assert caught.value.retry_after_seconds == pytest.approx(7200, abs=5)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 408])
def test_a_server_in_trouble_is_unavailable(status: int) -> None:
    assert isinstance(failure(Reply(status, b"<html>trouble</html>")), BackendUnavailable)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 422])
def test_a_refusal_is_a_matter_of_configuration(status: int) -> None:
    error = failure(Reply(status, {"error": {"message": "no such model", "input": "secret question"}}))

    assert isinstance(error, ConfigurationError)
    assert str(status) in error.message
    assert "no such model" in error.message


@pytest.mark.parametrize(
    "body",
    [
        b"<html>hello</html>",
        b"[]",
        {"data": []},
        {"data": [{"index": 0, "embedding": []}]},
        {"data": [{"index": 0, "embedding": [0.0, 0.0]}]},
        {"data": [{"index": 0, "embedding": "AAAA"}]},
        b'{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}',
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}]},
    ],
)
def test_an_answer_that_is_no_list_of_vectors_is_refused(body: bytes | dict[str, Any]) -> None:
    assert isinstance(failure(Reply(200, body)), ConfigurationError)


def test_another_dimension_than_asked_for_is_refused() -> None:
    narrow = serve(lambda request: well(request | {"dimensions": 3}))
    with narrow as server, pytest.raises(ConfigurationError, match=r"\[3\] dimensions, not 8"):
        embedder(server.url, dimensions=8).embed_documents(["x"])


def test_a_dimension_that_changes_on_the_way_is_refused() -> None:
    widths = iter([4, 5])
    fickle = serve(lambda request: well(request | {"dimensions": next(widths)}))
    with fickle as server, pytest.raises(ConfigurationError, match="5 dimensions where it had 4"):
        embedder(server.url).embed_documents(["x"])


def test_a_server_that_hangs_is_unavailable_after_the_time_limit() -> None:
    with serve(None) as server, pytest.raises(BackendUnavailable, match=r"silent for 0\.2 s"):
        embedder(server.url, timeout_seconds=0.2).embed_queries(["x"])


def test_no_server_is_unavailable() -> None:
    with serve(well) as server:
        pass
    with pytest.raises(BackendUnavailable, match="does not answer"):
        embedder(server.url).embed_queries(["x"])


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "", "http://"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no http address"):
        OpenAIEndpoint(url)


def test_a_password_in_the_address_is_not_shown() -> None:
    assert OpenAIEndpoint("https://me:hush@host:1/v1").name == "host:1"


def test_retry_after_is_read_in_all_its_forms() -> None:
    now = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

    assert read_retry_after(httpx.Headers({"Retry-After": "3"})) == 3
    assert read_retry_after(httpx.Headers({"retry-after-ms": "250", "Retry-After": "9"})) == 0.25
    assert read_retry_after(httpx.Headers({"Retry-After": "Thu, 01 Jan 2026 12:00:30 GMT"}), now=now) == 30
    assert read_retry_after(httpx.Headers({"Retry-After": "Thu, 01 Jan 2026 11:00:00 GMT"}), now=now) == 0
    assert read_retry_after(httpx.Headers({"Retry-After": "soon"})) == 0
    assert read_retry_after(httpx.Headers()) == 0


def test_tokens_are_estimated_rather_too_high() -> None:
    ours = OpenAIEmbedder(OpenAIEndpoint("http://host/v1"), model="text-embedding-3-large")
    english = "The pump must be drained before the seal is replaced; wear gloves at all times."

    assert ours.max_tokens == 8191
    assert 18 <= ours.count_tokens([english])[0] <= 30
    assert ours.count_tokens(["水泵必须排空", ""]) == [8, 2]
