"""Puts the server together: layers outside, endpoints inside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.types import ASGIApp

from expertloop.server import answers, cases, chat, documents, feedback, health, hints, questions, reference
from expertloop.server.access import Authentication
from expertloop.server.limits import BodyLimit
from expertloop.server.problems import add_handlers
from expertloop.server.requests import RequestScope
from expertloop.server.services import Collaborators, Services

DESCRIPTION = """\
Questions in, cited answers out. Every answer is made from documents that the key's principal may read, every citation
is compared with the document's text before it is sent, and what the documents do not answer is not answered.
Errors are `{"error": {"code", "message", "advice"}}`; every response carries `X-Request-ID`.
"""


def build_app(made_of: Collaborators) -> ASGIApp:
    """The whole server as one ASGI application.

    A request passes: its id, log line and metrics; who asks, and whether too often; its body, if it is not too large;
    the endpoint.
    """
    services = Services(made_of)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        services.start()
        yield
        await services.stop()

    app = FastAPI(
        title="expertloop",
        version=version("expertloop"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # Swagger's page loads its script from a third party; ours is written in reference.py
        redoc_url=None,
    )
    app.state.services = services
    add_handlers(app)
    for part in (answers, questions, feedback, documents, cases, chat, hints, health, reference):
        app.include_router(part.router)
    settings = made_of.settings
    limited = BodyLimit(app, max_bytes=settings.body_kb * 1024, timeout_seconds=settings.body_timeout_seconds)
    guarded = Authentication(
        limited, keys=made_of.keys, tokens=made_of.tokens, limit=services.rate, threads=services.threads
    )
    return RequestScope(guarded, metrics=services.metrics, telemetry=made_of.telemetry)
