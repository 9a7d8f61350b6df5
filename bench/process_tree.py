"""Runs a command and measures what the whole tree of its processes takes."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psutil

SAMPLE_SECONDS = 0.2


class Measured(NamedTuple):
    """One finished command."""

    lines: list[dict[str, Any]]
    """The JSON objects it printed, one a line."""
    seconds: float
    processor_seconds: float
    """User and system time of all its processes: what other work on the machine falsifies least."""
    peak_mb: float
    """Largest sum of the resident memory of all its processes; pages that forked workers share count in each."""


class _Sampler(threading.Thread):
    """Looks at a process and its descendants until it is told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_mb = 0.0
        self.ended = threading.Event()
        self._root = psutil.Process(pid)
        self._used: dict[psutil.Process, float] = {}

    @property
    def processor_seconds(self) -> float:
        """Of all processes seen, the ended ones too."""
        return sum(self._used.values())

    def run(self) -> None:
        while not self.ended.wait(SAMPLE_SECONDS):
            self.peak_mb = max(self.peak_mb, sum(map(self._look_at, self._list_processes())))

    def _list_processes(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _look_at(self, process: psutil.Process) -> float:
        try:
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
        except psutil.NoSuchProcess:
            return 0.0
        self._used[process] = times.user + times.system
        return float(memory.rss) / 1e6


def run_measured(command: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Run a command that prints JSON lines, to its end.

    Raises:
        RuntimeError: It failed; the message ends with what it said.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            sampler = _Sampler(process.pid)
            sampler.start()
            output, _ = process.communicate()
            seconds = time.perf_counter() - start
        sampler.ended.set()
        sampler.join()
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors.read()[-3000:]}")
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return Measured(lines, seconds, sampler.processor_seconds, sampler.peak_mb)
