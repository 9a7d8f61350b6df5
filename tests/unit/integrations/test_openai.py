"""The generator behind an OpenAI-compatible endpoint, against a real little server."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from tasks.answer_models import Message
from tasks.errors import BackendUnavailable, ConfigurationError, RateLimited
from tasks.integrations.openai import OpenAIGenerator
from tasks.settings import Settings

PROMPT = [Message(role="system", content="Be brief."), Message(role="user", content="Grüße?")]
KEY = "sk-very-secret"
Reply = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


def completion(text: str | None, finish: str = "stop") -> dict[str, Any]:
    return {
        "id": "x",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    }


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def answer(body: object) -> Reply:
    return lambda handler, _request: send(handler, 200, json.dumps(body).encode())


def refuse(status: int, **headers: str) -> Reply:
    return lambda handler, _request: send(handler, status, b'{"error": {"message": "no"}}', **headers)


@contextmanager
def serving(reply: Reply) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a server that replies so, and the requests it got."""
    requests: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
            reply(self, body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def generator(url: str, *, timeout_seconds: float = 20, concurrency: int = 8) -> OpenAIGenerator:
    return OpenAIGenerator(
        Settings(
            generator_url=url,
            generator_model="phi",
            generator_key=SecretStr(KEY),
            generator_timeout_seconds=timeout_seconds,
        ),
        concurrency=concurrency,
    )


def test_messages_go_out_as_they_are_and_the_completion_comes_back_with_its_tokens() -> None:
    with serving(answer(completion(" Hallo! "))) as (url, requests):
        (generation,) = generator(url).generate([PROMPT], max_tokens=9)
    assert (generation.text, generation.prompt_tokens, generation.completion_tokens) == ("Hallo!", 7, 2)
    (request,) = requests
    assert request["path"] == "/v1/chat/completions"
    assert request["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüße?"}]
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("phi", 9, 0)
    assert request["key"] == f"Bearer {KEY}"


def test_log_probabilities_are_averaged_where_the_server_tells_them() -> None:
    told = completion("Hallo!")
    told["choices"][0]["logprobs"] = {"content": [{"token": "Hallo", "logprob": -0.5}, {"token": "!", "logprob": -0.1}]}
    with serving(answer(told)) as (url, requests):
        (generation,) = generator(url).generate([PROMPT], max_tokens=9)
    assert generation.mean_logprob == pytest.approx(-0.3)
    assert requests[0]["logprobs"] is True


