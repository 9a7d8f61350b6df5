"""The client: what it sends, what it makes of answers and refusals."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from expertloop import AsyncClient, Client, Retraction, Sentence
from expertloop.requests import StreamReader
from tasks.answer_models import Answer
from tasks.errors import (
    AccessDenied,
    BackendUnavailable,
    ConfigurationError,
    DeadlineExceeded,
    ProductError,
    RateLimited,
    TerminalError,
)
from tasks.models import SearchFilter

URL, KEY = "http://127.0.0.1:8000", "elk_0_secret"
ANSWER = {"question": "how long?", "text": "six weeks", "id": "a1", "mode": "extractive"}
PROBLEM = {"error": {"code": "x", "message": "what happened", "advice": "what to do"}}


class Server:
    """Remembers the last request and answers as told."""

    def __init__(self, status: int = 200, body: object = None, **headers: str) -> None:
        self.status, self.headers = status, headers
        self.body = ANSWER if body is None else body
        self.request: httpx.Request | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.request = request
        content = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return httpx.Response(self.status, content=content, headers=self.headers)

    def client(self) -> Client:
        return Client(URL, KEY, transport=httpx.MockTransport(self))

    @property
    def sent(self) -> dict[str, object]:
        assert self.request is not None
        return dict(json.loads(self.request.content))


def test_a_question_is_sent_with_the_key_and_becomes_an_answer() -> None:
    server = Server()
    answer = server.client().answer("how long?", filter=SearchFilter(types=("pdf",)))
    assert isinstance(answer, Answer)
    assert (answer.text, answer.id) == ("six weeks", "a1")
    assert server.request is not None
    assert (str(server.request.url), server.request.headers["Authorization"]) == (f"{URL}/v1/answers", f"Bearer {KEY}")
    assert server.sent["question"] == "how long?"
    assert server.sent["filter"]["types"] == ["pdf"]  # type: ignore[index]


STREAM = """\
event: sources
data: {"sources": []}

event: delta
data: {"text": "six", "citations": [], "invented_later": 1}

event: retracted
data: {}

event: delta
data: {"text": "six weeks", "citations": []}

event: invented_later
data: {}

