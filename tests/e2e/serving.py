"""`expertloop serve` as an operator runs it: a process, its port, its log."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.command import BIN, CommandLine, answers, kill_group, wait_until

STOP_SECONDS = 60


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path

    def stop(self) -> int:
        """Ask it to end, as a supervisor does; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=STOP_SECONDS)

    def access_lines(self) -> list[dict[str, Any]]:
        """The access log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


@contextmanager
def serving(shell: CommandLine, *options: str) -> Iterator[Running]:
    """A server on a free port that is ready; killed at the end when it still runs."""
    log = shell.folder / "serve.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [BIN / "expertloop", "serve", "--port", "0", *options],
            cwd=shell.folder,
            env=shell.environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        address = wait_until(lambda: _find_address(process, log), what=f"the address in {log}")
        wait_until(lambda: answers(f"{address}/readyz"), what=f"the server, see {log}", pause_seconds=0.2)
        yield Running(process, address, log)
    finally:
        kill_group(process)


def _find_address(process: subprocess.Popen[bytes], log: Path) -> str | None:
    if process.poll() is not None:
        raise AssertionError(log.read_text())
    found = re.search(r"listening on (http://\S+)", log.read_text())
    return found[1] if found else None


def add_key(shell: CommandLine, principal: str, *groups: str, role: str = "reader") -> str:
    """A new key of the command line."""
    options = [option for group in groups for option in ("--group", group)]
    done = shell.run("keys", "add", "--principal", principal, "--role", role, *options, "--json")
    assert done.code == 0, done.errors
    return str(done.record["key"])
