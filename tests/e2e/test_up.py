"""`expertloop up`: one command runs everything on one machine, and one Ctrl-C, or a `kill -9`, ends all of it."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest

from tests.e2e.command import REPOSITORY, CommandLine
from tests.e2e.running import running_up
from tests.e2e.serving import add_key

WORKER = "worker start --pool expertloop-cpu"

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def shell(tmp_path: Path) -> CommandLine:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "hall.txt").write_text("The cooling water of hall four is renewed in spring.")
    (tmp_path / "sources.yaml").write_text("sources:\n  - name: halls\n    url: documents\n")
    return CommandLine(tmp_path).set(EXPERTLOOP_PROCESSES=str(REPOSITORY / "data/processes"))


def test_an_event_over_http_starts_an_ingest_a_killed_worker_comes_back_and_one_signal_ends_all(
    shell: CommandLine,
) -> None:
    with running_up(shell) as up:
        worker = up.find_process(WORKER)
        worker.kill()
        up.wait_for_line(r"worker expertloop-cpu was killed by signal 9; it is started again in 1 s")
        up.wait_until(lambda: up.find_process(WORKER).pid != worker.pid, "another worker")
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
