"""The same request sent twice, over HTTP, through the flow and in process: one search, one generation, one answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from expertloop import Client, answer_question
from tasks.errors import BackendUnavailable, ConfigurationError, KeyReused
from tasks.integrations.database.schema import audit
from tests.fakes.generator import FakeGenerator
from tests.integration.service import NOTICE, Service, fill, make_world, opened
from tests.integration.world import World

SIX_WEEKS = "The notice period is six weeks to the end of a quarter. [1]"
CANTEEN = "When does the canteen open?"


@pytest.fixture
def own(home: Path, prefect_api: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A server that generates, whose documents the test may change."""
    world = make_world(monkeypatch)
    fill(world)
    world.fake_generator = FakeGenerator(SIX_WEEKS)
    with opened(world) as service:
        yield service


def prompts(world: World) -> int:
    """How often its generator was asked."""
    assert isinstance(world.fake_generator, FakeGenerator)
    return len(world.fake_generator.prompts)


def test_a_request_sent_again_gets_the_same_answer_without_work_and_is_audited(own: Service) -> None:
    key = own.key("anna", "hr")
    first, second = (own.post("/v1/answers", key, {"question": NOTICE}, **{"Idempotency-Key": "o-1"}) for _ in "ab")
    assert "six weeks" in first.json()["text"]
    assert second.json() == first.json()
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert prompts(own.world) == 1
    with own.world.database.read() as connection:
        shown = connection.execute(sa.select(audit.c.document_ids, audit.c.principal)).all()
    assert len(shown) == 2
    assert all(own.document_id("notice.txt") in row.document_ids for row in shown)
    # The answer that is named by feedback is the one that was given.
    with Client(own.address, key) as client:
        assert client.feedback(second.json()["id"], "good").principal == "anna"


def test_a_stream_honours_the_key_too(own: Service) -> None:
    headers = {"Idempotency-Key": "o-1", "Accept": "text/event-stream"}
    key = own.key("anna", "hr")
    plain = own.post("/v1/answers", key, {"question": NOTICE}, **{"Idempotency-Key": "o-1"})
    stream = own.post("/v1/answers", key, {"question": NOTICE}, **headers)
    (last,) = (part for part in stream.text.split("\n\n") if part.startswith("event: answer"))
    assert json.loads(last.split("data: ", 1)[1]) == plain.json()
    assert prompts(own.world) == 1
    other = own.post("/v1/answers", key, {"question": CANTEEN}, **headers)
    assert '"status": 422' in other.text


def test_two_servers_asked_at_once_answer_once(own: Service) -> None:
    begun, free = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert free.wait(timeout=60)

    own.world.fake_generator = FakeGenerator(SIX_WEEKS, before=wait)
    twin = World(own.world.settings)
    twin.index = own.world.index
    twin.fake_generator = FakeGenerator(SIX_WEEKS)
    key = own.key("anna", "hr")
    with (
        opened(twin) as other,
        ThreadPoolExecutor(max_workers=2) as threads,
        Client(own.address, key) as one,
        Client(other.address, key) as two,
    ):
        first = threads.submit(one.answer, NOTICE, key="o-1")
        assert begun.wait(timeout=60)
        second = threads.submit(two.answer, NOTICE, key="o-1")
        free.set()
        assert first.result(timeout=60) == second.result(timeout=60)
    assert (prompts(own.world), prompts(twin)) == (1, 0)
    twin.database.close()


def test_a_withdrawn_document_is_not_replayed_nor_fetched(own: Service) -> None:
    from flows.answer import answer

    with Client(own.address, own.key("anna", "hr")) as client:
        assert "six weeks" in client.answer(NOTICE, key="o-1").text
        question_id = client.submit(NOTICE, key="o-2")
        answer(question_id)
        assert "six weeks" in client.fetch(question_id).text
        own.world.source.groups["notice.txt"] = ("management",)
        own.world.ingest()
        assert "six weeks" not in client.answer(NOTICE, key="o-1").model_dump_json()
        with pytest.raises(ConfigurationError, match="no such answer"):
            client.fetch(question_id)


def test_a_replay_names_no_source_that_was_withdrawn(own: Service) -> None:
    with Client(own.address, own.key("anna", "hr")) as client:
        first = client.answer(NOTICE, key="o-1")
        other = next(uri for uri in first.sources if not uri.endswith("notice.txt"))
        path = next(path for path in own.world.source.files if other.endswith(path))
        own.world.source.groups[path] = ("management",)
        own.world.ingest()
        again = client.answer(NOTICE, key="o-1")
    assert again == first.model_copy(update={"sources": tuple(uri for uri in first.sources if uri != other)})


