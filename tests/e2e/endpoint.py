"""An embedding endpoint on a local port that answers as it is told, and a web server that counts who comes."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.e2e.command import CommandLine, Finished, finish, wait_until

DIMENSION = 64


@dataclass(frozen=True)
class Reply:
    """What the endpoint does with one request instead of answering it well."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    dimension: int = DIMENSION
    hangs: bool = False


@dataclass
class Endpoint:
    """An OpenAI-compatible `/v1/embeddings`; texts with common words get similar vectors.

    Attributes:
        decide: Called with the texts of each request, before it is answered.
    """

    decide: Callable[[Sequence[str]], Reply] = lambda _texts: Reply()
    requests: int = 0
    address: str = ""
    closing: threading.Event = field(default_factory=threading.Event)

    def use(self, shell: CommandLine) -> CommandLine:
        """The shell with this endpoint as its embedder."""
        return shell.set(
            EXPERTLOOP_EMBEDDER="openai",
            EXPERTLOOP_EMBEDDER_URL=f"{self.address}/v1",
            EXPERTLOOP_EMBEDDER_MODEL="hashed-words",
            EXPERTLOOP_EMBEDDER_DIMENSIONS=str(DIMENSION),
        )


def is_probe(texts: Sequence[str]) -> bool:
    """Whether a request only asks how long the vectors are, or whether the endpoint lives."""
    return len(texts) == 1 and len(texts[0].split()) == 1


@contextmanager
def embedding_endpoint() -> Iterator[Endpoint]:
    """A running endpoint that answers well until it is told otherwise."""
    endpoint = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            endpoint.requests += 1
            reply = endpoint.decide(body["input"])
            if reply.hangs:
                endpoint.closing.wait()
                return
            rows = [{"index": i, "embedding": _embed(text, reply.dimension)} for i, text in enumerate(body["input"])]
            self._send(reply, {"data": rows} if reply.status == 200 else {"error": {"message": "told to fail"}})

        def _send(self, reply: Reply, answer: object) -> None:
            content = json.dumps(answer).encode()
            self.send_response(reply.status)
            for name, value in (*reply.headers, ("Content-Length", str(len(content)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with _serving(Handler) as address:
        endpoint.address = address
        try:
            yield endpoint
        finally:
            endpoint.closing.set()


class Gate:
    """Holds embedding requests with a word in them until it is opened; `done` is how the command behind it ended."""

    def __init__(self, word: str) -> None:
        self._word = word
        self.reached, self.opened = threading.Event(), threading.Event()
        self.done = Finished(-1, "", "", 0)

    def __call__(self, texts: Sequence[str]) -> Reply:
        if not is_probe(texts) and any(self._word in text for text in texts):
            self.reached.set()
            self.opened.wait()
        return Reply()


@contextmanager
def held(shell: CommandLine, endpoint: Endpoint, folder: Path, word: str) -> Iterator[Gate]:
    """An ingest that waits at the embedder; it goes on when the block ends."""
    gate = Gate(word)
    endpoint.decide = gate
    ingest = shell.start("ingest", folder, "--json")
    try:
        wait_until(lambda: gate.reached.is_set() or ingest.poll() is not None, what="the first batch at the embedder")
        yield gate
    finally:
        gate.opened.set()
        gate.done = finish(ingest)
        endpoint.decide = lambda _: Reply()


@contextmanager
def counting_server() -> Iterator[tuple[str, list[str]]]:
    """A web server: its address, and the path of every request that reached it."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with _serving(Handler) as address:
        yield address, paths


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _embed(text: str, dimension: int) -> list[float]:
    """Counts of words in hashed places; never all zero."""
    vector = [0.01] * dimension
    for word in re.findall(r"\w+", text.lower()):
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % dimension] += 1.0
    return vector


@dataclass
class ChatEndpoint:
    """An OpenAI-compatible `/v1/chat/completions` that says one thing, when it is let.

    Attributes:
        reached: Set when somebody asks.
        free: Nobody is answered before it is set.
    """

    address: str
    reached: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)

    def use(self, shell: CommandLine) -> CommandLine:
        """The shell with this endpoint as its generator."""
        return shell.set(
            EXPERTLOOP_GENERATOR="openai",
            EXPERTLOOP_GENERATOR_URL=f"{self.address}/v1",
            EXPERTLOOP_GENERATOR_MODEL="parrot",
        )


@contextmanager
def chat_endpoint(says: str) -> Iterator[ChatEndpoint]:
    """A running endpoint."""
    endpoint = ChatEndpoint("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            endpoint.reached.set()
            endpoint.free.wait()
            choice = {"index": 0, "message": {"role": "assistant", "content": says}, "finish_reason": "stop"}
            content = json.dumps({"id": "1", "object": "chat.completion", "choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with _serving(Handler) as address:
        endpoint.address = address
        try:
            yield endpoint
        finally:
            endpoint.free.set()
