"""`/healthz`, `/readyz` and `/metrics`: no key is needed, nothing of anybody's is shown."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from expertloop.server.bodies import ServicesOf
from expertloop.server.metrics import CONTENT_TYPE
from tasks.errors import ProductError

router = APIRouter(tags=["operating"])


class Readiness(BaseModel):
    """Whether questions can be answered now."""

    ready: bool
    collection: str | None = None
    faults: list[str] = []


@router.get("/healthz", summary="The process lives")
async def healthz() -> dict[str, str]:
    """Always 200 while it can answer at all."""
    return {"status": "ok"}


@router.get("/readyz", summary="Questions can be answered", responses={503: {"model": Readiness}})
async def readyz(services: ServicesOf) -> Response:
    """200 when models are loaded, database and index answer, and a collection serves; else 503 with what is wrong."""
    faults = [] if services.prepared else [services.not_prepared]
    collection = None
    try:
        faults += await to_thread.run_sync(services.made_of.find_faults, limiter=services.threads)
        collection = await to_thread.run_sync(services.made_of.serving_collection, limiter=services.threads)
    except ProductError as error:
        faults.append(type(error).__name__)
    readiness = Readiness(ready=not faults, collection=collection, faults=faults)
    return JSONResponse(readiness.model_dump(), 200 if readiness.ready else 503)


@router.get("/metrics", summary="Counts and times for Prometheus")
async def metrics(services: ServicesOf) -> Response:
    """Requests by route and status, answers by mode and reason, latencies, tokens, what waits."""
    rendered = await to_thread.run_sync(services.metrics.render, limiter=services.threads)
    return Response(rendered, media_type=CONTENT_TYPE)
