"""Answers that are read while they are written, over HTTP: in time, only what holds, and not for nobody."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import sqlalchemy as sa

from tasks.integrations.database.schema import audit
from tests.fakes.writer import FakeWriter
from tests.integration.service import NOTICE, Service, fill, make_world, opened

SIX_WEEKS = "The notice period is six weeks to the end of a quarter."
NOON = "The canteen opens at noon and closes at two."
SAID = f"{SIX_WEEKS} [1] You get a car, too. [1] {NOON} [2] You get a boat, too. [3]"
WHOLE = f"{SIX_WEEKS} [1]\n{NOON} [2]"


class Gate:
    """Holds the writer at a word until a test lets it go on."""

    def __init__(self, word: str) -> None:
        self._word = word
        self.reached, self.free = threading.Event(), threading.Event()

    def __call__(self, word: str) -> None:
        if word == self._word:
            self.reached.set()
            assert self.free.wait(timeout=60)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate("closes")
    yield gate
    gate.free.set()


@pytest.fixture
def own(home: Path, prefect_api: None, monkeypatch: pytest.MonkeyPatch, gate: Gate) -> Iterator[Service]:
    """A server whose generator stops in its third sentence."""
    world = make_world(monkeypatch)
    fill(world)
    world.fake_generator = FakeWriter(SAID, before_word=gate)
    with opened(world) as service:
        yield service
        gate.free.set()


def writer(service: Service) -> FakeWriter:
    assert isinstance(service.world.fake_generator, FakeWriter)
    return service.world.fake_generator


def read_events(response: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def stream(service: Service, **headers: str) -> Any:
    headers |= {"Authorization": f"Bearer {service.key('anna', 'hr')}", "Accept": "text/event-stream"}
    return service.client.stream("POST", "/v1/answers", json={"question": NOTICE}, headers=headers)


def ask_openai(service: Service) -> Any:
    client = openai.OpenAI(base_url=f"{service.address}/v1", api_key=service.key("anna", "hr"), max_retries=0)
    messages: Any = [{"role": "user", "content": NOTICE}]
    return client.chat.completions.create(model="expertloop", messages=messages, stream=True)


def test_a_sentence_arrives_while_the_next_one_is_being_written(own: Service, gate: Gate) -> None:
    with stream(own) as response:
        events = read_events(response)
        assert next(events)[0] == "sources"
        name, delta = next(events)
        assert (name, delta["text"]) == ("delta", f"{SIX_WEEKS} [1]")
        assert delta["citations"][0]["quote"] == SIX_WEEKS
        assert not gate.free.is_set(), "the writer is held: what arrived was sent before the end"
        gate.free.set()
        rest = list(events)
    assert [name for name, _ in rest] == ["delta", "answer"]
    assert delta["text"] + rest[0][1]["text"] == rest[1][1]["text"] == WHOLE
    assert "car" not in response.request.url.path + json.dumps(rest)
    with own.world.database.read() as connection:
        (noted,) = connection.execute(sa.select(audit.c.action, audit.c.mode)).all()
    assert tuple(noted) == ("answer", "generated"), "one entry, made before the first sentence and completed at the end"


def test_the_openai_package_reads_along(own: Service, gate: Gate) -> None:
    chunks = ask_openai(own)
    texts: list[str] = []
    for chunk in chunks:
        texts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        if texts == [f"{SIX_WEEKS} [1]"]:
            assert not gate.free.is_set()
            gate.free.set()
    assert "".join(texts) == WHOLE
    assert len(texts) == 2
    chunks.close()


def test_the_openai_packages_helper_puts_the_sentences_and_their_citations_together(own: Service, gate: Gate) -> None:
    gate.free.set()
    client = openai.OpenAI(base_url=f"{own.address}/v1", api_key=own.key("anna", "hr"), max_retries=0)
    messages: Any = [{"role": "user", "content": NOTICE}]
    with client.chat.completions.stream(model="expertloop", messages=messages) as events:
        message = events.get_final_completion().choices[0].message
    assert message.content == WHOLE
    places = [one.url_citation for one in message.annotations or []]
    assert [WHOLE[place.start_index : place.end_index] for place in places] == ["[1]", "[2]"]
    assert [place.title for place in places] == ["notice", "canteen"]


@pytest.mark.parametrize("path", ["/v1/answers", "/v1/chat/completions"])
def test_who_goes_away_ends_the_writing_and_the_next_one_is_answered(own: Service, path: str) -> None:
    own.world.fake_generator = FakeWriter(SAID, stalls_at="opens")
    body = {"question": NOTICE, "stream": True, "messages": [{"role": "user", "content": NOTICE}]}
    wanted = ("question",) if path == "/v1/answers" else ("stream", "messages")
    headers = {"Authorization": f"Bearer {own.key('anna', 'hr')}", "Accept": "text/event-stream"}
    sent = {name: body[name] for name in wanted}
    with own.client.stream("POST", path, json=sent, headers=headers) as response:
        assert any(f"{SIX_WEEKS} [1]" in line for line in response.iter_lines())
    left = writer(own)
    own.world.fake_generator = FakeWriter(f"{SIX_WEEKS} [1]")
    assert own.answer(own.key("anna", "hr"), NOTICE)["mode"] == "generated"
    (ended,) = left.ended
    assert SAID.partition(" at noon")[0].startswith(ended)


def test_who_goes_away_before_the_first_sentence_ends_the_writing_too(own: Service) -> None:
    reached = threading.Event()
    own.world.fake_generator = FakeWriter(SAID, stalls_at="notice", before_word=lambda _word: reached.set())
    headers = {"Authorization": f"Bearer {own.key('anna', 'hr')}", "Content-Type": "application/json"}
    body = {"stream": True, "messages": [{"role": "user", "content": NOTICE}]}
    connection = HTTPConnection(own.address.removeprefix("http://"))
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    assert reached.wait(60)
    connection.close()
    left = writer(own)
    own.world.fake_generator = FakeWriter(f"{SIX_WEEKS} [1]")
    assert own.answer(own.key("anna", "hr"), NOTICE)["mode"] == "generated"
    (ended,) = left.ended
    assert "The notice".startswith(ended)


def test_with_a_key_the_answer_is_written_to_its_end_for_who_comes_back(own: Service, gate: Gate) -> None:
    with stream(own, **{"Idempotency-Key": "o-1"}) as response:
        assert any(f"{SIX_WEEKS} [1]" in line for line in response.iter_lines())
    gate.free.set()
    with stream(own, **{"Idempotency-Key": "o-1"}) as response:
        events = dict(read_events(response))
    assert events["answer"]["text"] == WHOLE
    assert writer(own).ended == []
    assert len(writer(own).prompts) == 1


def withdraw(service: Service) -> None:
    service.world.source.groups["notice.txt"] = ("management",)
    service.world.ingest()


def test_what_is_withdrawn_between_a_sentence_and_the_end_is_taken_back(own: Service, gate: Gate) -> None:
    with stream(own) as response:
        events = read_events(response)
        assert [next(events)[0], next(events)[0]] == ["sources", "delta"]
        withdraw(own)
        gate.free.set()
        rest = list(events)
    assert rest[0][0] == "retracted"
    assert rest[-1][0] == "answer"
    assert "six weeks" not in json.dumps(rest)
    assert "".join(data["text"] for name, data in rest if name == "delta") == rest[-1][1]["text"]


def test_the_openai_package_raises_what_is_taken_back(own: Service, gate: Gate) -> None:
    chunks = ask_openai(own)
    assert any(choice.delta.content for chunk in (next(chunks), next(chunks)) for choice in chunk.choices)
    withdraw(own)
    gate.free.set()
    with pytest.raises(openai.APIError, match="do not hold"):
        list(chunks)
    chunks.close()


class BrokenGate(Gate):
    """Fails with a bug instead of going on."""

    def __call__(self, word: str) -> None:
        super().__call__(word)
        if self.reached.is_set():
            raise ZeroDivisionError("secret detail")


def test_the_openai_package_raises_a_bug_between_two_sentences(own: Service, caplog: pytest.LogCaptureFixture) -> None:
    gate = BrokenGate("closes")
    own.world.fake_generator = FakeWriter(SAID, before_word=gate)
    chunks = ask_openai(own)
    assert any(choice.delta.content for chunk in (next(chunks), next(chunks)) for choice in chunk.choices)
    gate.free.set()
    with pytest.raises(openai.APIError) as caught:
        list(chunks)
    assert "secret detail" not in str(caught.value.body)
    assert "secret detail" in caplog.text
    chunks.close()


def test_askers_are_still_answered_together(own: Service, gate: Gate) -> None:
    answers: list[str] = []

    def read() -> None:
        with stream(own) as response:
            answers.append(dict(read_events(response))["answer"]["text"])

    first = threading.Thread(target=read)
    first.start()
    assert gate.reached.wait(60)
    others = [threading.Thread(target=read) for _ in range(3)]
    for other in others:
        other.start()
    deadline = time.monotonic() + 60
    while b"expertloop_questions_waiting 3.0" not in own.client.get("/metrics").content:
        assert time.monotonic() < deadline
    gate.free.set()
    for thread in [first, *others]:
        thread.join(60)
    assert answers == [WHOLE] * 4
    assert 'expertloop_batch_questions_bucket{le="4.0"} 2.0' in own.client.get("/metrics").text
    assert "expertloop_batch_questions_count 2.0" in own.client.get("/metrics").text
