"""An answer that is not there in time is an error in time, over HTTP, as a stream and in process; a budget is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from expertloop import Client, answer_question
from tasks.errors import DeadlineExceeded
from tests.fakes.generator import FakeGenerator
from tests.integration.service import NOTICE, Service, fill, make_world, opened

SIX_WEEKS = "The notice period is six weeks to the end of a quarter. [1]"
PATIENCE_SECONDS = 3.0
SOON_SECONDS = PATIENCE_SECONDS + 5
"""Late for a machine where others work, early beside the minute that the generator is held."""


class Held(FakeGenerator):
    """Writes when it is let go."""

    def __init__(self) -> None:
        self.begun, self.free = threading.Event(), threading.Event()
        super().__init__(SIX_WEEKS, before=self._wait)

    def _wait(self) -> None:
        self.begun.set()
        assert self.free.wait(timeout=60)


@pytest.fixture
def held() -> Iterator[Held]:
    generator = Held()
    yield generator
    generator.free.set()


@pytest.fixture
def own(home: Path, prefect_api: None, monkeypatch: pytest.MonkeyPatch, held: Held) -> Iterator[Service]:
    """A server whose generator is held."""
    world = make_world(monkeypatch)
    fill(world)
    world.fake_generator = held
    with opened(world) as service:
        yield service
        held.free.set()


def test_an_answer_that_is_not_there_in_time_is_504_and_a_waiting_question_is_dropped(own: Service, held: Held) -> None:
    key = own.key("anna", "hr")
    with Client(own.address, key) as client:
        for _ in range(2):  # the first is begun, the second waits behind it
            started = time.monotonic()
            with pytest.raises(DeadlineExceeded, match="within 3 s") as caught:
                client.answer(NOTICE, within_seconds=PATIENCE_SECONDS)
            assert time.monotonic() - started < SOON_SECONDS
            assert held.begun.wait(timeout=60)
        assert "more time" in caught.value.advice
        held.free.set()
        assert "six weeks" in client.answer(NOTICE, within_seconds=60).text
    assert len(held.prompts) == 2, "the one that was begun, and the last"


def test_a_keyed_question_that_waited_for_too_long_is_not_begun_either(own: Service, held: Held) -> None:
    key = own.key("anna", "hr")
    with Client(own.address, key) as client:
        for name in ("o-1", "o-2"):
            with pytest.raises(DeadlineExceeded):
                client.answer(NOTICE, key=name, within_seconds=PATIENCE_SECONDS)
            assert held.begun.wait(timeout=60)
        held.free.set()
        # What was at work when its asker gave up is kept for the next try; how long it may take is no part of it.
        assert "six weeks" in client.answer(NOTICE, key="o-1", within_seconds=60).text
        assert len(held.prompts) == 1
        assert "six weeks" in client.answer(NOTICE, key="o-2").text
    assert len(held.prompts) == 2


def test_a_stream_ends_with_an_error_in_time(own: Service) -> None:
    body = {"question": NOTICE, "within_seconds": PATIENCE_SECONDS}
    stream = own.post("/v1/answers", own.key("anna", "hr"), body, Accept="text/event-stream")
    assert stream.text.startswith("event: sources")
    assert '"status": 504' in stream.text
    assert "deadline-exceeded" in stream.text


def test_openais_protocol_takes_the_limits(own: Service, held: Held) -> None:
    key, body = own.key("anna", "hr"), {"model": "expertloop", "messages": [{"role": "user", "content": NOTICE}]}
    late = own.post("/v1/chat/completions", key, {**body, "within_seconds": PATIENCE_SECONDS})
    assert (late.status_code, late.json()["error"]["code"]) == (504, "deadline-exceeded")
    held.free.set()
    poor = own.post("/v1/chat/completions", key, {**body, "token_budget": 20}).json()
    assert (poor["expertloop"]["mode"], poor["usage"]["total_tokens"]) == ("extractive", 0)
    assert own.post("/v1/chat/completions", key, {**body, "token_budget": 0}).status_code == 422


def test_a_stored_question_is_answered_in_time_or_not_at_all(own: Service, held: Held) -> None:
    from flows.answer import answer

    held.free.set()
    with Client(own.address, own.key("anna", "hr")) as client:
        question_id = client.submit(NOTICE)
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="before the answer was begun"):
            answer(question_id, within_seconds=1e-6)
        assert time.monotonic() - started < SOON_SECONDS, "it is not tried again"
        assert held.prompts == []
        answer(question_id, within_seconds=60)
        assert "six weeks" in client.fetch(question_id).text
    (given,) = held.within_seconds
    assert given is not None
    assert 0 < given < 60


def test_in_process_the_caller_goes_on_in_time_and_finds_the_answer_by_its_key(own: Service, held: Held) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        answer_question(NOTICE, principals=["anna", "hr"], key="o-1", within_seconds=PATIENCE_SECONDS)
    assert time.monotonic() - started < SOON_SECONDS
    held.free.set()
    assert "six weeks" in answer_question(NOTICE, principals=["anna", "hr"], key="o-1", within_seconds=60).text
    assert len(held.prompts) == 1


def test_a_budget_is_kept_and_stored_with_a_question(own: Service, held: Held) -> None:
    from flows.answer import answer

    held.free.set()
    with Client(own.address, own.key("anna", "hr")) as client:
        rich, poor = client.answer(NOTICE, token_budget=500), client.answer(NOTICE, token_budget=20)
        assert rich.mode == "generated"
        assert 0 < rich.prompt_tokens + rich.completion_tokens <= 500
        assert (poor.mode, poor.prompt_tokens) == ("extractive", 0)
        assert "six weeks" in poor.text
        question_id = client.submit(NOTICE, key="o-1", token_budget=20)
        answer(question_id)
        assert client.fetch(question_id).mode == "extractive"
    response = own.post("/v1/answers", own.key("anna"), {"question": NOTICE, "token_budget": 0})
    assert response.status_code == 422
