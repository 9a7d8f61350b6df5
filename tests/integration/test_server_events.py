"""`POST /v1/events`: who may say that something happened, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from expertloop.server.app import build_app
from expertloop.server.services import collect
from tasks.access_models import Role
from tasks.keys import make_key
from tasks.settings import Settings
from tests.fakes.flow_server import FakeFlowServer
from tests.fakes.http import serving
from tests.integration.world import World

CHANGED = {"kind": "documents.changed", "source": "handbook"}


class EventWorld(World):
    """A world with a flow server, or none."""

    fake_flow_server: FakeFlowServer | None = None

    @property
    def flow_server(self) -> FakeFlowServer | None:
        return self.fake_flow_server


Send = Callable[..., httpx.Response]


@pytest.fixture
def world(home: Path) -> EventWorld:
    return EventWorld(Settings())


@pytest.fixture
def flow_server(world: EventWorld) -> FakeFlowServer:
    world.fake_flow_server = FakeFlowServer()
    return world.fake_flow_server


@pytest.fixture
def send(world: EventWorld) -> Iterator[Send]:
    def post(body: dict[str, Any], role: Role = Role.CURATOR) -> httpx.Response:
        text, stored = make_key(tenant="default", principal="anna", groups=(), role=role, created_at=datetime.now(UTC))
        world.keys.add_key(stored)
        return httpx.post(f"{address}/v1/events", json=body, headers={"Authorization": f"Bearer {text}"}, timeout=60)

    with serving(build_app(collect(world))) as address:
        yield post


@pytest.mark.parametrize("role", [Role.CURATOR, Role.APPROVER, Role.ADMIN])
def test_a_curator_or_more_may_say_that_a_source_changed(flow_server: FakeFlowServer, send: Send, role: Role) -> None:
    response = send(CHANGED, role)
    assert response.status_code == 202, response.text
    assert response.json() == {
        "event": "expertloop.documents.changed",
        "resource_id": "expertloop.source.handbook",
    }
    (event,) = flow_server.told
    assert (event.name, event.payload) == ("expertloop.documents.changed", {"source": "handbook"})


@pytest.mark.parametrize(
    ("body", "resource"),
    [
        ({"kind": "documents.changed", "document": "4711"}, "expertloop.document.4711"),
        ({"kind": "cases.arrived", "process": "tickets"}, "expertloop.process.tickets"),
    ],
)
def test_a_document_and_a_process_can_be_named(
    flow_server: FakeFlowServer, send: Send, body: dict[str, str], resource: str
) -> None:
    assert send(body).json()["resource_id"] == resource


def test_a_reader_may_not(flow_server: FakeFlowServer, send: Send) -> None:
    response = send(CHANGED, Role.READER)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "access-denied")
    assert flow_server.told == []


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "documents.changed"},
        {"kind": "documents.changed", "source": "a", "document": "b"},
        {"kind": "documents.changed", "process": "tickets"},
        {"kind": "cases.arrived", "source": "handbook"},
        {"kind": "champion.promoted", "source": "handbook"},
        {"kind": "documents.changed", "source": "x" * 1001},
        {"kind": "documents.changed", "sauce": "handbook"},
    ],
)
def test_an_event_names_one_thing_of_its_kind(flow_server: FakeFlowServer, send: Send, body: dict[str, str]) -> None:
    response = send(body)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid-request")
    assert flow_server.told == []


def test_without_a_prefect_server_it_says_what_to_set(send: Send) -> None:
    response = send(CHANGED)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "unavailable"
    assert "PREFECT_API_URL" in response.json()["error"]["advice"]


def test_a_prefect_server_that_does_not_answer_is_told_and_may_be_tried_again(
    flow_server: FakeFlowServer, send: Send
) -> None:
    flow_server.down = True
    response = send(CHANGED)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
    assert int(response.headers["Retry-After"]) > 0
