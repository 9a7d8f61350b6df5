"""The server on a real port over a real database: who asks, what they see, what happens when something is wrong."""

from __future__ import annotations

import json
import logging
import random
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from expertloop import Client, answer_question
from expertloop.server.app import build_app
from expertloop.server.services import collect
from tasks.access_models import Role
from tasks.answer_models import Question
from tasks.errors import AccessDenied, BackendUnavailable, ConfigurationError
from tasks.keys import make_key
from tasks.models import EVERYONE, Hit, SearchFilter
from tasks.settings import Settings
from tasks.wiring import use_application
from tests.fakes.generator import FakeGenerator
from tests.fakes.http import serving
from tests.integration.conftest import World

FILES = {
    "canteen.txt": ("The canteen opens at noon and closes at two.", (EVERYONE,)),
    "notice.txt": ("The notice period is six weeks to the end of a quarter.", ("hr",)),
    "pump.txt": ("The seal of pump P7 is changed every 900 hours.", ("service",)),
}
NOTICE = "How long is the notice period?"


class Service:
    """A running server, and who asks it."""

    def __init__(self, world: World, address: str) -> None:
        self.world = world
        self.address = address
        self.client = httpx.Client(base_url=address, timeout=60)

    def key(self, principal: str, *groups: str, tenant: str = "default") -> str:
        text, stored = make_key(
            tenant=tenant, principal=principal, groups=groups, role=Role.READER, created_at=datetime.now(UTC)
        )
        self.world.keys.add_key(stored)
        return text

    def post(self, path: str, key: str, body: Mapping[str, Any], **headers: str) -> httpx.Response:
        return self.client.post(path, json=body, headers={"Authorization": f"Bearer {key}", **headers})

    def get(self, path: str, key: str) -> httpx.Response:
        return self.client.get(path, headers={"Authorization": f"Bearer {key}"})

    def answer(self, key: str, question: str) -> dict[str, Any]:
        response = self.post("/v1/answers", key, {"question": question})
        assert response.status_code == 200, response.text
        return dict(response.json())

    def document_id(self, name: str) -> str:
        (found,) = (
            document.document_id
            for document in self.world.catalogue.list_documents("default")
            if document.uri.endswith(name)
        )
        return found


def make_world(monkeypatch: pytest.MonkeyPatch, **settings: str) -> World:
    monkeypatch.setenv("EXPERTLOOP_GENERATOR", "none")
    monkeypatch.setenv("EXPERTLOOP_RATE_PER_MINUTE", "0")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    world = World(Settings())
    use_application(world)
    return world


@contextmanager
def opened(world: World) -> Iterator[Service]:
    """A running server; at the end every log line is written."""
    with serving(build_app(collect(world))) as address:
        service = Service(world, address)
        try:
            yield service
        finally:
            service.client.close()


def fill(world: World) -> None:
    for name, (text, groups) in FILES.items():
        world.source.files[name] = text.encode()
        world.source.groups[name] = groups
    world.ingest()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, prefect_api: None) -> Iterator[Service]:
    """One server for all tests that change nothing but keys."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("EXPERTLOOP_HOME", str(tmp_path_factory.mktemp("home")))
        world = make_world(environment)
        fill(world)
    with opened(world) as service:
        yield service


@pytest.fixture
def own(home: Path, prefect_api: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A server whose documents the test may change."""
    world = make_world(monkeypatch)
    fill(world)
    with opened(world) as service:
        yield service


