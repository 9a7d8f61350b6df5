"""The server on a real port over a real database: what is answered, and how it is operated."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from expertloop import Client, answer_question
from tasks.answer_models import Answer
from tasks.errors import AccessDenied, ConfigurationError
from tasks.models import SearchFilter
from tests.e2e.command import REPOSITORY
from tests.integration.service import NOTICE, Service, make_world, opened

LANGUAGES = REPOSITORY / "bench" / "languages.jsonl"


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


@pytest.mark.parametrize("mark", ["\x85", "\u2028", "\u2029"])
def test_a_stream_may_hold_marks_that_break_lines_elsewhere(service: Service, mark: str) -> None:
    question = f"How long is{mark}the notice period?"
    with Client(service.address, service.key("anna", "hr")) as client:
        *_, answer = client.stream(question)
    assert isinstance(answer, Answer)
    assert answer.question == question


def test_a_place_that_no_text_has_is_refused(service: Service) -> None:
    key, place = service.key("anna"), f"/v1/documents/{service.document_id('canteen.txt')}"
    assert service.get(f"{place}?start={2**31 - 1}", key).status_code == 200
    for name in ("start", "end"):
        response = service.get(f"{place}?{name}=9999999999999999999999", key)
        assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid-request")


CONTEXT: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    {"role": "assistant", "content": None, "tool_calls": []},
    {"role": "tool", "content": {"anything": 1}},
]


def test_chat_messages_before_the_last_users_may_hold_anything(service: Service) -> None:
    question = {"role": "user", "content": [{"type": "text", "text": NOTICE}]}
    body = {"messages": [*CONTEXT, question], "stream": None, "stream_options": None}
    response = service.post("/v1/chat/completions", service.key("anna", "hr"), body)
    assert response.status_code == 200, response.text
    assert "six weeks" in response.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize("content", [CONTEXT[0]["content"], {"anything": 1}, 7, [{"type": "text", "text": None}]])
def test_a_chat_question_that_is_no_text_is_refused_in_readable_words(service: Service, content: object) -> None:
    body = {"messages": [{"role": "user", "content": content}]}
    response = service.post("/v1/chat/completions", service.key("anna"), body)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid-request")
    assert response.json()["error"]["message"] == "messages: the last user's holds something else than text"


def test_the_id_of_a_chat_completion_takes_feedback(service: Service) -> None:
    key = service.key("anna", "hr")
    done = service.post("/v1/chat/completions", key, {"messages": [{"role": "user", "content": NOTICE}]}).json()
    assert done["id"] == f"chatcmpl-{done['expertloop']['id']}"
    given = service.post("/v1/feedback", key, {"answer_id": done["id"], "verdict": "good"})
    assert (given.status_code, given.json()["answer_id"]) == (201, done["expertloop"]["id"])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"question": None}, "question"),
        ({"question": "a\ud800"}, "question"),
        ({"question": NOTICE, "token_budget": -1}, "token_budget"),
        ({"question": NOTICE, "within_seconds": 0}, "within_seconds"),
    ],
)
def test_code_in_the_same_process_is_told_which_argument_is_wrong(
    service: Service, arguments: dict[str, Any], name: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: ") as caught:
        answer_question(**arguments, settings=service.world.settings)
    assert caught.value.advice


def test_strange_questions_get_an_answer(service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.key('anna')}", "Content-Type": "application/json"}
    for question in ["", " ", "\0", "a\0b", "\ud800", "x" * 100_000, "Ω" * 9, "\u202eabc", "<script>", "\x1b[2J"]:
        body = json.dumps({"question": question}).encode("ascii")
        response = service.client.post("/v1/answers", content=body, headers=headers)
        assert response.status_code == 200, response.text
        assert response.json()["id"]


def test_questions_in_forty_languages_get_an_answer_and_show_nobody_more(service: Service) -> None:
    key = service.key("anna")
    asked = [json.loads(line) for line in LANGUAGES.read_text(encoding="utf-8").splitlines()]
    assert len({one["language"] for one in asked}) == 40
    for one in asked:
        response = service.post("/v1/answers", key, {"question": one["question"]})
        assert response.status_code == 200, response.text
        assert response.json()["question"] == one["question"]
        assert "notice.txt" not in response.text


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
