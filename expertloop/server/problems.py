"""Errors as callers see them: `{"error": {"code", "message", "advice"}}`, each kind of ours mapped once.

no key, a wrong or a revoked one     401 unauthenticated
AccessDenied                         403 access-denied
KeyReused                            422 key-reused
not there, or not for this caller    404 not-found, in the same words
a body that is wrong, slow, too big  400 malformed · 422 invalid-request · 408 slow-body · 413 too-large
more than a key may send             429 rate-limited, with Retry-After
DeadlineExceeded                     504 deadline-exceeded
TransientError, a full queue         503 unavailable, with the reason and Retry-After
TerminalError, a bug                 500 failed: what happened is in the log under the request id, not here
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse, Response

from tasks.errors import AccessDenied, DeadlineExceeded, KeyReused, ProductError, RateLimited, TransientError

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
_ADVICE = {404: "see /docs for what there is", 405: "see /docs for the method"}


def refuse(
    status: int, code: str, message: str, advice: str, headers: Mapping[str, str] | None = None
) -> HTTPException:
    """What to raise so that a caller gets this status and these words."""
    detail = {"code": code, "message": message, "advice": advice}
    return HTTPException(status, detail=detail, headers=dict(headers or {}))


def refuse_unknown(what: str) -> HTTPException:
    """For what is not there and for what the caller may not see: the same words, so that nobody can tell."""
    return refuse(404, "not-found", f"there is no such {what} for you", "take its id from an answer or a search")


def describe_failure(error: Exception, request_id: str) -> HTTPException:
    """Whatever ended a stream, as its reader is told; of a bug the log keeps the traceback."""
    if isinstance(error, HTTPException):
        return error
    if isinstance(error, ProductError):
        return describe_error(error, request_id)
    logger.error("stream failed request_id=%s", request_id, exc_info=error)
    return _failed(request_id)


def describe_error(error: ProductError, request_id: str) -> HTTPException:
    """Our errors as statuses."""
    if isinstance(error, DeadlineExceeded):
        return refuse(504, "deadline-exceeded", error.message, error.advice)
    if isinstance(error, TransientError):
        wait = error.retry_after_seconds if isinstance(error, RateLimited) else 0
        headers = {"Retry-After": str(math.ceil(wait) or RETRY_AFTER_SECONDS)}
        return refuse(503, "unavailable", error.message, error.advice or "try again later", headers)
    if isinstance(error, AccessDenied):
        return refuse(403, "access-denied", error.message, error.advice)
    if isinstance(error, KeyReused):
        return refuse(422, "key-reused", error.message, error.advice)
    logger.error("request failed request_id=%s error=%s advice=%s", request_id, error.message, error.advice)
    return _failed(request_id)


def render_problem(problem: StarletteHTTPException) -> Response:
    """The response of a refusal."""
    detail: Any = problem.detail
    if not isinstance(detail, dict):
        detail = {
            "code": {404: "not-found", 405: "method-not-allowed"}.get(problem.status_code, "refused"),
            "message": str(problem.detail),
            "advice": _ADVICE.get(problem.status_code, "see /docs"),
        }
    return JSONResponse({"error": detail}, problem.status_code, headers=problem.headers)


def add_handlers(app: FastAPI) -> None:
    """Let every error leave the application in the same shape."""

    @app.exception_handler(StarletteHTTPException)
    async def refused(_request: Request, error: StarletteHTTPException) -> Response:
        # FastAPI's word for a body that is no UTF-8, or nested too deeply.
        if error.status_code == 400 and not isinstance(error.detail, dict):
            return render_problem(_refuse_malformed())
        return render_problem(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return render_problem(_describe_invalid(error))

    @app.exception_handler(ProductError)
    async def failed(request: Request, error: ProductError) -> Response:
        return render_problem(describe_error(error, request.state.request_id))

    # Starlette answers with this and then lets the exception go on to the server's log.
    @app.exception_handler(Exception)
    async def broken(request: Request, _error: Exception) -> Response:
        return render_problem(_failed(request.state.request_id))


def _failed(request_id: str) -> HTTPException:
    advice = f"tell the operator the request id {request_id}: the log says under it what happened"
    return refuse(500, "failed", "the server cannot do this now", advice)


def _refuse_malformed() -> HTTPException:
    return refuse(400, "malformed", "the body is no JSON", "send one JSON object; /docs shows examples")


def _describe_invalid(error: RequestValidationError) -> HTTPException:
    """The first fault, by place and rule; never the value, which may be anything."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _refuse_malformed()
    place = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
    return refuse(422, "invalid-request", f"{place}: {first['msg']}", "/docs shows what is expected")
