"""One OpenAI-compatible endpoint over HTTP: its answers parsed, its failures mapped to ours, its patience kept.

    429                              RateLimited, unless the account has no credit left: ConfigurationError
    408, 5xx, no connection, silence BackendUnavailable
    no answer in the time of one request, where that is shorter than the endpoint's: DeadlineExceeded
    any other status but 200         ConfigurationError with what the server said

Nothing is retried here. After a 429 the next request, whoever retries, waits until the moment the server named.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from tasks.errors import BackendUnavailable, ConfigurationError, DeadlineExceeded, ProductError, RateLimited

logger = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 120.0
_LONGEST_ANSWER_BYTES = 256 << 20
_SHOWN_CHARACTERS = 200


class OpenAIEndpoint:
    """Sends JSON and returns JSON.

    Args:
        url: The base URL, usually ending in /v1.
        key: Sent as a bearer token; local servers need none.
        timeout_seconds: For connecting, for each silence, and for the whole answer.
        sleep: Waits; tests pass their own.
    """

    def __init__(
        self,
        url: str,
        *,
        key: SecretStr | None = None,
        timeout_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"{url!r} is no http address", advice="write it like http://127.0.0.1:8000/v1")
        if key and not key.get_secret_value().isascii():
            raise ConfigurationError("the endpoint's key has characters outside ASCII", advice="copy the key again")
        self._url = url.rstrip("/")
        self._key = key
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._not_before = 0.0
        self.name = parts.netloc.rpartition("@")[2]
        """Host and port, as messages show it: an address may carry a password."""

    def post(self, path: str, body: Mapping[str, Any], *, within_seconds: float | None = None) -> Any:
        """The JSON that the endpoint answers.

        Args:
            path: Under the base URL, for example "embeddings".
            body: The request.
            within_seconds: Time for this one, where it is less than the endpoint's.

        Raises:
            DeadlineExceeded: That time is over.
            RateLimited: It asks for patience.
            BackendUnavailable: It does not answer in time, or with its own failure.
            ConfigurationError: It refuses the request, or is no such endpoint.
        """
        return self._parse(self._exchange("POST", path, body, within_seconds))

    def stream(
        self, path: str, body: Mapping[str, Any], *, within_seconds: float | None = None
    ) -> Generator[Any, None, None]:
        """The JSON of each server-sent event up to "[DONE]"; of an endpoint that answers whole, that.

        Closed before its end, it ends the request at the endpoint, too. Raises what `post` raises.
        """
        with self._open("POST", path, body, within_seconds) as (headers, blocks):
            if not headers.get("content-type", "").startswith("text/event-stream"):
                yield self._parse(b"".join(blocks))
                return
            for line in _split_lines(blocks):
                data = line.removeprefix(b"data:").strip()
                if data == b"[DONE]":
                    return
                if line.startswith(b"data:") and data:
                    yield self._parse(data)

    def get(self, path: str) -> Any:
        """The JSON under a path; raises what `post` raises."""
        return self._parse(self._exchange("GET", path))

    def tell(self, path: str, body: Mapping[str, Any]) -> None:
        """Post, to a place that answers in words or not at all; raises what `post` raises."""
        self._exchange("POST", path, body)

    def _parse(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except ValueError as error:
            raise self._refuse("answers, but not with JSON") from error

    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, within_seconds: float | None = None
    ) -> bytes:
        """What is answered with 200."""
        with self._open(method, path, body, within_seconds) as (_, blocks):
            return b"".join(blocks)

    @contextmanager
    def _open(
        self, method: str, path: str, body: Mapping[str, Any] | None, within_seconds: float | None
    ) -> Iterator[tuple[httpx.Headers, Iterator[bytes]]]:
        """Headers and body of what is answered with 200; whatever goes wrong until it is read, as our errors."""
        limit = self._timeout_seconds if within_seconds is None else min(within_seconds, self._timeout_seconds)
        self._keep_patience(within_seconds)
        deadline = time.monotonic() + limit
        try:
            with self._client.stream(method, f"{self._url}/{path}", json=body, timeout=limit) as response:
                blocks = self._read_blocks(response, deadline, limit)
                if response.status_code != httpx.codes.OK:
                    raise self._map_status(response.status_code, response.headers, b"".join(blocks))
                yield response.headers, blocks
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
            raise self._refuse(f"cannot be asked: {error}") from error
        except httpx.TimeoutException as error:
            raise self._give_up_after(limit, "was silent for") from error
        except httpx.RequestError as error:
            raise self._give_up(f"does not answer: {type(error).__name__}") from error

    def _read_blocks(self, response: httpx.Response, deadline: float, limit: float) -> Iterator[bytes]:
        """The body as it comes, unless it drips for too long or never ends."""
        length = 0
        for block in response.iter_bytes():
            length += len(block)
            if time.monotonic() > deadline or length > _LONGEST_ANSWER_BYTES:
                raise self._give_up_after(limit, "did not end its answer within")
            yield block

    def _map_status(self, status: int, headers: httpx.Headers, content: bytes) -> ProductError:
        said = _read_message(content)
        if status == httpx.codes.TOO_MANY_REQUESTS and "insufficient_quota" not in said:
            seconds = read_retry_after(headers)
            self._not_before = time.monotonic() + seconds
            return RateLimited(
                f"{self.name} asks for patience ({seconds:g} s)",
                advice="run it again later, or raise the limit of your account",
                retry_after_seconds=seconds,
            )
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.REQUEST_TIMEOUT:
            return self._give_up(f"answers {status}: {said}")
        return self._refuse(f"answers {status}: {said}")

    def _keep_patience(self, within_seconds: float | None) -> None:
        seconds = self._not_before - time.monotonic()
        if within_seconds is not None and seconds > within_seconds:
            raise self._give_up_after(within_seconds, "asked for more patience than")
        if seconds > _LONGEST_PAUSE_SECONDS:
            raise RateLimited(
                f"{self.name} asked for patience for another {seconds:.0f} s",
                advice="run it again later, or raise the limit of your account",
                retry_after_seconds=seconds,
            )
        if seconds > 0:
            logger.info("endpoint asked for patience host=%s seconds=%.1f", self.name, seconds)
            self._sleep(seconds)

    def _give_up_after(self, limit: float, what: str) -> ProductError:
        """The asker's time is over, or the endpoint's."""
        if limit < self._timeout_seconds:
            return DeadlineExceeded(f"the endpoint {self.name} {what} {limit:.3g} s", advice="give it more time")
        return self._give_up(f"{what} {limit:g} s")

    def _give_up(self, what: str) -> BackendUnavailable:
        return BackendUnavailable(
            f"the endpoint {self.name} {what}", advice="look whether the server runs and can be reached; then run again"
        )

    def _refuse(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"the endpoint {self.name} {what}", advice="check the endpoint's url, model name, key and dimensions"
        )

    @cached_property
    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._key.get_secret_value()}"} if self._key else {}
        return httpx.Client(timeout=self._timeout_seconds, headers=headers)


def read_retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float:
    """Seconds that a server asks to wait, 0 when it does not say: `retry-after-ms`, or `Retry-After` in either form.

    Args:
        headers: Of the answer.
        now: With a time zone; for a `Retry-After` that is a date.
    """
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) * scale)
        except ValueError:
            continue
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds())


def _split_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines, each as soon as it is whole."""
    begun = b""
    for block in blocks:
        *lines, begun = (begun + block).split(b"\n")
        yield from lines
    yield begun


def _read_message(content: bytes) -> str:
    """What the server says, in one short line; only its own words, never what it echoes of the request."""
    try:
        answer = json.loads(content)
    except ValueError:
        return "no reason given"
    error = answer.get("error", answer) if isinstance(answer, dict) else {}
    fields = [error.get(name) for name in ("code", "message")] if isinstance(error, dict) else [error]
    words = " ".join(" ".join(field.split()) for field in fields if isinstance(field, str))
    return words[:_SHOWN_CHARACTERS] or "no reason given"
