"""`Client` and `AsyncClient`: other people's programs ask `expertloop serve` and get typed answers and typed errors.

Which refusal becomes which error is drawn in `expertloop/requests.py`. Nothing is retried here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import BaseModel

from expertloop.requests import Requests, Result, StreamPart, StreamReader
from expertloop.results import SearchResult
from tasks.access_models import Feedback, Verdict
from tasks.answer_models import Answer
from tasks.models import SearchFilter

TIMEOUT_SECONDS = 180.0
"""Longer than an answer may wait and be written; a shorter one gives up what the server still works on."""


class _Submitted(BaseModel):
    question_id: str


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
        self._requests = Requests(url, key)
        self._http = httpx.Client(**self._requests.options, timeout=timeout_seconds, transport=transport)

    def answer(
        self,
        question: str,
        *,
        filter: SearchFilter | None = None,  # noqa: A002 (the field's name)
        key: str | None = None,
        within_seconds: float | None = None,
        token_budget: int | None = None,
    ) -> Answer:
        """A cited answer, or a reason for silence; its `id` is what feedback names.

        Args:
            question: In any language.
            filter: What the search is narrowed to.
            key: The same request with the same key gets the same answer, for 24 hours.
            within_seconds: Time for the answer.
            token_budget: Most tokens of prompt and answer together; what does not fit is quoted.

        Raises:
            DeadlineExceeded: The time is over.
            AccessDenied, RateLimited, BackendUnavailable, ConfigurationError: See above.
        """
        body = self._requests.ask(question, filter, within_seconds=within_seconds, token_budget=token_budget)
        return self._post("answers", body, Answer, key)

    def stream(
        self,
        question: str,
        *,
        filter: SearchFilter | None = None,  # noqa: A002
        key: str | None = None,
        within_seconds: float | None = None,
        token_budget: int | None = None,
    ) -> Iterator[StreamPart]:
        """The answer's sentences as soon as each is verified, and last the answer; closed before, it ends the writing.

        Show the sentences, act on the answer: after a `Retraction`, which is rare, those so far do not hold.

        Raises:
            DeadlineExceeded, AccessDenied, RateLimited, BackendUnavailable, ConfigurationError: As `answer`.
        """
        body = self._requests.ask(question, filter, within_seconds=within_seconds, token_budget=token_budget)
        headers, reader = self._requests.stream_headers(key), StreamReader()
        try:
            with self._http.stream("POST", "/v1/answers", json=body, headers=headers) as response:
                if not response.is_success:
                    response.read()
                    self._requests.read(response, Answer)
                for text in response.iter_text():
                    yield from reader.read(text)
                reader.end()
        except httpx.RequestError as error:
            raise self._requests.fail(error) from error

    def submit(
        self,
        question: str,
        *,
        filter: SearchFilter | None = None,  # noqa: A002
        key: str | None = None,
        token_budget: int | None = None,
    ) -> str:
        """Store a question under the key's principal; its id is what the flow `answer` takes."""
        body = self._requests.ask(question, filter, token_budget=token_budget)
        return self._post("questions", body, _Submitted, key).question_id

    def fetch(self, question_id: str) -> Answer:
        """The answer to a stored question.

        Raises:
            ConfigurationError: There is none yet, or the question is somebody else's.
        """
        try:
            response = self._http.get(self._requests.answer_path(question_id))
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

    def _post(self, path: str, body: Mapping[str, Any], kind: type[Result], key: str | None = None) -> Result:
        try:
            response = self._http.post(f"/v1/{path}", json=body, headers=self._requests.headers(key))
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
        self._requests = Requests(url, key)
        self._http = httpx.AsyncClient(**self._requests.options, timeout=timeout_seconds, transport=transport)

    async def answer(
        self,
        question: str,
        *,
        filter: SearchFilter | None = None,  # noqa: A002
        key: str | None = None,
        within_seconds: float | None = None,
        token_budget: int | None = None,
    ) -> Answer:
        """A cited answer, or a reason for silence; its `id` is what feedback names."""
        body = self._requests.ask(question, filter, within_seconds=within_seconds, token_budget=token_budget)
        return await self._post("answers", body, Answer, key)

    async def stream(
        self,
        question: str,
        *,
        filter: SearchFilter | None = None,  # noqa: A002
        key: str | None = None,
        within_seconds: float | None = None,
        token_budget: int | None = None,
    ) -> AsyncIterator[StreamPart]:
        """The answer's sentences as soon as each is verified, and last the answer."""
        body = self._requests.ask(question, filter, within_seconds=within_seconds, token_budget=token_budget)
        headers, reader = self._requests.stream_headers(key), StreamReader()
        try:
            async with self._http.stream("POST", "/v1/answers", json=body, headers=headers) as response:
                if not response.is_success:
                    await response.aread()
                    self._requests.read(response, Answer)
                async for text in response.aiter_text():
                    for part in reader.read(text):
                        yield part
                reader.end()
        except httpx.RequestError as error:
            raise self._requests.fail(error) from error

    async def submit(
        self,
        question: str,
        *,
        filter: SearchFilter | None = None,  # noqa: A002
        key: str | None = None,
        token_budget: int | None = None,
    ) -> str:
        """Store a question under the key's principal; its id is what the flow `answer` takes."""
        body = self._requests.ask(question, filter, token_budget=token_budget)
        return (await self._post("questions", body, _Submitted, key)).question_id

    async def fetch(self, question_id: str) -> Answer:
        """The answer to a stored question."""
        try:
            response = await self._http.get(self._requests.answer_path(question_id))
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

    async def _post(self, path: str, body: Mapping[str, Any], kind: type[Result], key: str | None = None) -> Result:
        try:
            response = await self._http.post(f"/v1/{path}", json=body, headers=self._requests.headers(key))
        except httpx.RequestError as error:
            raise self._requests.fail(error) from error
        return self._requests.read(response, kind)
