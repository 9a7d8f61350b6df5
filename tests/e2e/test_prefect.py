"""The nightly deployment on a real Prefect server, with a real worker, as README.md sets it up."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.chaos import is_balanced
from tests.e2e.command import (
    BIN,
    LIMIT_SECONDS,
    REPOSITORY,
    CommandLine,
    ask_prefect,
    die_with_us,
    kill_group,
    prefect_server,
    wait_until,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]

DOCUMENTED = "The cooling water of hall four is renewed in spring."
KEY = "sk-canary-of-the-test"
POOL = "expertloop-cpu"


def prefect(shell: CommandLine, *arguments: str) -> str:
    """A Prefect command in the repository, as an operator types it."""
    done = subprocess.run(
        [BIN / "prefect", *arguments],
        cwd=REPOSITORY,
        env=shell.environment(),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask_server(url: str, path: str, **body: Any) -> Any:
    """POST JSON to the server's API."""
    response = ask_prefect("POST", f"{url}/{path}", body)
    assert response.is_success, response.text
    return response.json()


@contextmanager
def working(shell: CommandLine) -> Iterator[None]:
    """A process worker, ended with everything it started."""
    with (shell.folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [BIN / "prefect", "worker", "start", "--pool", POOL, "--limit", "1"],
            cwd=REPOSITORY,
            env=shell.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_us,
        )
    try:
        yield
    finally:
        kill_group(worker)


def test_the_nightly_deployment_runs_on_a_worker_and_prefect_learns_no_text(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "hall.txt").write_text(DOCUMENTED)
    (tmp_path / "documents" / "cut.pdf").write_bytes(b"%PDF-1.4 cut off")
    (tmp_path / "sources.yaml").write_text("sources:\n  - name: halls\n    url: documents\n")
    with prefect_server(tmp_path) as url:
        shell = CommandLine(tmp_path).set(
            PREFECT_API_URL=url,
            PREFECT_HOME=str(tmp_path / "client"),
            EXPERTLOOP_SOURCES=str(tmp_path / "sources.yaml"),
            EXPERTLOOP_GENERATOR_KEY=KEY,
            EXPERTLOOP_PROCESSES=str(REPOSITORY / "data/processes"),
        )
        made = shell.run("deploy", "--json")
        assert made.code == 0, made.errors
        assert {"what": f"work pool {POOL}", "kind": "created", "details": ["type: process"]} in made.records
        assert shell.run("deploy", "--json").out == ""
        prefect(shell, "deployment", "run", "ingest/ingest-nightly")
        with working(shell):
            state = wait_until(lambda: _ended_state(url), what="the flow run's end", pause_seconds=1)
        assert state == "COMPLETED", (tmp_path / "worker.log").read_text()
        (artifact,) = ask_server(url, "artifacts/latest/filter", artifacts={"key": {"any_": ["ledger"]}})
    (ledger,) = json.loads(artifact["data"])
    assert (artifact["type"], artifact["description"]) == ("table", "halls")
    assert is_balanced(ledger)
    assert (ledger["new"], ledger["quarantined"]) == (1, 1)
    (document,) = shell.run("documents", "--json").records
    assert (document["state"], document["chunks"]) == ("live", 1)
    stored = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and _is_prefects(path)}
    assert any(b"ingest-nightly" in content for content in stored.values())
    for secret in (DOCUMENTED[4:30].encode(), KEY.encode()):
        assert [path for path, content in stored.items() if secret in content] == []


def _ended_state(url: str) -> str | None:
    """The state of the only flow run that came from the deployment, once it has ended."""
    runs = ask_server(url, "flow_runs/filter", flow_runs={"deployment_id": {"is_null_": False}})
    ended = [run["state_type"] for run in runs if run["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}]
    return ended[0] if ended else None


def _is_prefects(path: Path) -> bool:
    return bool({"prefect", "client"} & set(path.parts)) or path.name == "worker.log"