def test_openais_protocol_takes_the_key_whole_and_as_a_stream(own: Service) -> None:
    key, once = own.key("anna", "hr"), {"Idempotency-Key": "o-1"}
    body = {"model": "expertloop", "messages": [{"role": "user", "content": NOTICE}]}
    first, second = (own.post("/v1/chat/completions", key, body, **once) for _ in "ab")
    stream = own.post("/v1/chat/completions", key, {**body, "stream": True}, **once)
    plain = own.post("/v1/answers", key, {"question": NOTICE}, **once)
    assert second.headers["Idempotent-Replayed"] == plain.headers["Idempotent-Replayed"] == "true"
    assert first.json()["expertloop"] == second.json()["expertloop"] == plain.json()
    chunks = [json.loads(line[6:]) for line in stream.text.split("\n\n") if line.startswith("data: {")]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == plain.json()["text"]
    ids = {first.json()["id"], second.json()["id"], *(chunk["id"] for chunk in chunks)}
    assert ids == {f"chatcmpl-{plain.json()['id']}"}, "one answer, one id, which takes feedback"
    assert prompts(own.world) == 1


def test_a_key_that_stands_for_another_request_is_422_in_two_lines(own: Service) -> None:
    key = own.key("anna", "hr")
    with Client(own.address, key) as client:
        client.answer(NOTICE, key="o-1")
        submitted = client.submit(NOTICE, key="o-2")
        assert client.submit(NOTICE, key="o-2") == submitted != client.submit(NOTICE)
        for ask in (client.answer, client.submit):
            for used in ("o-1", "o-2"):
                with pytest.raises(KeyReused, match="another request") as caught:
                    ask(CANTEEN, key=used)
                assert "new key" in caught.value.advice
    refused = own.post("/v1/answers", key, {"question": CANTEEN}, **{"Idempotency-Key": "o-1"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "key-reused")
    # Another asker's key is another key.
    with Client(own.address, own.key("bert")) as stranger:
        assert "six weeks" not in stranger.answer(CANTEEN, key="o-1").text
    for wrong in ("", "x" * 201):
        response = own.post("/v1/answers", key, {"question": NOTICE}, **{"Idempotency-Key": wrong})
        assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid-request"), wrong


def test_an_error_is_not_kept(own: Service) -> None:
    def fail(*_: object) -> None:
        raise BackendUnavailable("the index does not answer", advice="start it")

    search = own.world.fake_index.search_rows
    with Client(own.address, own.key("anna", "hr")) as client:
        own.world.fake_index.search_rows = fail  # type: ignore[assignment,method-assign]
        with pytest.raises(BackendUnavailable):
            client.answer(NOTICE, key="o-1")
        own.world.fake_index.search_rows = search  # type: ignore[method-assign]
        assert "six weeks" in client.answer(NOTICE, key="o-1").text


def test_an_asker_that_goes_away_finds_the_answer_when_it_comes_back(own: Service) -> None:
    begun, free = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert free.wait(timeout=60)

    own.world.fake_generator = FakeGenerator(SIX_WEEKS, before=wait)
    key = own.key("anna", "hr")
    with Client(own.address, key, timeout_seconds=0.5) as impatient, pytest.raises(BackendUnavailable):
        impatient.answer(NOTICE, key="o-1")
    assert begun.wait(timeout=60)
    free.set()
    with Client(own.address, key) as client:
        assert "six weeks" in client.answer(NOTICE, key="o-1").text
    assert prompts(own.world) == 1


def test_in_process_the_key_holds_as_well(own: Service) -> None:
    first = answer_question(NOTICE, principals=["anna", "hr"], key="o-1")
    assert "six weeks" in first.text
    assert answer_question(NOTICE, principals=["anna", "hr"], key="o-1") == first
    # The server knows the same asker by the same names.
    with Client(own.address, own.key("anna", "hr")) as client:
        assert client.answer(NOTICE, key="o-1") == first
    assert prompts(own.world) == 1
    with pytest.raises(KeyReused):
        answer_question(CANTEEN, principals=["anna", "hr"], key="o-1")


def test_the_flow_run_twice_for_one_question_leaves_one_answer(own: Service) -> None:
    from flows.answer import answer

    with Client(own.address, own.key("anna", "hr")) as client:
        question_id = client.submit(NOTICE, key="o-1")
        first, second = answer(question_id), answer(question_id)
        assert first == second
        # What the flow has answered, the key gives as well.
        response = httpx.post(
            f"{own.address}/v1/answers",
            json={"question": NOTICE},
            headers={"Authorization": f"Bearer {own.key('anna', 'hr')}", "Idempotency-Key": "o-1"},
            timeout=60,
        )
    assert response.headers["Idempotent-Replayed"] == "true"
    assert "six weeks" in response.json()["text"]
