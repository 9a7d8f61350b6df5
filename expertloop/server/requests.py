"""The outermost layer: every request gets an id, a line in the access log, and its place in the metrics."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from expertloop.server.metrics import Metrics
from tasks.telemetry_ports import Fact, Telemetry

access_log = logging.getLogger("expertloop.access")

_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})


def prepare_access_log() -> None:
    """One JSON object a request on stderr, and nothing of it in the other log."""
    if not access_log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        access_log.addHandler(handler)
    access_log.setLevel(logging.INFO)
    access_log.propagate = False


def choose_request_id(offered: str | None) -> str:
    """The caller's id when it can stand in a log and a header, else a new one."""
    # The one random id of the product: it names an event that happens once, and nothing is kept under it alone.
    return offered if offered and _SANE_ID.fullmatch(offered) else uuid4().hex


def name_route(scope: Scope) -> str:
    """The pattern that took the request, which names nothing of its caller's."""
    return getattr(scope.get("route"), "path", None) or "unmatched"


class RequestScope:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, telemetry: Telemetry) -> None:
        self._app = app
        self._metrics = metrics
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; what is no request passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = choose_request_id(Headers(scope=scope).get("x-request-id"))
        started, status = time.perf_counter(), 500

        async def send_tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers["X-Request-ID"] = state["request_id"]
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        facts: dict[str, Fact] = {"request_id": state["request_id"]}
        with self._metrics.in_flight.track_inprogress(), self._telemetry.span("request", facts) as span:
            try:
                await self._app(scope, receive, send_tagged)
            finally:
                self._finish(scope, state, status, time.perf_counter() - started)
                span.add_facts({"http.route": name_route(scope), "http.response.status_code": status})

    def _finish(self, scope: Scope, state: MutableMapping[str, Any], status: int, seconds: float) -> None:
        route = name_route(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.count_request(method=method, route=route, status=status, seconds=seconds)
        caller = state.get("caller")
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": state["request_id"],
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "key_id": caller.key_id if caller else None,
        }
        if "logged_question" in state:
            line["question"] = state["logged_question"]
        access_log.info("%s", json.dumps(line, ensure_ascii=False))