"""
WHOLE = f"event: answer\ndata: {json.dumps(ANSWER)}\n\n"


def test_a_stream_is_read_as_sentences_and_the_answer() -> None:
    server = Server(body=STREAM + WHOLE)
    parts = list(server.client().stream("how long?", key="k-1"))
    assert [type(part) for part in parts] == [Sentence, Retraction, Sentence, Answer]
    assert server.request is not None
    assert server.request.headers["Accept"] == "text/event-stream"
    assert server.request.headers["Idempotency-Key"] == "k-1"

    async def read() -> list[object]:
        async with AsyncClient(URL, KEY, transport=httpx.MockTransport(server)) as client:
            return [part async for part in client.stream("how long?")]

    assert asyncio.run(read()) == parts


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_text_may_hold_what_other_readers_take_for_a_line_break(line_end: str) -> None:
    text = "six\x85weeks\u2028or\u2029so"
    delta = json.dumps({"text": text, "citations": []}, ensure_ascii=False)
    server = Server(body=(f"event: delta\ndata: {delta}\n\n" + WHOLE).replace("\n", line_end))
    sentence, answer = server.client().stream("how long?")
    assert isinstance(sentence, Sentence)
    assert sentence.text == text
    assert isinstance(answer, Answer)


def test_a_stream_is_read_whatever_pieces_it_comes_in() -> None:
    reader = StreamReader()
    parts = [part for character in STREAM + WHOLE for part in reader.read(character)]
    assert [type(part) for part in parts] == [Sentence, Retraction, Sentence, Answer]
    reader.end()


def test_a_stream_that_ends_in_an_error_or_breaks_off_is_one() -> None:
    late = {"status": 504, "error": PROBLEM["error"] | {"code": "deadline-exceeded"}}
    with pytest.raises(DeadlineExceeded, match="what happened"):
        list(Server(body=STREAM + f"event: error\ndata: {json.dumps(late)}\n\n").client().stream("x"))
    with pytest.raises(BackendUnavailable, match="broke off"):
        list(Server(body=STREAM).client().stream("x"))
    with pytest.raises(AccessDenied, match="what happened"):
        list(Server(401, PROBLEM).client().stream("x"))


def test_what_a_newer_server_adds_is_no_fault() -> None:
    assert Server(body=ANSWER | {"invented_later": 1, "timings": {"more": 2}}).client().answer("x").text == "six weeks"


def test_a_search_returns_passages() -> None:
    hit = {
        "rank": 1,
        "score": 0.5,
        "document_id": "d",
        "chunk_id": "c",
        "uri": "u",
        "title": "t",
        "page": None,
        "text": "x",
    }
    server = Server(body={"question": "q", "hits": [hit]})
    assert [found.text for found in server.client().search("q", k=3).hits] == ["x"]
    assert server.sent == {"question": "q", "k": 3}


def test_feedback_is_sent_and_a_wrong_word_is_not() -> None:
    body = {
        "answer_id": "a1",
        "tenant": "t",
        "principal": "p",
        "verdict": "good",
        "text": None,
        "at": "2026-05-04T12:00:00Z",
    }
    server = Server(201, body)
    assert server.client().feedback("a1", "good").verdict == "good"
    assert server.sent == {"answer_id": "a1", "verdict": "good", "text": None}
    with pytest.raises(ConfigurationError, match="nonsense") as caught:
        server.client().feedback("a1", "nonsense")
    assert "good, wrong, corrected" in caught.value.advice


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.answer("a\ud800"),
        lambda client: list(client.stream("a\ud800")),
        lambda client: client.search("a\ud800"),
        lambda client: client.search("a", filter=SearchFilter(sources=("\ud800",))),
        lambda client: client.submit("a\ud800"),
        lambda client: client.feedback("a1", "corrected", "\ud800"),
        lambda client: client.answer(b"bytes"),
        lambda client: client.answer("a", within_seconds=float("nan")),
    ],
)
def test_what_cannot_be_sent_is_said_with_advice(ask: Callable[[Client], object]) -> None:
    server = Server()
    with pytest.raises(ConfigurationError, match="sent") as caught:
        ask(server.client())
    assert caught.value.advice
    assert server.request is None


def test_an_id_that_no_address_can_hold_is_nobodys() -> None:
    with pytest.raises(ConfigurationError, match="what happened"):
        Server(404, PROBLEM).client().fetch("\ud800")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AccessDenied),
        (403, AccessDenied),
        (404, ConfigurationError),
        (413, ConfigurationError),
        (422, ConfigurationError),
        (429, RateLimited),
        (500, TerminalError),
        (503, BackendUnavailable),
    ],
)
def test_refusals_become_our_errors_with_their_words(status: int, kind: type[ProductError]) -> None:
    with pytest.raises(kind) as caught:
        Server(status, PROBLEM).client().answer("x")
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.advice) == ("what happened", "what to do")


def test_a_rate_limit_says_how_long() -> None:
    with pytest.raises(RateLimited) as caught:
        Server(429, PROBLEM, **{"Retry-After": "7"}).client().answer("x")
    assert caught.value.retry_after_seconds == 7.0


@pytest.mark.parametrize("body", ["<html>502</html>", "[]", '{"error": "no"}', ""])
def test_what_a_proxy_says_is_a_refusal_too(body: str) -> None:
    with pytest.raises(BackendUnavailable, match="answers 502"):
        Server(502, body).client().answer("x")


def test_something_else_at_the_address_is_named_as_such() -> None:
    with pytest.raises(ConfigurationError, match="no expertloop"):
        Server(200, "<html>hello</html>").client().answer("x")


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def test_a_server_that_is_not_there_is_a_transient_error() -> None:
    with pytest.raises(BackendUnavailable, match="ConnectError"):
        Client(URL, KEY, transport=httpx.MockTransport(refuse)).answer("x")


@pytest.mark.parametrize("make", [Client, AsyncClient])
@pytest.mark.parametrize(("url", "key"), [("127.0.0.1:8000", KEY), (URL, ""), (URL, "schlüssel")])
def test_wrong_settings_are_said_at_once(make: Callable[[str, str], object], url: str, key: str) -> None:
    with pytest.raises(ConfigurationError):
        make(url, key)


def test_the_asynchronous_client_does_the_same() -> None:
    server = Server()

    async def ask() -> str:
        async with AsyncClient(URL, KEY, transport=httpx.MockTransport(server)) as client:
            return (await client.answer("how long?")).text

    assert asyncio.run(ask()) == "six weeks"
    server.status, server.body = 401, PROBLEM

    async def fail() -> None:
        async with AsyncClient(URL, KEY, transport=httpx.MockTransport(server)) as client:
            await client.search("x")

    with pytest.raises(AccessDenied):
        asyncio.run(fail())


def test_importing_the_package_imports_nothing_of_weight() -> None:
    code = "import sys, expertloop; print([n for n in ('httpx', 'pydantic', 'tasks', 'torch') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    import expertloop

    with pytest.raises(AttributeError, match="nonsense"):
        _ = expertloop.nonsense
    assert {"Client", "AsyncClient", "answer_question"} <= set(dir(expertloop))
