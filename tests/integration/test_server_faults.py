"""The server when something is wrong: what is behind it, what it is sent, and itself."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from tasks.answer_models import Question
from tasks.errors import BackendUnavailable
from tasks.models import Hit
from tests.fakes.generator import FakeGenerator
from tests.integration.service import FILES, NOTICE, Service, make_world, opened


def go_down() -> None:
    raise BackendUnavailable("the endpoint llm.example does not answer", advice="look whether it runs")


def test_a_generator_that_is_down_lets_documents_speak(own: Service) -> None:
    own.world.fake_generator = FakeGenerator("never said", before=go_down)
    answer = own.answer(own.key("anna", "hr"), NOTICE)
    assert (answer["mode"], answer["versions"]["generator"]) == ("extractive", "unavailable")
    assert "six weeks" in answer["text"]
    assert "expertloop_generator_failures_total 1.0" in own.client.get("/metrics").text


def test_a_generator_that_is_down_is_503_with_the_reason_where_quoting_is_not_allowed(
    home: Path, prefect_api: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(monkeypatch, EXPERTLOOP_EXTRACTIVE_FALLBACK="false")
    world.source.files["canteen.txt"] = FILES["canteen.txt"][0].encode()
    world.ingest()
    world.fake_generator = FakeGenerator("never said", before=go_down)
    with opened(world) as service:
        key, body = service.key("anna"), {"question": "When does the canteen open?"}
        response = service.post("/v1/answers", key, body)
        stream = service.post("/v1/answers", key, body, Accept="text/event-stream")
    assert response.status_code == 503
    assert response.json()["error"]["message"] == "the endpoint llm.example does not answer"
    assert int(response.headers["Retry-After"]) > 0
    assert "event: error" in stream.text
    assert '"status": 503' in stream.text


def test_an_index_that_is_down_is_503_and_not_ready(own: Service) -> None:
    def fail(*_: object) -> None:
        raise BackendUnavailable("the index does not answer", advice="start it")

    own.world.fake_index.search_rows = fail  # type: ignore[assignment,method-assign]
    own.world.fake_index.list_chunk_ids = fail  # type: ignore[assignment,method-assign]
    response = own.post("/v1/answers", own.key("anna"), {"question": NOTICE})
    assert (response.status_code, response.json()["error"]["message"]) == (503, "the index does not answer")
    assert own.client.get("/readyz").status_code == 503
    assert own.client.get("/healthz").status_code == 200


def test_malformed_bodies_are_refused_in_our_words(service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.key('anna')}", "Content-Type": "application/json"}
    deep = b'{"question": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for body in [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b'{"question": 7}', b"{}", b"[" * 3000, deep]:
        response = service.client.post("/v1/answers", content=body, headers=headers)
        assert response.status_code in (400, 422), body
        assert set(response.json()["error"]) == {"code", "message", "advice"}
        assert response.json()["error"]["code"] == {400: "malformed", 422: "invalid-request"}[response.status_code]


class BrokenSearcher:
    """A bug."""

    def search(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        raise ZeroDivisionError("secret detail")


def test_a_fault_of_ours_is_500_with_an_id_and_without_the_details(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(monkeypatch)
    world.searcher = BrokenSearcher()
    with opened(world) as service:
        key = service.key("anna")
        response = service.post("/v1/answers", key, {"question": NOTICE}, **{"X-Request-ID": "my-id-7"})
    assert response.status_code == 500
    assert "my-id-7" in response.json()["error"]["advice"]
    assert response.headers["X-Request-ID"] == "my-id-7"
    assert "secret detail" not in response.text
    assert "secret detail" in caplog.text


@pytest.mark.parametrize(
    "filter_",
    [
        {"modified_after": "0001-01-01T00:00:00+14:00"},
        {"modified_before": "9999-12-31T23:59:59-01:00"},
    ],
)
def test_a_date_that_utc_cannot_hold_is_refused(service: Service, filter_: dict[str, str]) -> None:
    key, body = service.key("anna"), {"question": NOTICE, "filter": filter_}
    for path in ("/v1/searches", "/v1/answers", "/v1/questions"):
        response = service.post(path, key, body)
        assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid-request"), path
        assert "outside the years" in response.json()["error"]["message"]
    stream = service.post("/v1/answers", key, body, Accept="text/event-stream")
    assert stream.status_code == 422


def test_the_first_and_the_last_date_are_searched(service: Service) -> None:
    key = service.key("anna")
    for after, before in [("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"), ("0001-01-01T00:00:00", "2026-01-01")]:
        body = {"question": NOTICE, "filter": {"modified_after": after, "modified_before": before}}
        assert service.post("/v1/searches", key, body).status_code == 200


def test_a_bug_ends_a_stream_with_an_error_that_has_an_id_and_no_details(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(monkeypatch)
    world.searcher = BrokenSearcher()
    headers = {"X-Request-ID": "my-id-8", "Accept": "text/event-stream"}
    with opened(world) as service:
        stream = service.post("/v1/answers", service.key("anna"), {"question": NOTICE}, **headers)
    assert stream.text.startswith("event: error\n")
    assert '"status": 500' in stream.text
    assert "my-id-8" in stream.text
    assert "secret detail" not in stream.text
    assert "Traceback" in caplog.text
    assert "secret detail" in caplog.text


def test_large_bodies_are_refused_declared_or_not(empty: Service) -> None:
    headers = {"Authorization": f"Bearer {empty.key('anna')}", "Content-Type": "application/json"}
    declared = empty.client.post("/v1/answers", content=b"x" * 5000, headers=headers)
    chunked = empty.client.post("/v1/answers", content=(b"x" * 1000 for _ in range(5)), headers=headers)
    assert [one.status_code for one in (declared, chunked)] == [413, 413]
    assert declared.json()["error"]["code"] == "too-large"


def test_a_body_that_does_not_arrive_is_not_waited_for(empty: Service) -> None:
    host, _, port = empty.address.removeprefix("http://").partition(":")
    lines = ["POST /v1/answers HTTP/1.1", "Host: x", f"Authorization: Bearer {empty.key('anna')}", "Content-Length: 50"]
    head = "\r\n".join([*lines, "", "{"])
    with socket.create_connection((host, int(port)), timeout=30) as slow:
        slow.sendall(head.encode())
        assert slow.recv(4096).startswith(b"HTTP/1.1 408")


def test_who_asks_too_often_waits_and_nobody_else(empty: Service) -> None:
    anna, ben = empty.key("anna"), empty.key("ben")
    statuses = [empty.get("/v1/models", anna).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = empty.get("/v1/models", anna)
    assert 0 < int(refused.headers["Retry-After"]) <= 20
    assert refused.json()["error"]["code"] == "rate-limited"
    assert empty.get("/v1/models", ben).status_code == 200