@pytest.fixture
def empty(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A server that has nothing to show, with small limits."""
    world = make_world(
        monkeypatch,
        EXPERTLOOP_BODY_KB="4",
        EXPERTLOOP_BODY_TIMEOUT_SECONDS="2",
        EXPERTLOOP_RATE_PER_MINUTE="3",
    )
    with opened(world) as service:
        yield service


# --- who asks --------------------------------------------------------------------------------------------------------


def test_without_a_genuine_key_there_is_401_and_nothing_else(service: Service) -> None:
    genuine = service.key("anna", "hr")
    forged = [f"Bearer {genuine[:-1]}{'A' if genuine[-1] != 'A' else 'B'}", f"Bearer {genuine}x", f"Basic {genuine}"]
    wrong = [None, "", "Bearer", "Bearer x", "Bearer a.b.c", *forged, genuine]
    paths = ["/v1/answers", "/v1/searches", "/v1/feedback", "/v1/chat/completions", "/v1/nonsense"]
    for header in wrong:
        for path in paths:
            headers = {"Authorization": header} if header is not None else {}
            response = service.client.post(path, json={"question": NOTICE}, headers=headers)
            assert response.status_code == 401, (header, path)
            assert set(response.json()["error"]) == {"code", "message", "advice"}
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
            assert "six weeks" not in response.text
    assert service.client.get(f"/v1/documents/{service.document_id('notice.txt')}").status_code == 401
    assert service.client.get("/v1/models").status_code == 401


def test_each_caller_is_answered_from_what_that_caller_may_read(service: Service) -> None:
    hr, stranger = service.key("anna", "hr"), service.key("ben")
    assert "six weeks" in service.answer(hr, NOTICE)["text"]
    refused = service.post("/v1/answers", stranger, {"question": NOTICE})
    assert "six weeks" not in refused.text
    assert "notice.txt" not in refused.text
    found = service.post("/v1/searches", hr, {"question": NOTICE, "k": 10}).json()
    assert set(found) == {"question", "hits", "expansions"}
    assert {hit["uri"] for hit in found["hits"]} == {"memory://canteen.txt", "memory://notice.txt"}


def test_a_document_can_be_read_by_the_principal_it_names(own: Service) -> None:
    own.world.source.groups["notice.txt"] = ("anna",)
    own.world.ingest()
    assert "six weeks" in own.answer(own.key("anna"), NOTICE)["text"]
    assert "six weeks" not in own.answer(own.key("ben", "hr"), NOTICE)["text"]


def test_a_revoked_key_is_refused_at_the_next_request(service: Service) -> None:
    key = service.key("anna", "hr")
    assert "six weeks" in service.answer(key, NOTICE)["text"]
    service.world.keys.revoke_keys("default", principal="anna")
    response = service.post("/v1/answers", key, {"question": NOTICE})
    assert (response.status_code, "six weeks" in response.text) == (401, False)


def test_a_withdrawn_group_counts_at_the_next_request(own: Service) -> None:
    key = own.key("anna", "hr")
    document = f"/v1/documents/{own.document_id('notice.txt')}"
    assert own.get(document, key).status_code == 200
    own.world.source.groups["notice.txt"] = ("management",)
    own.world.ingest()
    assert "six weeks" not in own.post("/v1/answers", key, {"question": NOTICE}).text
    assert "six weeks" not in own.post("/v1/searches", key, {"question": NOTICE}).text
    assert own.get(document, key).status_code == 404


def test_a_key_of_another_tenant_sees_nothing_of_this_one(service: Service) -> None:
    key = service.key("anna", "hr", "service", tenant="acme")
    answer = service.answer(key, NOTICE)
    assert (answer["abstained"], answer["sources"], answer["citations"]) == (True, [], [])
    assert service.post("/v1/searches", key, {"question": NOTICE}).json()["hits"] == []
    assert service.get(f"/v1/documents/{service.document_id('canteen.txt')}", key).status_code == 404


def test_what_may_not_be_read_looks_like_what_does_not_exist(service: Service) -> None:
    key = service.key("ben")
    hidden = service.get(f"/v1/documents/{service.document_id('notice.txt')}", key)
    absent = service.get("/v1/documents/00000000-0000-5000-8000-000000000000", key)
    images = [
        service.get(f"/v1/documents/{one}/pages/1.png", key)
        for one in (service.document_id("notice.txt"), "00000000-0000-5000-8000-000000000000")
    ]
    assert hidden.status_code == absent.status_code == 404
    assert hidden.content == absent.content
    assert images[0].content == images[1].content
    own = {"date", "x-request-id"}
    assert {k: v for k, v in hidden.headers.items() if k not in own} == {
        k: v for k, v in absent.headers.items() if k not in own
    }


def test_hundreds_of_random_tries_leak_nothing(own: Service) -> None:
    dice = random.Random(7)
    words = {name: f"kw{dice.randrange(16**10):010x}" for name in (f"secret{n}.txt" for n in range(24))}
    groups = ["red", "green", "blue", "black"]
    readers = {name: tuple(dice.sample([*groups, EVERYONE], dice.choice([1, 1, 2]))) for name in words}
    for name, word in words.items():
        own.world.source.files[name] = f"The code of room {name[6:-4]} is {word}.".encode()
        own.world.source.groups[name] = readers[name]
    own.world.ingest()
    askers = {}
    for number in range(8):
        mine = dice.sample(groups, number % 4)
        askers[own.key(f"user{number}", *mine)] = {EVERYONE, *mine}
    shown = 0
    for _ in range(250):
        key, principals = dice.choice(list(askers.items()))
        wanted = dice.choice(list(words))
        body = {"question": f"What is the code of room {wanted[6:-4]}?"}
        seen = own.post(dice.choice(["/v1/answers", "/v1/searches"]), key, body).text
        for name, word in words.items():
            if word in seen or f"/{name}" in seen:
                assert principals & set(readers[name]), (principals, name, readers[name])
                shown += 1
    assert shown > 250, "readable documents are found, so the silence about the others means something"


# --- what they get ---------------------------------------------------------------------------------------------------


def test_an_answer_has_an_id_that_feedback_names(service: Service) -> None:
    anna, ben = service.key("anna", "hr"), service.key("ben", "hr")
    answer = service.answer(anna, NOTICE)
    good = {"answer_id": answer["id"], "verdict": "good"}
    assert service.post("/v1/feedback", anna, good).status_code == 201
    assert service.post("/v1/feedback", ben, good).status_code == 404
    assert service.post("/v1/feedback", anna, {**good, "verdict": "corrected"}).status_code == 422
    assert service.post("/v1/feedback", anna, {**good, "verdict": "corrected", "text": "Six."}).status_code == 201
    assert service.post("/v1/feedback", anna, {**good, "verdict": "nonsense"}).status_code == 422


def test_a_cited_span_is_marked_in_its_document(service: Service) -> None:
    key = service.key("anna", "hr")
    (citation,) = service.answer(key, NOTICE)["citations"]
    place = f"/v1/documents/{citation['document_id']}?start={citation['start']}&end={citation['end']}"
    page = service.get(place, key)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f'<mark id="cited">{citation["quote"]}</mark>' in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert httpx.get(service.address + place, auth=("anna", key)).status_code == 200, "as a browser sends it"
    assert httpx.post(f"{service.address}/v1/answers", auth=("anna", key), json={"question": "x"}).status_code == 401


def test_a_stream_tells_sources_then_sentences_with_citations_then_the_whole(service: Service) -> None:
    key = service.key("anna", "hr")
    stream = service.post("/v1/answers", key, {"question": NOTICE}, Accept="text/event-stream")
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    events = [part.split("\n") for part in stream.text.strip().split("\n\n")]
    names = [lines[0].removeprefix("event: ") for lines in events]
    records = [json.loads(lines[1].removeprefix("data: ")) for lines in events]
    assert names == ["sources", "delta", "answer"]
    assert records[0]["sources"][0]["uri"] == "memory://notice.txt"
    assert records[1]["citations"] == records[2]["citations"]
    assert records[1]["text"] == records[2]["text"]
    assert "six weeks" in records[2]["text"]


def test_strange_questions_get_an_answer(service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.key('anna')}", "Content-Type": "application/json"}
    for question in ["", " ", "\0", "a\0b", "\ud800", "x" * 100_000, "Ω" * 9, "\u202eabc", "<script>", "\x1b[2J"]:
        body = json.dumps({"question": question}).encode("ascii")
        response = service.client.post("/v1/answers", content=body, headers=headers)
        assert response.status_code == 200, response.text
        assert response.json()["id"]


def test_a_filter_narrows_and_a_misspelt_one_is_refused(service: Service) -> None:
    key = service.key("anna", "hr")
    none = service.post("/v1/searches", key, {"question": NOTICE, "filter": {"types": ["pdf"]}})
    assert none.json()["hits"] == []
    assert service.post("/v1/searches", key, {"question": NOTICE, "fliter": {}}).status_code == 422
    assert service.post("/v1/searches", key, {"question": NOTICE, "filter": {"tpyes": []}}).status_code == 422


def test_code_in_the_same_process_is_answered_without_a_server(service: Service) -> None:
    settings = service.world.settings
    allowed = answer_question(NOTICE, principals="hr", settings=settings)
    forbidden = answer_question(NOTICE, settings=settings)
    assert "six weeks" in allowed.text
    assert "six weeks" not in forbidden.model_dump_json()


def test_the_client_of_this_package_is_understood(service: Service) -> None:
    with Client(service.address, service.key("anna", "hr")) as client:
        answer = client.answer(NOTICE)
        assert "six weeks" in answer.text
        assert client.search(NOTICE, k=1).hits[0].uri == "memory://notice.txt"
        assert client.search(NOTICE, filter=SearchFilter(types=("pdf",))).hits == ()
        assert client.feedback(answer.id or "", "corrected", "Six weeks.").verdict == "corrected"
        with pytest.raises(ConfigurationError):
            client.feedback("unknown", "good")
    with Client(service.address, "wrong") as stranger, pytest.raises(AccessDenied):
        stranger.answer(NOTICE)


# --- when something is wrong -----------------------------------------------------------------------------------------


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
    for body in [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b'{"question": 7}', b"{}", b"[" * 3000]:
        response = service.client.post("/v1/answers", content=body, headers=headers)
        assert response.status_code in (400, 422), body
        assert set(response.json()["error"]) == {"code", "message", "advice"}


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


# --- operating -------------------------------------------------------------------------------------------------------


def test_the_access_log_has_a_line_a_request_and_no_question(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # A line is written after its response: the server has to have stopped before the level goes back.
    with caplog.at_level(logging.INFO, logger="expertloop.access"), opened(make_world(monkeypatch)) as service:
        key = service.key("anna", "hr")
        service.post("/v1/answers", key, {"question": NOTICE}, **{"X-Request-ID": "abc-1"})
    (line,) = access_lines(caplog)
    assert set(line) == {"time", "request_id", "method", "route", "status", "ms", "key_id"}
    assert (line["request_id"], line["method"], line["route"], line["status"]) == ("abc-1", "POST", "/v1/answers", 200)
    assert line["key_id"] == key.split("_")[1]
    assert "notice" not in caplog.text
    assert key not in caplog.text


def test_questions_are_logged_where_the_operator_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(monkeypatch, EXPERTLOOP_LOG_QUESTIONS="true")
    with caplog.at_level(logging.INFO, logger="expertloop.access"), opened(world) as service:
        service.answer(service.key("anna"), NOTICE)
    assert [line["question"] for line in access_lines(caplog)] == [NOTICE]


def access_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.message) for record in caplog.records if record.name == "expertloop.access"]


SANE = [("a.b:c-1_2", True), ("x" * 64, True), ("x" * 65, False), ("a b", False)]


def test_a_sane_request_id_is_kept(empty: Service) -> None:
    for offered, kept in SANE:
        returned = empty.client.get("/healthz", headers={"X-Request-ID": offered}).headers["X-Request-ID"]
        assert (returned == offered) is kept
        assert returned


def test_the_server_says_when_it_is_ready_and_what_serves(service: Service) -> None:
    ready = service.client.get("/readyz")
    collection = service.world.serving_collection()
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "collection": collection, "faults": []})


def test_without_a_collection_it_lives_and_is_not_ready(empty: Service) -> None:
    assert empty.client.get("/healthz").json() == {"status": "ok"}
    response = empty.client.get("/readyz")
    assert response.status_code == 503
    assert "nothing is ingested yet" in response.json()["faults"]


def test_metrics_count_requests_and_answers_without_words(own: Service) -> None:
    own.answer(own.key("anna", "hr"), NOTICE)
    own.answer(own.key("ben"), "Who founded Rome?")
    text = own.client.get("/metrics").text
    assert 'expertloop_requests_total{method="POST",route="/v1/answers",status="200"} 2.0' in text
    assert 'expertloop_answers_total{mode="extractive",reason=""} 1.0' in text
    assert "expertloop_request_seconds_bucket" in text
    assert "notice" not in text


def test_the_reference_names_every_endpoint_and_loads_nothing(service: Service) -> None:
    page, schema = service.client.get("/docs"), service.client.get("/openapi.json").json()
    named = {"/v1/answers", "/v1/searches", "/v1/feedback", "/v1/documents/{document_id}", "/v1/models", "/healthz"}
    assert named <= set(schema["paths"])
    for path in schema["paths"]:
        assert path in page.text
    assert "How long is the notice period?" in page.text
    assert "<script" not in page.text
    assert "src=" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_no_other_origin_is_let_in(service: Service) -> None:
    response = service.client.options(
        "/v1/answers", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert "access-control-allow-origin" not in response.headers


def test_a_submitted_question_is_answered_by_the_flow_and_fetched_by_its_asker_alone(
    own: Service, prefect_api: None
) -> None:
    from flows.answer import answer

    anna, other = own.key("anna", "hr"), own.key("bert")
    with Client(own.address, anna) as client, Client(own.address, other) as stranger:
        question_id = client.submit(NOTICE)
        assert client.submit(NOTICE) == question_id
        with pytest.raises(ConfigurationError):
            client.fetch(question_id)
        answer(question_id)
        assert "six weeks" in client.fetch(question_id).text
        with pytest.raises(ConfigurationError):
            stranger.fetch(question_id)
        assert stranger.submit(NOTICE) != question_id
