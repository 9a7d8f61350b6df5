"""A way out to another program: JSON by POST, signed, with a key by which repetitions are told."""

from __future__ import annotations

from typing import Any

import httpx

from tasks.case_models import MessageKind, OutgoingMessage
from tasks.errors import BackendUnavailable, ConfigurationError, RateLimited
from tasks.integrations.openai_endpoint import read_retry_after
from tasks.keys import SIGNATURE_HEADER, sign_body

_TIMEOUT_SECONDS = 30.0


class WebhookOutbox:
    """Posts each message as JSON.

    Args:
        key: Signs the body; without it there is no signature.
        transport: How requests travel; tests bring their own.
    """

    kinds: tuple[MessageKind, ...] = ("reply", "draft", "correction")

    def __init__(self, url: str, key: str | None, *, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        self._key = key
        self._name = httpx.URL(url).host
        self._http = httpx.Client(timeout=_TIMEOUT_SECONDS, transport=transport)

    def deliver(self, message: OutgoingMessage) -> None:
        """Post it; any 2xx means that it was taken.

        Raises:
            RateLimited: 429, with the seconds it asks for.
            BackendUnavailable: No connection, silence, 408 or 5xx.
            ConfigurationError: Any other answer.
        """
        body = message.model_dump_json(exclude={"attempts"}).encode()
        headers: dict[str, Any] = {"Content-Type": "application/json", "Idempotency-Key": message.message_id}
        if self._key:
            headers[SIGNATURE_HEADER] = sign_body(body, self._key)
        try:
            response = self._http.post(self._url, content=body, headers=headers)
        except httpx.RequestError as error:
            raise self._unavailable(type(error).__name__) from error
        if response.is_success:
            return
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            seconds = read_retry_after(response.headers)
            raise RateLimited(f"the webhook {self._name} asks for patience", retry_after_seconds=seconds)
        if (
            response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
            or response.status_code == httpx.codes.REQUEST_TIMEOUT
        ):
            raise self._unavailable(f"it answers {response.status_code}")
        raise ConfigurationError(
            f"the webhook {self._name} answers {response.status_code}", advice="check EXPERTLOOP_OUTBOX_URL and _KEY"
        )

    def _unavailable(self, why: str) -> BackendUnavailable:
        return BackendUnavailable(f"the webhook {self._name} is down: {why}", advice="it is sent again later")
