"""What both clients send, and how they read what comes back.

no key, a wrong one, 403          AccessDenied
404, 400, 413, 422 and the like   ConfigurationError: the request is wrong, sending it again changes nothing
422 with the code "key-reused"    KeyReused, which is one, too
429                               RateLimited, with `retry_after_seconds`
504 with the code "deadline-exceeded" DeadlineExceeded
503, no connection, silence       BackendUnavailable
500                               TerminalError, whose advice holds the request id
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from expertloop.results import Retraction, Sentence
from tasks.access_models import Verdict
from tasks.answer_models import Answer
from tasks.answering.once import check_key
from tasks.errors import (
    AccessDenied,
    BackendUnavailable,
    ConfigurationError,
    DeadlineExceeded,
    KeyReused,
    ProductError,
    RateLimited,
    TerminalError,
)
from tasks.models import SearchFilter

Result = TypeVar("Result", bound=BaseModel)
StreamPart = Sentence | Retraction | Answer
"""What a stream is made of; the answer is the last of it."""

_PARTS: Mapping[str, type[StreamPart]] = {"delta": Sentence, "retracted": Retraction, "answer": Answer}


class Requests:
    """To one server with one key."""

    def __init__(self, url: str, key: str) -> None:
        if not url.lower().startswith(("http://", "https://")):
            raise ConfigurationError(f"{url!r} is no http address", advice="write it like http://127.0.0.1:8000")
        if not key.isascii() or not key.strip():
            raise ConfigurationError("the key is empty or no key", advice="make one: expertloop keys add")
        self.options: dict[str, Any] = {"base_url": url, "headers": {"Authorization": f"Bearer {key.strip()}"}}

    @staticmethod
    def ask(question: str, narrow: SearchFilter | None, **limits: float | None) -> dict[str, Any]:
        """The body of a question."""
        given = {name: limit for name, limit in limits.items() if limit is not None}
        return _check_body({"question": question} | _filter(narrow) | given)

    @staticmethod
    def headers(key: str | None) -> dict[str, str]:
        """What makes a request idempotent, when it has a key."""
        return {} if key is None else {"Idempotency-Key": check_key(key)}

    @staticmethod
    def search(question: str, k: int, narrow: SearchFilter | None) -> dict[str, Any]:
        """The body of a search."""
        return _check_body({"question": question, "k": k} | _filter(narrow))

    @staticmethod
    def answer_path(question_id: str) -> str:
        """Where the answer to a stored question is; an id that no address can hold is nobody's."""
        return f"/v1/questions/{quote(question_id, safe='', errors='backslashreplace')}/answer"

    @staticmethod
    def feedback(answer_id: str, verdict: Verdict | str, text: str | None) -> dict[str, Any]:
        """The body of a verdict."""
        if verdict not in list(Verdict):
            raise ConfigurationError(f"{verdict!r} is no verdict", advice=f"say one of: {', '.join(Verdict)}")
        return _check_body({"answer_id": answer_id, "verdict": str(verdict), "text": text})

    @staticmethod
    def read(response: httpx.Response, kind: type[Result]) -> Result:
        """What the server says, or the error that its refusal stands for."""
        if response.is_success:
            try:
                # A newer server may say more than this client knows.
                return kind.model_validate_json(response.content, extra="ignore")
            except ValidationError as error:
                raise ConfigurationError(
                    f"{response.request.url} answers, but is no expertloop", advice="check the url"
                ) from error
        raise _map_refusal(response)

    @classmethod
    def stream_headers(cls, key: str | None) -> dict[str, str]:
        """What asks for a stream."""
        return {"Accept": "text/event-stream", **cls.headers(key)}

    @staticmethod
    def fail(error: httpx.RequestError) -> ProductError:
        """The error of a server that says nothing."""
        return BackendUnavailable(
            f"the server does not answer: {type(error).__name__}", advice="see that `expertloop serve` runs there"
        )


class StreamReader:
    """Reads a stream as it arrives. Only "\\n" ends a line: within JSON, what else could is a character of the text."""

    def __init__(self) -> None:
        self._begun = ""
        self._event: dict[str, str] = {}
        self._has_answer = False

    def read(self, text: str) -> Iterator[StreamPart]:
        """The parts that end in this text.

        Raises:
            ProductError: What the server says instead of an answer.
        """
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if part := self._add(line.removesuffix("\r")):
                yield part

    def _add(self, line: str) -> StreamPart | None:
        """The part that ends with this line, if one does."""
        if line:
            name, _, value = line.partition(": ")
            self._event[name] = value
            return None
        event, self._event = self._event, {}
        kind, data = event.get("event", ""), event.get("data", "{}")
        if kind == "error":
            problem = json.loads(data)
            raise _map_refusal(httpx.Response(problem["status"], json={"error": problem["error"]}))
        self._has_answer |= kind == "answer"
        # A newer server may say more than this client knows.
        return _PARTS[kind].model_validate_json(data, extra="ignore") if kind in _PARTS else None

    def end(self) -> None:
        """Make sure that the stream has ended with an answer.

        Raises:
            BackendUnavailable: It broke off.
        """
        if not self._has_answer:
            raise BackendUnavailable("the server broke off its answer", advice="ask again")


def _filter(narrow: SearchFilter | None) -> dict[str, Any]:
    return {"filter": narrow.model_dump(mode="json")} if narrow else {}


def _check_body(body: dict[str, Any]) -> dict[str, Any]:
    """The body itself, when it can be sent.

    Raises:
        ConfigurationError: JSON or UTF-8 cannot say it.
    """
    try:
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        advice = "mend it first: text.encode('utf-8', 'replace').decode()"
        raise ConfigurationError("a text holds half a character, which cannot be sent", advice=advice) from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"this cannot be sent: {error}", advice="send text and finite numbers") from error
    return body


def _map_refusal(response: httpx.Response) -> ProductError:
    code, message, advice = _read_problem(response)
    status = response.status_code
    if status in (401, 403):
        return AccessDenied(message, advice=advice)
    if status == 429:
        return RateLimited(message, advice=advice, retry_after_seconds=_seconds(response))
    if code == "deadline-exceeded":
        return DeadlineExceeded(message, advice=advice)
    if status in (408, 502, 503, 504):
        return BackendUnavailable(message, advice=advice, retry_after_seconds=_seconds(response))
    if status >= 500:
        return TerminalError(message, advice=advice, request_id=response.headers.get("X-Request-ID"))
    kind = KeyReused if code == "key-reused" else ConfigurationError
    return kind(message, advice=advice)


def _read_problem(response: httpx.Response) -> tuple[str, str, str]:
    """What a server of ours says of a refusal; something between us and it says it otherwise."""
    try:
        problem = response.json()["error"]
        return str(problem["code"]), str(problem["message"]), str(problem["advice"])
    except (ValueError, KeyError, TypeError):
        return "", f"{response.request.url} answers {response.status_code}", "check the url and what stands before it"


def _seconds(response: httpx.Response) -> float:
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isdecimal() else 0.0
