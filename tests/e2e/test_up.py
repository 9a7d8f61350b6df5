"""`expertloop up`: one command runs everything on one machine, and one Ctrl-C, or a `kill -9`, ends all of it."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.e2e.command import REPOSITORY, CommandLine, answers
from tests.e2e.running import Up, running_up
from tests.e2e.serving import add_key

SERVER = "prefect server start"
WORKER = "worker start --pool expertloop-cpu"

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def shell(tmp_path: Path) -> CommandLine:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "hall.txt").write_text("The cooling water of hall four is renewed in spring.")
    (tmp_path / "sources.yaml").write_text("sources:\n  - name: halls\n    url: documents\n")
    return CommandLine(tmp_path).set(EXPERTLOOP_PROCESSES=str(REPOSITORY / "data/processes"))


def take_slot(up: Up) -> str:
    """As a worker does when it begins a run; returns the lease that the run renews while it is at work."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    path = f"deployments/{up.find_deployment('rebuild-index/rebuild-index')}/create_flow_run"
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": tomorrow}}
    run = up.ask_prefect(path, state=state)
    begun = up.ask_prefect(f"flow_runs/{run['id']}/set_state", state={"type": "PENDING"})
    return str(begun["state"]["state_details"]["deployment_concurrency_lease_id"])


def test_an_event_over_http_starts_an_ingest_what_was_killed_comes_back_and_one_signal_ends_all(
    shell: CommandLine,
) -> None:
    with running_up(shell) as up:
        lease, health = take_slot(up), f"{up.shell.settings['PREFECT_API_URL']}/health"
        server = up.find_process(SERVER)
        server.kill()
        up.wait_for_line(r"prefect server was killed by signal 9")
        worker = up.find_process(WORKER)
        worker.kill()
        up.wait_for_line(r"worker expertloop-cpu was killed by signal 9; it is started again in 1 s")
        up.wait_until(lambda: up.find_process(WORKER).pid != worker.pid, "another worker")
        up.wait_until(lambda: up.find_process(SERVER).pid != server.pid and answers(health), "a server")
        renewed = up.ask_prefect(f"v2/concurrency_limits/leases/{lease}/renew", lease_duration=300)
        assert renewed is None, "a run that goes on keeps its slot"
        key = add_key(shell, "anna", role="curator")
        body = {"kind": "documents.changed", "source": "halls"}
        told = httpx.post(f"{up.address}/v1/events", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        assert told.status_code == 202, told.text
        up.wait_until(lambda: shell.run("documents", "--json").out, "the document")
        answer = httpx.post(
            f"{up.address}/v1/searches",
            json={"question": "When is the cooling water renewed?"},
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )
        assert "spring" in answer.json()["hits"][0]["text"]
        assert up.shell.run("deploy", "--json").out == "", "it is deployed already"
        rest = up.list_processes()
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(timeout=120) == 0
    assert [one for one in rest if one.is_running()] == []
