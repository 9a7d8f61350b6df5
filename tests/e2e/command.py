"""`expertloop` as a person or a scheduler uses it: a process with an environment, two streams and an exit code."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).parents[2]
MINUTES = 60
LIMIT_SECONDS = 8 * MINUTES
"""No command of these tests takes longer, even on a machine where many others work."""

_CHEAP = {
    "EXPERTLOOP_GENERATOR": "none",
    "EXPERTLOOP_EMBEDDER": "minilm",
    "EXPERTLOOP_PARTITION_WORKERS": "2",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    errors: str
    seconds: float

    @property
    def records(self) -> list[dict[str, Any]]:
        """Every line of stdout, which must be JSON objects and nothing else."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        """The only line of stdout."""
        (record,) = self.records
        return record

    @property
    def said(self) -> list[str]:
        """The lines of stderr that are for people: log lines and empty ones left out."""
        return [line for line in self.errors.splitlines() if line.strip() and " WARNING " not in line]


@dataclass(frozen=True)
class CommandLine:
    """A shell of its own: a working folder, an EXPERTLOOP_HOME in it, settings that cost little."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Holds all state of this shell's commands."""
        return Path(self.settings.get("EXPERTLOOP_HOME", self.folder / "home"))

    def set(self, **settings: str) -> CommandLine:
        """The same shell with other variables."""
        return replace(self, settings={**self.settings, **settings})

    def run(self, *arguments: str | Path, limit_seconds: float = LIMIT_SECONDS) -> Finished:
        """Run `expertloop` and wait for its end."""
        started = time.monotonic()
        done = subprocess.run(
            [BIN / "expertloop", *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            timeout=limit_seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode(), time.monotonic() - started)

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Start `expertloop` as the leader of a process group of its own, so that the whole of it can be killed."""
        return subprocess.Popen(
            [BIN / "expertloop", *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def environment(self) -> dict[str, str]:
        """Ours without what was set for the product or for Prefect outside."""
        outside = {
            name: value for name, value in os.environ.items() if not name.startswith(("EXPERTLOOP_", "PREFECT_"))
        }
        return {**outside, **_CHEAP, "EXPERTLOOP_HOME": str(self.home), **self.settings}


def finish(process: subprocess.Popen[bytes], *, limit_seconds: float = LIMIT_SECONDS) -> Finished:
    """Wait for a started command; it is killed when it takes too long."""
    started = time.monotonic()
    try:
        out, errors = process.communicate(timeout=limit_seconds)
    except subprocess.TimeoutExpired:
        kill_group(process)
        raise
    return Finished(process.returncode, out.decode(), errors.decode(), time.monotonic() - started)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """`kill -9` for a command and everything it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_until(
    condition: Callable[[], Any], *, what: str, limit_seconds: float = LIMIT_SECONDS, pause_seconds: float = 0.02
) -> Any:
    """The first true value of the condition.

    Raises:
        TimeoutError: It was not true in time.
    """
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(pause_seconds)
    raise TimeoutError(f"{what}: not within {limit_seconds:g} s")


@contextlib.contextmanager
def running(shell: CommandLine, *command: str | Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Something that runs beside the test, in the shell's folder; asked to end at last."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=shell.folder,
            env=shell.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_us,
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        kill_group(process)


@contextlib.contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """A real Prefect server with a home of its own; yields its API URL and ends it."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    shell = CommandLine(folder).set(PREFECT_HOME=str(folder / "prefect"))
    log = folder / "prefect-server.log"
    command = (BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui")
    with running(shell, *command, log=log):
        wait_until(lambda: answers(f"{url}/health"), what=f"Prefect server, see {log}", pause_seconds=0.2)
        yield url


def ask_prefect(method: str, url: str, body: Any = None) -> httpx.Response:
    """What a Prefect server answers; 503 is asked again.

    Under load its requests were seen to wait a minute for its locked SQLite file, and then to say so.
    """

    def ask() -> httpx.Response | None:
        response = httpx.request(method, url, json=body, timeout=3 * MINUTES)
        return None if response.status_code == 503 else response

    answered = wait_until(ask, what=f"an answer of {url}", pause_seconds=1)
    assert isinstance(answered, httpx.Response)
    return answered


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def die_with_us() -> None:
    """In a child before it starts: the kernel ends it with the tests, also when those are killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
