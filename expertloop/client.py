"""`Client` and `AsyncClient`: other people's programs ask `expertloop serve` and get typed answers and typed errors.

    no key, a wrong one, 403          AccessDenied
    404, 400, 413, 422 and the like   ConfigurationError: the request is wrong, sending it again changes nothing
    429                               RateLimited, with `retry_after_seconds`
    503, no connection, silence       BackendUnavailable
    500                               TerminalError, whose advice holds the request id

Nothing is retried here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from expertloop.results import SearchResult
from tasks.access_models import Feedback, Verdict
from tasks.errors import AccessDenied, BackendUnavailable, ConfigurationError, ProductError, RateLimited, TerminalError
from tasks.models import Answer, SearchFilter

TIMEOUT_SECONDS = 180.0
"""Longer than an answer may wait and be written; a shorter one gives up what the server still works on."""

Result = TypeVar("Result", bound=BaseModel)


class _Submitted(BaseModel):
    question_id: str


class _Requests:
    """What both clients send and how they read what comes back."""

    def __init__(self, url: str, key: str) -> None:
        if not url.lower().startswith(("http://", "https://")):
            raise ConfigurationError(f"{url!r} is no http address", advice="write it like http://127.0.0.1:8000")
        if not key.isascii() or not key.strip():
            raise ConfigurationError("the key is empty or no key", advice="make one: expertloop keys add")
        self.options: dict[str, Any] = {"base_url": url, "headers": {"Authorization": f"Bearer {key.strip()}"}}

    @staticmethod
    def answer(question: str, narrow: SearchFilter | None) -> dict[str, Any]:
        return {"question": question} | _filter(narrow)

    @staticmethod
    def search(question: str, k: int, narrow: SearchFilter | None) -> dict[str, Any]:
        return {"question": question, "k": k} | _filter(narrow)

    @staticmethod
    def feedback(answer_id: str, verdict: Verdict | str, text: str | None) -> dict[str, Any]:
        return {"answer_id": answer_id, "verdict": Verdict(verdict).value, "text": text}

    @staticmethod
    def read(response: httpx.Response, kind: type[Result]) -> Result:
        if response.is_success:
            try:
                # A newer server may say more than this client knows.
                return kind.model_validate_json(response.content, extra="ignore")
            except ValidationError as error:
                raise ConfigurationError(
                    f"{response.request.url} answers, but is no expertloop", advice="check the url"
                ) from error
        raise _map_refusal(response)

    @staticmethod
    def fail(error: httpx.RequestError) -> ProductError:
        return BackendUnavailable(
            f"the server does not answer: {type(error).__name__}", advice="see that `expertloop serve` runs there"
        )


class Client:
    """Asks a server, one request at a time.

    Args:
        url: Of the server, for example "http://127.0.0.1:8000".
        key: From `expertloop keys add`, or a token of the server's identity provider.
        timeout_seconds: Of the server's silence.
        transport: How requests travel; tests and proxies bring their own.

    Example:
        with Client("http://127.0.0.1:8000", key) as client:
            print(client.answer("How long is the notice period?").text)
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._requests = _Requests(url, key)
        self._http = httpx.Client(**self._requests.options, timeout=timeout_seconds, transport=transport)

    def answer(self, question: str, *, filter: SearchFilter | None = None) -> Answer:  # noqa: A002 (the field's name)
        """A cited answer, or a reason for silence; its `id` is what feedback names.

        Raises:
            AccessDenied, RateLimited, BackendUnavailable, ConfigurationError: See above.
        """
        return self._post("answers", self._requests.answer(question, filter), Answer)

    def submit(self, question: str) -> str:
        """Store a question under the key's principal; its id is what the flow `answer` takes."""
        return self._post("questions", {"question": question}, _Submitted).question_id

    def fetch(self, question_id: str) -> Answer:
        """The answer to a stored question.

        Raises:
            ConfigurationError: There is none yet, or the question is somebody else's.
        """
        try:
            response = self._http.get(f"/v1/questions/{quote(question_id, safe='')}/answer")
        except httpx.RequestError as error:
            raise self._requests.fail(error) from error
        return self._requests.read(response, Answer)

    def search(self, question: str, *, k: int = 10, filter: SearchFilter | None = None) -> SearchResult:  # noqa: A002
        """The passages that the question finds, best first."""
        return self._post("searches", self._requests.search(question, k, filter), SearchResult)

    def feedback(self, answer_id: str, verdict: Verdict | str, text: str | None = None) -> Feedback:
        """Say that an answer was "good" or "wrong", or "corrected" with the right one as text."""
        return self._post("feedback", self._requests.feedback(answer_id, verdict, text), Feedback)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def _post(self, path: str, body: Mapping[str, Any], kind: type[Result]) -> Result:
        try:
            response = self._http.post(f"/v1/{path}", json=body)
        except httpx.RequestError as error:
            raise self._requests.fail(error) from error
        return self._requests.read(response, kind)


