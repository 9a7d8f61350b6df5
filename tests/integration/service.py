"""A running server over a filled world, and who asks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from expertloop.server.app import build_app
from expertloop.server.services import collect
from tasks.access_models import Role
from tasks.keys import make_key
from tasks.models import EVERYONE
from tasks.settings import Settings
from tasks.wiring import use_application
from tests.fakes.http import serving
from tests.integration.world import World

FILES = {
    "canteen.txt": ("The canteen opens at noon and closes at two.", (EVERYONE,)),
    "notice.txt": ("The notice period is six weeks to the end of a quarter.", ("hr",)),
    "pump.txt": ("The seal of pump P7 is changed every 900 hours.", ("service",)),
}
NOTICE = "How long is the notice period?"


class Service:
    """A running server, and who asks it."""

    def __init__(self, world: World, address: str) -> None:
        self.world = world
        self.address = address
        self.client = httpx.Client(base_url=address, timeout=60)

    def key(self, principal: str, *groups: str, tenant: str = "default") -> str:
        text, stored = make_key(
            tenant=tenant, principal=principal, groups=groups, role=Role.READER, created_at=datetime.now(UTC)
        )
        self.world.keys.add_key(stored)
        return text

    def post(self, path: str, key: str, body: Mapping[str, Any], **headers: str) -> httpx.Response:
        return self.client.post(path, json=body, headers={"Authorization": f"Bearer {key}", **headers})

    def get(self, path: str, key: str) -> httpx.Response:
        return self.client.get(path, headers={"Authorization": f"Bearer {key}"})

    def answer(self, key: str, question: str) -> dict[str, Any]:
        response = self.post("/v1/answers", key, {"question": question})
        assert response.status_code == 200, response.text
        return dict(response.json())

    def document_id(self, name: str) -> str:
        (found,) = (
            document.document_id
            for document in self.world.catalogue.list_documents("default")
            if document.uri.endswith(name)
        )
        return found


def make_world(monkeypatch: pytest.MonkeyPatch, **settings: str) -> World:
    monkeypatch.setenv("EXPERTLOOP_GENERATOR", "none")
    monkeypatch.setenv("EXPERTLOOP_RATE_PER_MINUTE", "0")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    world = World(Settings())
    use_application(world)
    return world


@contextmanager
def opened(world: World) -> Iterator[Service]:
    """A running server; at the end every log line is written."""
    with serving(build_app(collect(world))) as address:
        service = Service(world, address)
        try:
            yield service
        finally:
            service.client.close()


def fill(world: World) -> None:
    for name, (text, groups) in FILES.items():
        world.source.files[name] = text.encode()
        world.source.groups[name] = groups
    world.ingest()
