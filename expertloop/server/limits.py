"""Bodies: read whole, up to a size and within a time, before an endpoint begins."""

from __future__ import annotations

import asyncio

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from expertloop.server.problems import refuse, render_problem


class BodyLimit:
    """Answers 413 to a large body, declared or sent in chunks, and 408 to one that does not arrive.

    Args:
        app: What is protected.
        max_bytes: Largest body.
        timeout_seconds: For the whole of it.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout_seconds: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
        except HTTPException as refusal:
            await render_problem(refusal)(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None when the client went away."""
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared[:20]) > self._max_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._max_bytes:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError as error:
            advice = f"send it within {self._timeout_seconds:g} s"
            raise refuse(408, "slow-body", "the body did not arrive", advice, {"Connection": "close"}) from error

    def _too_large(self) -> HTTPException:
        message, advice = "the body is too large", f"send at most {self._max_bytes} bytes"
        return refuse(413, "too-large", message, advice, {"Connection": "close"})


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body in one message, then whatever the connection says."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