def test_a_server_that_refuses_log_probabilities_is_asked_without_them_from_then_on() -> None:
    def reply(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        (refuse(400) if "logprobs" in request else answer(completion("Hallo!")))(handler, request)

    with serving(reply) as (url, requests):
        asked = generator(url, concurrency=1)
        texts = [asked.generate([PROMPT], max_tokens=9)[0].text for _ in range(2)]
    assert texts == ["Hallo!", "Hallo!"]
    assert ["logprobs" in request for request in requests] == [True, False, False]


def test_a_cut_answer_says_so_and_missing_usage_and_content_are_no_faults() -> None:
    with serving(answer({"choices": [{"message": {"content": None}, "finish_reason": "length"}]})) as (url, _):
        (generation,) = generator(url).generate([PROMPT], max_tokens=9)
    assert (generation.text, generation.finish, generation.prompt_tokens) == ("", "length", 0)


def test_answers_come_in_the_order_of_the_prompts_and_requests_in_flight_are_bounded() -> None:
    lock, turn = threading.Lock(), threading.Barrier(2, timeout=20)
    running: list[int] = [0]
    most: list[int] = [0]

    def reply(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        turn.wait()
        with lock:
            running[0] -= 1
        send(handler, 200, json.dumps(completion(request["messages"][0]["content"])).encode())

    prompts = [[Message(role="user", content=str(number))] for number in range(8)]
    with serving(reply) as (url, _):
        generations = generator(url, concurrency=2).generate(prompts, max_tokens=9)
    assert [generation.text for generation in generations] == [str(number) for number in range(8)]
    assert most == [2]


def test_patience_is_asked_for_with_its_seconds() -> None:
    with serving(refuse(429, Retry_After="17")) as (url, _), pytest.raises(RateLimited) as caught:
        generator(url).generate([PROMPT], max_tokens=9)
    assert caught.value.retry_after_seconds == 17


@pytest.mark.parametrize("status", [500, 502, 503])
def test_the_servers_own_failure_is_transient(status: int) -> None:
    with serving(refuse(status)) as (url, _), pytest.raises(BackendUnavailable):
        generator(url).generate([PROMPT], max_tokens=9)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_terminal_and_names_the_settings(status: int) -> None:
    with serving(refuse(status)) as (url, _), pytest.raises(ConfigurationError) as caught:
        generator(url).generate([PROMPT], max_tokens=9)
    assert "EXPERTLOOP_GENERATOR_KEY" in caught.value.advice
    assert KEY not in f"{caught.value} {caught.value.advice} {caught.value.details}"


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"choices": []}', b'{"choices": [{"message": 3}]}', b"[1", b""])
def test_an_answer_that_is_no_completion_is_an_error(body: bytes) -> None:
    with (
        serving(lambda handler, _request: send(handler, 200, body)) as (url, _),
        pytest.raises((BackendUnavailable, ConfigurationError)),
    ):
        generator(url).generate([PROMPT], max_tokens=9)


def test_a_server_that_hangs_is_given_up() -> None:
    release = threading.Event()
    with serving(lambda _handler, _request: void(release.wait(30))) as (url, _):
        try:
            with pytest.raises(BackendUnavailable):
                generator(url, timeout_seconds=0.3).generate([PROMPT], max_tokens=9)
        finally:
            release.set()


def test_a_prompt_whose_own_time_is_over_is_cut_and_its_neighbour_is_not() -> None:
    release = threading.Event()

    def hang_once(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        if request["messages"][-1]["content"] == "slow":
            release.wait(30)
        answer(completion("Hallo!"))(handler, request)

    slow = [Message(role="user", content="slow")]
    with serving(hang_once) as (url, requests):
        try:
            limits = [0.3, None, -1.0]
            cut, whole, never = generator(url).generate([slow, PROMPT, slow], max_tokens=9, within_seconds=limits)
        finally:
            release.set()
    assert (cut.text, cut.finish, cut.completion_tokens) == ("", "length", 0)
    assert (whole.text, never.text) == ("Hallo!", "")
    assert len(requests) == 2


def test_a_server_that_asks_for_more_patience_than_there_is_time_is_not_waited_for() -> None:
    with serving(refuse(429, Retry_After="60")) as (url, requests):
        asked = generator(url)
        with pytest.raises(RateLimited):
            asked.generate([PROMPT], max_tokens=9)
        (cut,) = asked.generate([PROMPT], max_tokens=9, within_seconds=[5.0])
    assert (cut.text, cut.finish) == ("", "length")
    assert len(requests) == 1


def test_a_server_that_drips_is_given_up_although_it_is_never_silent() -> None:
    stop = threading.Event()

    def drip(handler: BaseHTTPRequestHandler, _request: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not stop.wait(0.02):
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:
                return

    with serving(drip) as (url, _):
        try:
            with pytest.raises(BackendUnavailable):
                generator(url, timeout_seconds=0.5).generate([PROMPT], max_tokens=9)
        finally:
            stop.set()


def test_a_connection_that_breaks_and_one_that_is_refused_are_transient() -> None:
    def break_off(handler: BaseHTTPRequestHandler, _request: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"{")

    with serving(break_off) as (url, _), pytest.raises(BackendUnavailable):
        generator(url).generate([PROMPT], max_tokens=9)
    with pytest.raises(BackendUnavailable):
        generator(url).generate([PROMPT], max_tokens=9)


def test_a_missing_or_wrong_address_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        OpenAIGenerator(Settings(generator="openai"))
    assert "EXPERTLOOP_GENERATOR_URL" in caught.value.advice
    with pytest.raises(ConfigurationError):
        OpenAIGenerator(Settings(generator_url="no url", generator_model="phi"))


def test_the_key_is_in_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(refuse(401)) as (url, _), pytest.raises(ConfigurationError):
        generator(url).generate([PROMPT], max_tokens=9)
    assert KEY not in caplog.text


def test_no_prompts_no_requests() -> None:
    with serving(answer(completion("x"))) as (url, requests):
        assert generator(url).generate([], max_tokens=9) == []
    assert requests == []


def void(_value: object) -> None:
    """For a lambda whose result nobody wants."""
