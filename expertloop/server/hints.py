"""`POST /v1/events`: somebody says that something happened; what runs by itself looks at it.

An event is a hint. It names things and carries no text, and whoever is started by it reads the sources and the database
again.
"""

from __future__ import annotations

from typing import Literal

from anyio import to_thread
from fastapi import APIRouter
from pydantic import BaseModel, Field

from expertloop.server.access import CallerOf
from expertloop.server.bodies import Body, CleanText, ServicesOf
from expertloop.server.problems import refuse
from tasks.access_models import Role
from tasks.deployment_models import ProcessEvent

router = APIRouter(prefix="/v1", tags=["events"])

_NAMES = {"documents.changed": ("source", "document"), "cases.arrived": ("process",)}
"""What each kind must name one of."""

_MOST_CHARACTERS = 1000


class EventBody(Body):
    """What happened, and to what."""

    kind: Literal["documents.changed", "cases.arrived"] = Field(examples=["documents.changed"])
    source: CleanText | None = Field(
        default=None, max_length=_MOST_CHARACTERS, description="its name in sources.yaml", examples=["handbook"]
    )
    document: CleanText | None = Field(
        default=None, max_length=_MOST_CHARACTERS, description="instead: id, address or file name", examples=[None]
    )
    process: CleanText | None = Field(
        default=None, max_length=_MOST_CHARACTERS, description="whose cases arrived", examples=[None]
    )


class Announced(BaseModel):
    """The event that the Prefect server has now."""

    event: str = Field(examples=["expertloop.documents.changed"])
    resource_id: str = Field(examples=["expertloop.source.handbook"])


@router.post("/events", summary="Say that documents changed or cases arrived", status_code=202)
async def announce(body: EventBody, caller: CallerOf, services: ServicesOf) -> Announced:
    """Starts `ingest-on-event` or `handle-cases`, which look for themselves. Needs a key whose role is not `reader`."""
    if caller.role is Role.READER:
        raise refuse(403, "access-denied", "a reader may not start work", "use a key of the role curator")
    event = _describe(body)
    server = services.made_of.flow_server
    if server is None:
        raise refuse(
            503, "unavailable", "no Prefect server is configured here", "set PREFECT_API_URL for `expertloop serve`"
        )
    await to_thread.run_sync(server.send_events, [event], limiter=services.threads)
    return Announced(event=event.name, resource_id=event.resource_id)


def _describe(body: EventBody) -> ProcessEvent:
    """The event, which names exactly one thing.

    Raises:
        HTTPException: It names none, or several.
    """
    named = {name: value for name in ("source", "document", "process") if (value := getattr(body, name))}
    wanted = _NAMES[body.kind]
    if len(named) != 1 or not named.keys() <= set(wanted):
        raise refuse(422, "invalid-request", f"{body.kind} names one thing: {' or '.join(wanted)}", "send that alone")
    ((name, value),) = named.items()
    return ProcessEvent(name=f"expertloop.{body.kind}", resource_id=f"expertloop.{name}.{value}", payload=named)
