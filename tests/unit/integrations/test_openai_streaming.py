"""Answers of an OpenAI-compatible endpoint that are watched while they come, against a real little server."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tasks.answer_models import Generation
from tasks.errors import BackendUnavailable
from tests.unit.integrations.test_openai import PROMPT, Reply, answer, completion, generator, refuse, serving


def chunk(text: str, finish: str | None = None, logprob: float | None = None) -> dict[str, Any]:
    told = None if logprob is None else {"content": [{"token": text, "logprob": logprob}]}
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish, "logprobs": told}]}


USED = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}}


def start_stream(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
    handler.end_headers()


def send_event(handler: BaseHTTPRequestHandler, event: object) -> None:
    handler.wfile.write(b": ping\r\n\r\ndata: " + json.dumps(event).encode() + b"\r\n\r\n")
    handler.wfile.flush()


def stream(*events: object, end: bytes = b"data: [DONE]\n\n") -> Reply:
    def reply(handler: BaseHTTPRequestHandler, _request: dict[str, Any]) -> None:
        start_stream(handler)
        for event in events:
            send_event(handler, event)
        handler.wfile.write(end)

    return reply


class Watching:
    """Remembers what it saw, and has enough when it saw that."""

    def __init__(self, enough: str | None = None) -> None:
        self.seen: list[str] = []
        self.enough = enough

    def __call__(self, text: str) -> bool:
        self.seen.append(text)
        return text != self.enough


def watched(url: str, watching: Watching, within_seconds: float | None = None, **options: float) -> Generation:
    (generation,) = generator(url, **options).generate_watched(  # type: ignore[arg-type]
        [PROMPT], max_tokens=9, watchers=[watching], within_seconds=[within_seconds]
    )
    return generation


def test_what_is_watched_is_shown_while_the_server_still_writes() -> None:
    shown = threading.Event()

    def reply(handler: BaseHTTPRequestHandler, _request: dict[str, Any]) -> None:
        start_stream(handler)
        send_event(handler, chunk("Hal", logprob=-0.5))
        assert shown.wait(20)
        for event in (chunk("lo!", "stop", logprob=-0.1), USED):
            send_event(handler, event)
        handler.wfile.write(b"data: [DONE]\n\n")

    def watch(text: str) -> bool:
        shown.set()
        seen.append(text)
        return True

    seen: list[str] = []
    with serving(reply) as (url, requests):
        (generation,) = generator(url).generate_watched([PROMPT], max_tokens=9, watchers=[watch])
    assert seen[:2] == ["Hal", "Hallo!"]
    assert (generation.text, generation.prompt_tokens, generation.completion_tokens) == ("Hallo!", 7, 2)
    assert generation.mean_logprob == pytest.approx(-0.3)
    assert (requests[0]["stream"], requests[0]["logprobs"]) == (True, True)
    assert requests[0]["stream_options"] == {"include_usage": True}


def test_what_was_read_enough_of_is_broken_off_at_the_server() -> None:
    ended = threading.Event()

    def drip(handler: BaseHTTPRequestHandler, _request: dict[str, Any]) -> None:
        start_stream(handler)
        try:
            while not ended.wait(0.005):
                send_event(handler, chunk("so "))
        except OSError:
            ended.set()

    with serving(drip) as (url, _):
        try:
            generation = watched(url, Watching("so so "))
            assert ended.wait(20)
        finally:
            ended.set()
    assert (generation.text, generation.finish) == ("so so", "stop")
    assert generation.prompt_tokens > 0, "the server tells nothing any more: estimated"


def test_a_watched_answer_whose_time_is_over_is_what_had_come() -> None:
    release = threading.Event()

    def reply(handler: BaseHTTPRequestHandler, _request: dict[str, Any]) -> None:
        start_stream(handler)
        send_event(handler, chunk("Hal"))
        release.wait(20)

    with serving(reply) as (url, _):
        try:
            generation = watched(url, Watching(), 0.3)
        finally:
            release.set()
    assert (generation.text, generation.finish) == ("Hal", "length")


@pytest.mark.parametrize("refused", [["stream_options"], ["stream_options", "logprobs"], ["stream", "logprobs"]])
def test_a_server_is_asked_for_what_it_grants_and_not_again_for_what_it_refuses(refused: list[str]) -> None:
    def reply(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        if any(name in request for name in refused):
            refuse(400)(handler, request)
        elif "stream" in request:
            stream(chunk("Hallo!", "stop"))(handler, request)
        else:
            answer(completion("Hallo!"))(handler, request)

    with serving(reply) as (url, requests):
        asked = generator(url, concurrency=1)
        for _ in range(2):
            (generation,) = asked.generate_watched([PROMPT], max_tokens=9, watchers=[Watching()])
            assert generation.text == "Hallo!"
            tries = len(requests)
    assert tries - 1 == [place for place, one in enumerate(requests) if not any(n in one for n in refused)][1]
    assert not any(name in requests[-1] for name in refused)


def test_a_server_that_answers_whole_where_a_stream_was_asked_for_is_understood() -> None:
    watching = Watching()
    with serving(answer(completion("Hallo!"))) as (url, _):
        generation = watched(url, watching)
    assert (generation.text, generation.completion_tokens, watching.seen) == ("Hallo!", 2, ["Hallo!"])


@pytest.mark.parametrize(
    "reply",
    [
        stream(chunk("Hal"), end=b""),
        stream(chunk("Hal"), {"error": {"message": "out of memory"}}, end=b""),
        stream(chunk("Hal"), {"choices": [{"delta": 3}]}),
        stream(end=b"data: [DONE]\n\n"),
    ],
)
def test_a_stream_that_breaks_off_is_an_error(reply: Reply) -> None:
    with serving(reply) as (url, _), pytest.raises(BackendUnavailable):
        watched(url, Watching())
