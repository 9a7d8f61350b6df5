"""Runs that die, on a real Prefect server with the automations that `deploy` makes: found, freed, told, begun again.

No worker is needed: the test says to the server what a worker would, and then nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.command import MINUTES, REPOSITORY, CommandLine, ask_prefect, prefect_server, wait_until
from tests.network import Proxy

pytestmark = [pytest.mark.server, pytest.mark.slow]

NAME = "rebuild-index/rebuild-index"
TAG = "expertloop"
HEARTBEAT = "prefect.flow-run.heartbeat"


class Server:
    """What a worker and an operator say to a Prefect server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def post(self, path: str, body: Any) -> Any:
        response = ask_prefect("POST", f"{self._url}/{path}", body)
        assert response.is_success, response.text
        return response.json() if response.content else None

    def read_deployment(self) -> dict[str, Any]:
        return dict(ask_prefect("GET", f"{self._url}/deployments/name/{NAME}").json())

    def read_run(self, run_id: str) -> dict[str, Any]:
        return dict(ask_prefect("GET", f"{self._url}/flow_runs/{run_id}").json())

    def create_run(self) -> str:
        return str(self.post(f"deployments/{self.read_deployment()['id']}/create_flow_run", {})["id"])

    def create_run_by_hand(self, tag: str) -> str:
        """Pending, of no deployment: nothing but its tag says whose it is."""
        flow = self.post("flows/", {"name": "anything"})
        wanted = {"flow_id": flow["id"], "tags": [tag], "state": {"type": "PENDING"}}
        return str(self.post("flow_runs/", wanted)["id"])

    def was_heard_of(self, run_id: str) -> bool:
        its = {"resource": {"id": [f"prefect.flow-run.{run_id}"]}, "event": {"name": [HEARTBEAT]}}
        return bool(self.post("events/filter", {"filter": its})["total"])

    def set_state(self, run_id: str, state: str) -> None:
        answer = self.post(f"flow_runs/{run_id}/set_state", {"state": {"type": state}})
        assert answer["status"] == "ACCEPT", answer

    def begin(self, run_id: str) -> None:
        self.set_state(run_id, "PENDING")
        self.set_state(run_id, "RUNNING")

    def beat(self, run_id: str) -> None:
        event = {"id": str(uuid.uuid4()), "occurred": datetime.now(UTC).isoformat(), "payload": {}}
        resource = {"prefect.resource.id": f"prefect.flow-run.{run_id}"}
        self.post("events", [{**event, "event": HEARTBEAT, "resource": resource}])

    def wait_for_state(self, run_id: str, name: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            run = self.read_run(run_id)
            return run if run["state_name"] == name else None

        return dict(wait_until(look, what=f"{name} of run {run_id}", pause_seconds=0.3))

    @property
    def slots(self) -> int:
        return int(self.read_deployment()["global_concurrency_limit"]["active_slots"])


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address of Apprise's for JSON, and what was posted to it."""
    told: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"json://127.0.0.1:{server.server_port}/failed", told
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def reconciling(folder: Path, url: str, silent_minutes: int, listen_seconds: int) -> Iterator[Path]:
    """The flow, while the block runs and until it has ended well; yields its log."""
    arguments = f"silent_minutes={silent_minutes}, listen_seconds={listen_seconds}"
    code = f"from flows.reconcile import reconcile; reconcile({arguments})"
    shell, log = CommandLine(folder).set(PREFECT_API_URL=url), folder / "log"
    with log.open("w") as said:
        run = subprocess.Popen([sys.executable, "-c", code], env=shell.environment(), stdout=said, stderr=said)
    try:
        yield log
        assert run.wait(2 * MINUTES) == 0, log.read_text()
    finally:
        run.kill()
        run.wait()


@pytest.fixture
def silent(api_url: str) -> str:
    """A run that was heard of once, and since then not."""
    server = Server(api_url)
    run = server.create_run_by_hand(TAG)
    server.set_state(run, "RUNNING")
    server.beat(run)
    wait_until(lambda: server.was_heard_of(run), what="the heartbeat")
    return run


def test_a_run_that_falls_silent_is_found_freed_told_and_started_once_more_but_not_twice(tmp_path: Path) -> None:
    impatient = tmp_path / "impatient.yaml"
    impatient.write_text((REPOSITORY / "prefect.yaml").read_text().replace("within: 600", "within: 10"))
    with prefect_server(tmp_path) as url, webhook() as (address, told):
        shell = CommandLine(tmp_path).set(PREFECT_API_URL=url, EXPERTLOOP_NOTIFY_URL=address)
        made = shell.run("deploy", "--file", impatient)
        assert made.code == 0, made.errors
        server = Server(url)

        silent = server.create_run()
        server.begin(silent)
        server.beat(silent)
        assert server.slots == 1
        run = server.wait_for_state(silent, "AwaitingRetry")
        assert run["run_count"] == 1
        assert server.slots == 0, "what it held is free again"
        wait_until(lambda: told, what="the notice of the crash")
        assert "Crashed" in told[0]["title"]

        never_began = server.create_run()
        server.set_state(never_began, "PENDING")
        server.wait_for_state(never_began, "Crashed")
        assert server.slots == 0

        server.begin(silent)
        server.set_state(silent, "CRASHED")
        other = server.create_run()
        server.begin(other)
        server.set_state(other, "CRASHED")
        server.wait_for_state(other, "AwaitingRetry")
        assert server.read_run(silent)["state_name"] == "Crashed", "its second crash came before the other's first"


def test_reconcile_finds_runs_that_died_while_no_automation_could_see_it(tmp_path: Path, api_url: str) -> None:
    server = Server(api_url)
    taken, at_work, without_heartbeat, foreign = (server.create_run_by_hand(tag) for tag in (TAG, TAG, TAG, "other"))
    for run in (at_work, without_heartbeat):
        server.set_state(run, "RUNNING")
    server.beat(at_work)
    wait_until(lambda: server.was_heard_of(at_work), what="the heartbeat")

    def reconcile(minutes: int) -> None:
        with reconciling(tmp_path, api_url, minutes, listen_seconds=0):
            pass

    def read_states() -> list[str]:
        return [server.read_run(run)["state_name"] for run in (taken, at_work, without_heartbeat, foreign)]

    reconcile(20)
    assert read_states() == ["Pending", "Running", "Running", "Pending"]
    reconcile(0)
    assert read_states() == ["Crashed", "Crashed", "Running", "Pending"]


def wait_until_it_listens(log: Path) -> None:
    wait_until(lambda: "listening" in log.read_text(), what="it listens", pause_seconds=0.1, limit_seconds=60)


def test_a_run_that_is_heard_of_while_reconcile_listens_lives(tmp_path: Path, api_url: str, silent: str) -> None:
    server = Server(api_url)
    late = server.create_run_by_hand(TAG)
    server.set_state(late, "RUNNING")
    server.beat(late)
    wait_until(lambda: server.was_heard_of(late), what="the heartbeat")
    with reconciling(tmp_path, api_url, 0, listen_seconds=10) as log:
        wait_until_it_listens(log)
        server.beat(late)
    assert [server.read_run(run)["state_name"] for run in (silent, late)] == ["Crashed", "Running"]
    server.set_state(late, "CRASHED")


def test_nobody_is_given_up_by_a_server_that_was_away_while_reconcile_listened(
    tmp_path: Path, api_url: str, silent: str
) -> None:
    with (
        Proxy(urlsplit(api_url).port or 0).running() as proxy,
        reconciling(tmp_path, f"http://127.0.0.1:{proxy.port}/api", 0, listen_seconds=20) as log,
    ):
        wait_until_it_listens(log)
        proxy.hang()
        time.sleep(12)  # one look begins within five seconds, and waits for more than five
        proxy.heal()
    assert "was away" in log.read_text()
    assert Server(api_url).read_run(silent)["state_name"] == "Running"
    Server(api_url).set_state(silent, "CRASHED")
