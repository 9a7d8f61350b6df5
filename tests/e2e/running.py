"""`expertloop up` as an operator runs it: one process, what it says, what it started."""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.e2e.command import BIN, CommandLine, ask_prefect, die_with_us, kill_group, wait_until

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
READY = r"ready: answers at (http://\S+), Prefect at (http://\S+);"


@dataclass(frozen=True)
class Up:
    """Everything that runs."""

    process: subprocess.Popen[bytes]
    log: Path
    shell: CommandLine
    """With the Prefect server's address: what is called in it joins in."""
    address: str

    def list_processes(self) -> list[psutil.Process]:
        """What it has started, and what those have."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def find_process(self, words: str) -> psutil.Process:
        """The one whose command line has the words; waits for it."""
        return wait_until(lambda: next(iter(self._list_with(words)), None), what=words)  # type: ignore[no-any-return]

    def _list_with(self, words: str) -> list[psutil.Process]:
        found = []
        for one in self.list_processes():
            with suppress(psutil.NoSuchProcess):
                if words in " ".join(one.cmdline()):
                    found.append(one)
        return found

    def wait_until(self, condition: Callable[[], Any], what: str) -> Any:
        """The first true value; fails at once when `up` has ended."""

        def look() -> Any:
            assert self.process.poll() is None, self.log.read_text()
            with suppress(httpx.TimeoutException, httpx.HTTPStatusError):  # a busy machine: ask again
                return condition()
            return None

        return wait_until(look, what=f"{what}; see {self.log} and the logs in {self.shell.home}", pause_seconds=0.3)

    def wait_for_line(self, pattern: str) -> re.Match[str]:
        """What it says."""
        found = self.wait_until(lambda: re.search(pattern, self.log.read_text()), pattern)
        assert isinstance(found, re.Match)
        return found

    def ask_prefect(self, path: str, /, **body: Any) -> Any:
        """POST to the server's API."""
        response = ask_prefect("POST", f"{self.shell.settings['PREFECT_API_URL']}/{path}", body)
        return check_answer(response).json() if response.content else None

    def find_deployment(self, name: str) -> str:
        """Its id, by flow and deployment."""
        response = ask_prefect("GET", f"{self.shell.settings['PREFECT_API_URL']}/deployments/name/{name}")
        return str(check_answer(response).json()["id"])

    def start_run(self, name: str, **parameters: Any) -> str:
        """As a schedule does; returns the run's id."""
        path = f"deployments/{self.find_deployment(name)}/create_flow_run"
        return str(self.ask_prefect(path, parameters=parameters, state={"type": "SCHEDULED"})["id"])

    def finish_run(self, run_id: str) -> None:
        """Wait for the run's end, which must be a good one."""

        def look() -> Any:
            (run,) = self.ask_prefect("flow_runs/filter", flow_runs={"id": {"any_": [run_id]}})
            return run if run["state_type"] in ENDED else None

        run = self.wait_until(look, f"the end of run {run_id}")
        assert run["state_type"] == "COMPLETED", (run["name"], run["state"])

    def list_ended_runs(self, name: str, *, at_least: int) -> list[dict[str, Any]]:
        """The deployment's, once all have ended and there are so many; else none."""
        wanted = {"id": {"any_": [self.find_deployment(name)]}}
        runs = self.ask_prefect("flow_runs/filter", deployments=wanted)
        ended = [run for run in runs if run["state_type"] in ENDED]
        return ended if len(ended) == len(runs) >= at_least else []

    def send_event(self, name: str, **payload: str) -> None:
        """An event of anybody's."""
        event = {
            "id": str(uuid.uuid4()),
            "occurred": datetime.now(UTC).isoformat(),
            "event": name,
            "resource": {"prefect.resource.id": "expertloop.test"},
            "payload": payload,
        }
        check_answer(ask_prefect("POST", f"{self.shell.settings['PREFECT_API_URL']}/events", [event]))


def check_answer(response: httpx.Response) -> httpx.Response:
    """It is a good one; `HTTPStatusError` says that the server is too busy or not ready, and may be asked again."""
    if response.is_server_error:
        response.raise_for_status()
    assert response.is_success, response.text
    return response


@contextmanager
def running_up(shell: CommandLine, *options: str | Path) -> Iterator[Up]:
    """Start it on free ports, wait until it is ready; at the end whatever still runs is killed."""
    log = shell.folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BIN / "expertloop", "up", "--port", "0", "--prefect-port", "0", *options],
            cwd=shell.folder,
            env=shell.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_us,
        )
    try:
        up = Up(process, log, shell, "")
        ready = up.wait_for_line(READY)
        client = shell.set(PREFECT_API_URL=ready[2], PREFECT_HOME=str(shell.folder / "client"))
        yield Up(process, log, client, ready[1])
    finally:
        started = [] if process.poll() is not None else psutil.Process(process.pid).children(recursive=True)
        kill_group(process)
        psutil.wait_procs(started, timeout=60)
