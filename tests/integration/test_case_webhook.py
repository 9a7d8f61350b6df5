"""Cases over HTTP: kept once whoever repeats them, and nobody has the machine read what they may not read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from expertloop.server.app import build_app
from expertloop.server.services import collect
from tasks.access_models import Role
from tasks.keys import SIGNATURE_HEADER, make_key, sign_body
from tasks.settings import Settings
from tasks.wiring import Application
from tests.fakes.cases import write_process
from tests.fakes.http import serving
from tests.integration.world import World

SECRET = "hook-secret"
HAIL = {"id": "T-1", "subject": "Hail", "body": "Is hail insured?", "from": "eva@customer.example", "colour": "red"}


class Hook:
    """A running server with a process, and a system that calls it."""

    def __init__(self, world: Application, address: str) -> None:
        self.world = world
        self._client = httpx.Client(base_url=address, timeout=60)

    def key(self, *groups: str, tenant: str = "default") -> str:
        now = datetime.now(UTC)
        text, stored = make_key(tenant=tenant, principal="crm", groups=groups, role=Role.READER, created_at=now)
        self.world.keys.add_key(stored)
        return text

    def post(self, body: Any, key: str, process: str = "claims") -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return self._client.post("/v1/cases", params={"process": process}, json=body, headers=headers)

    def post_signed(self, content: bytes, signature: str) -> httpx.Response:
        headers = httpx.Headers({SIGNATURE_HEADER: signature}, encoding="utf-8")
        return self._client.post("/hooks/cases?process=claims", content=content, headers=headers)

    def kept(self, tenant: str = "default") -> list[tuple[str, str]]:
        found = self.world.cases.list_waiting(tenant, "claims", 100)
        return [(case.id, case.body) for case in found]


@pytest.fixture(scope="module")
def address_and_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, World]]:
    folder = tmp_path_factory.mktemp("hook")
    write_process(folder / "processes")
    (folder / "processes" / "broken").mkdir()
    (folder / "processes" / "broken" / "process.yaml").write_text("rules: 7")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("EXPERTLOOP_HOME", str(folder / "home"))
        environment.setenv("EXPERTLOOP_PROCESSES", str(folder / "processes"))
        environment.setenv("EXPERTLOOP_INBOX_KEY", SECRET)
        environment.setenv("EXPERTLOOP_RATE_PER_MINUTE", "0")
        world = World(Settings())
    with serving(build_app(collect(world))) as address:
        yield address, world


@pytest.fixture
def hook(address_and_world: tuple[str, World]) -> Iterator[Hook]:
    """Each test finds no case."""
    address, world = address_and_world
    made = Hook(world, address)
    before = set(made.kept())
    assert not before
    yield made
    made._client.close()
    forget_cases(world)


def forget_cases(world: World) -> None:
    from tasks.integrations.database.cases_schema import cases

    with world.database.write() as connection:
        connection.execute(cases.delete())


def test_a_case_is_kept_once_however_often_it_is_sent(hook: Hook) -> None:
    key = hook.key()
    first, again = hook.post(HAIL, key), hook.post([HAIL, HAIL], key)
    assert (first.status_code, again.status_code) == (202, 202)
    (kept,) = first.json()["cases"]
    assert (kept["id"], kept["state"]) == ("T-1", "waiting")
    assert again.json()["cases"] == [kept, kept]
    assert hook.kept() == [("T-1", "Is hail insured?")]


def test_a_list_is_kept_in_its_order(hook: Hook) -> None:
    rows = [{"id": number, "text": f"question {number}?"} for number in (3, 1, 2)]
    assert [one["id"] for one in hook.post(rows, hook.key()).json()["cases"]] == ["3", "1", "2"]
    assert [id_ for id_, _ in hook.kept()] == ["3", "1", "2"]


def test_a_case_can_be_given_no_more_than_the_key_may_read(hook: Hook) -> None:
    refused = hook.post([HAIL, {**HAIL, "id": "T-2", "groups": ["hr"]}], hook.key("gold"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "access-denied")
    assert hook.kept() == []
    assert hook.post({**HAIL, "groups": ["hr"]}, hook.key("hr")).status_code == 202


def test_a_case_belongs_to_the_tenant_of_its_key(hook: Hook) -> None:
    assert hook.post(HAIL, hook.key(tenant="acme")).status_code == 202
    assert (hook.kept(), len(hook.kept("acme"))) == ([], 1)


@pytest.mark.parametrize("process", ["nothing", "../claims", "claims/../claims", "", "/etc", "x" * 300, "a\0b"])
def test_a_process_that_is_not_there_is_not_found_and_no_path_is_followed(hook: Hook, process: str) -> None:
    assert hook.post(HAIL, hook.key(), process).status_code == 404


def test_a_process_that_is_wrong_fails_without_telling_the_sender_what_stands_in_it(hook: Hook) -> None:
    failed = hook.post(HAIL, hook.key(), "broken")
    assert (failed.status_code, "rules" in failed.text) == (500, False)


@pytest.mark.parametrize("row", [{"id": "1"}, {"id": ["1"], "text": "a"}, 7, {"text": "a", "groups": "hr"}])
def test_one_that_is_no_case_keeps_all_of_them_out(hook: Hook, row: Any) -> None:
    refused = hook.post([HAIL, row], hook.key())
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid-request")
    assert hook.kept() == []


def test_without_a_key_nothing_is_kept(hook: Hook) -> None:
    assert hook.post(HAIL, "none").status_code == 401
    assert hook.kept() == []


def test_a_signed_body_needs_no_key_and_its_groups_are_believed(hook: Hook) -> None:
    content = json.dumps({**HAIL, "groups": ["gold"]}).encode()
    assert hook.post_signed(content, sign_body(content, SECRET)).status_code == 202
    (case,) = hook.world.cases.list_waiting("default", "claims", 10)
    assert case.groups == ("gold",)


@pytest.mark.parametrize("signature", ["", "sha256=", sign_body(b"{}", "other"), "sha256=ü", sign_body(b"{}", SECRET)])
def test_a_body_that_is_signed_wrongly_is_refused(hook: Hook, signature: str) -> None:
    assert hook.post_signed(json.dumps(HAIL).encode(), signature).status_code == 401
    assert hook.kept() == []


def test_a_signed_body_that_is_no_case_is_refused_in_the_same_words(hook: Hook) -> None:
    for content, status in ((b"{", 400), (b'{"id": "1"}', 422), (b"7", 422)):
        assert hook.post_signed(content, sign_body(content, SECRET)).status_code == status


def test_without_a_secret_no_signature_is_right(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(build_app(collect(World(Settings())))) as address:
        signature = {SIGNATURE_HEADER: sign_body(b"{}", "")}
        assert httpx.post(f"{address}/hooks/cases?process=claims", content=b"{}", headers=signature).status_code == 401