class AsyncClient:
    """`Client` for asyncio: the same methods, awaited."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._requests = _Requests(url, key)
        self._http = httpx.AsyncClient(**self._requests.options, timeout=timeout_seconds, transport=transport)

    async def answer(self, question: str, *, filter: SearchFilter | None = None) -> Answer:  # noqa: A002
        """A cited answer, or a reason for silence; its `id` is what feedback names."""
        return await self._post("answers", self._requests.answer(question, filter), Answer)

    async def submit(self, question: str) -> str:
        """Store a question under the key's principal; its id is what the flow `answer` takes."""
        return (await self._post("questions", {"question": question}, _Submitted)).question_id

    async def fetch(self, question_id: str) -> Answer:
        """The answer to a stored question."""
        try:
            response = await self._http.get(f"/v1/questions/{quote(question_id, safe='')}/answer")
        except httpx.RequestError as error:
            raise self._requests.fail(error) from error
        return self._requests.read(response, Answer)

    async def search(
        self,
        question: str,
        *,
        k: int = 10,
        filter: SearchFilter | None = None,  # noqa: A002
    ) -> SearchResult:
        """The passages that the question finds, best first."""
        return await self._post("searches", self._requests.search(question, k, filter), SearchResult)

    async def feedback(self, answer_id: str, verdict: Verdict | str, text: str | None = None) -> Feedback:
        """Say that an answer was "good" or "wrong", or "corrected" with the right one as text."""
        return await self._post("feedback", self._requests.feedback(answer_id, verdict, text), Feedback)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def _post(self, path: str, body: Mapping[str, Any], kind: type[Result]) -> Result:
        try:
            response = await self._http.post(f"/v1/{path}", json=body)
        except httpx.RequestError as error:
            raise self._requests.fail(error) from error
        return self._requests.read(response, kind)


def _filter(narrow: SearchFilter | None) -> dict[str, Any]:
    return {"filter": narrow.model_dump(mode="json")} if narrow else {}


def _map_refusal(response: httpx.Response) -> ProductError:
    message, advice = _read_problem(response)
    status = response.status_code
    if status in (401, 403):
        return AccessDenied(message, advice=advice)
    if status == 429:
        return RateLimited(message, advice=advice, retry_after_seconds=_seconds(response))
    if status in (408, 502, 503, 504):
        return BackendUnavailable(message, advice=advice, retry_after_seconds=_seconds(response))
    if status >= 500:
        return TerminalError(message, advice=advice, request_id=response.headers.get("X-Request-ID"))
    return ConfigurationError(message, advice=advice)


def _read_problem(response: httpx.Response) -> tuple[str, str]:
    """What a server of ours says of a refusal; something between us and it says it otherwise."""
    try:
        problem = response.json()["error"]
        return str(problem["message"]), str(problem["advice"])
    except (ValueError, KeyError, TypeError):
        return f"{response.request.url} answers {response.status_code}", "check the url and what stands before it"


def _seconds(response: httpx.Response) -> float:
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isdecimal() else 0.0
