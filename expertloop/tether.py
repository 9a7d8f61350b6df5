"""Ends processes with whoever started them, also by `kill -9`, and what they had started themselves with them.

Prefect's workers give each run a process group of its own, so no group holds all; each process inherits the environment
of its parent, and a mark in it.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress

import psutil

MARK = "EXPERTLOOP_TETHER"


class Tether:
    """A process that waits for the end of its input, which only we hold open: the kernel closes it when we end."""

    def __init__(self) -> None:
        self.mark: Mapping[str, str] = {MARK: str(uuid.uuid4())}
        command = [sys.executable, "-P", "-m", __name__, self.mark[MARK]]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603

    def pull(self) -> None:
        """End all that carry the mark, now."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def kill_marked(mark: str) -> None:
    """Until none is left: some start others while we look."""
    while marked := [one for one in psutil.process_iter(["environ"]) if (one.info["environ"] or {}).get(MARK) == mark]:
        for one in marked:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(marked, timeout=1)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    kill_marked(sys.argv[1])
