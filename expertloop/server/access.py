"""Who asks: a key or a token becomes a `Caller` before anything else of a request is read.

Nothing is remembered between two requests, so a revoked key is refused at once. Paths outside /v1 need no key: they
show nothing of anybody's.
"""

from __future__ import annotations

import base64
import math
from functools import partial
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from expertloop.server.problems import describe_error, refuse, render_problem
from expertloop.server.rate import RateLimit
from tasks.access_models import Caller
from tasks.access_ports import KeyFinder, TokenReader
from tasks.errors import AccessDenied, ProductError
from tasks.keys import is_genuine, parse_key

GUARDED = "/v1/"
PAGES = "/v1/documents/"
"""Opened by browsers, which ask a person for a name and a password and send them as Basic: the password is the key."""

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="expertloop"'}
_PAGE_CHALLENGE = {"WWW-Authenticate": 'Basic realm="expertloop: the password is your key"'}


def find_caller(secret: str, keys: KeyFinder, tokens: TokenReader | None) -> Caller:
    """The caller that a key or a token proves.

    Raises:
        AccessDenied: It proves nobody.
        BackendUnavailable: The database or the token's issuer does not answer.
    """
    presented = parse_key(secret)
    if presented:
        stored = keys.find_key(presented.key_id)
        if is_genuine(presented, stored) and stored:
            return stored.key.caller
    elif tokens and secret.count(".") == 2:
        return tokens.read_caller(secret)
    raise AccessDenied("the key is wrong or was revoked", advice="ask the operator for a key: expertloop keys add")


class Authentication:
    """Lets requests to guarded paths through when they prove a caller that has not sent too many."""

    def __init__(
        self, app: ASGIApp, *, keys: KeyFinder, tokens: TokenReader | None, limit: RateLimit, threads: CapacityLimiter
    ) -> None:
        self._app = app
        self._keys = keys
        self._tokens = tokens
        self._limit = limit
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith(GUARDED):
            try:
                scope["state"]["caller"] = await self._admit(scope)
            except HTTPException as refusal:
                await render_problem(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> Caller:
        caller = await self._authenticate(scope)
        scope["state"]["caller"] = caller  # known from here on, also when it is sent away
        wait = self._limit.take(caller.key_id)
        if wait:
            message, advice = "this key has sent too many requests", f"send the next one in {wait:.1f} s"
            raise refuse(429, "rate-limited", message, advice, {"Retry-After": str(math.ceil(wait))})
        return caller

    async def _authenticate(self, scope: Scope) -> Caller:
        page = scope["path"].startswith(PAGES)
        challenge = _PAGE_CHALLENGE if page else _CHALLENGE
        secret = read_secret(Headers(scope=scope).get("authorization", ""), basic=page)
        if not secret:
            advice = "send the header Authorization: Bearer KEY"
            raise refuse(401, "unauthenticated", "a key is needed", advice, challenge)
        find = partial(find_caller, secret, self._keys, self._tokens)
        try:
            return await to_thread.run_sync(find, limiter=self._threads)
        except AccessDenied as error:
            raise refuse(401, "unauthenticated", error.message, error.advice, challenge) from error
        except ProductError as error:
            # Nobody is known yet: what broke is for the log alone.
            described = describe_error(error, scope["state"]["request_id"])
            message, advice = "keys cannot be checked now", "try again later"
            raise refuse(described.status_code, "unavailable", message, advice, described.headers) from error


def read_secret(authorization: str, *, basic: bool) -> str | None:
    """The key or token of an Authorization header; None when there is none.

    Args:
        authorization: The header.
        basic: Whether the password of a Basic header counts, too.
    """
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value or None
    if not basic or scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2] or None
    except ValueError:  # no base64, or no text in it
        return None


_BEARER = HTTPBearer(auto_error=False, description="an API key, or a token of the configured identity provider")


async def _read_caller(request: Request, _header: Annotated[object, Security(_BEARER)]) -> Caller:
    """Fails where the middleware is missing: an endpoint without it serves nobody.

    The header is read by the middleware; it stands here so that the OpenAPI document names it.
    """
    caller: Caller = request.state.caller
    return caller


CallerOf = Annotated[Caller, Depends(_read_caller)]
