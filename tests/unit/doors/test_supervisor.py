"""Processes under a supervisor: started again when they die, ended with who started them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from expertloop.ports import choose_port
from expertloop.supervisor import Child, Supervisor
from expertloop.tether import MARK, Tether
from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.settings import read_variables

LIMIT_SECONDS = 60
REPOSITORY = Path(__file__).parents[3]

GRANDPARENT = """\
import subprocess, sys
from expertloop.supervisor import Supervisor
from pathlib import Path
with Supervisor(Path(sys.argv[1]), print) as supervisor:
    supervisor.start("sleeper", "tests.fakes.sleeper", sys.argv[1])
    supervisor.watch()
"""


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def make_child(folder: Path, code: str, said: list[str], clock: Clock) -> Child:
    command = [sys.executable, "-c", code]
    log = folder / "child.log"
    return Child("child", command, log=log, environment=read_variables(), say=said.append, clock=clock)


def test_a_process_that_dies_is_started_again_with_growing_pauses_and_that_is_said(
    tmp_path: Path, clock: Clock
) -> None:
    said: list[str] = []
    child = make_child(tmp_path, "print('born'); raise SystemExit(3)", said, clock)
    for pause in (1, 2, 4):
        wait_until(child.has_ended)
        child.watch()
        assert f"child ended with exit code 3; it is started again in {pause} s" in said[-1]
        clock.now += pause - 0.5
        child.watch()
        assert child.pid is None
        clock.now += 0.5
        child.watch()
        assert child.pid is not None
    wait_until(child.has_ended)
    assert (tmp_path / "child.log").read_text() == "born\n" * 4


def test_a_process_that_lived_well_for_a_while_starts_with_the_first_pause(tmp_path: Path, clock: Clock) -> None:
    said: list[str] = []
    child = make_child(tmp_path, "import time; time.sleep(600)", said, clock)
    for _ in range(2):
        clock.now += 100
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        wait_until(child.has_ended)
        child.watch()
        assert "child was killed by signal 9; it is started again in 1 s" in said[-1]
        clock.now += 1
        child.watch()
    child.ask_to_end()
    wait_until(child.has_ended)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, int]]]:
    """A supervisor in a process of its own, and the pids of its sleeper and of what that started."""
    environment = {**read_variables(), "PYTHONPATH": str(REPOSITORY)}
    environment.pop("GOMP_SPINCOUNT", None)
    process = subprocess.Popen([sys.executable, "-c", GRANDPARENT, str(tmp_path)], env=environment)
    try:
        wait_until((tmp_path / "pids").exists)
        names = ("sleeper", "grandchild")
        yield process, dict(zip(names, map(int, (tmp_path / "pids").read_text().split()), strict=True))
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_all_ends_with_the_supervisor_however_it_ends(
    supervised: tuple[subprocess.Popen[bytes], dict[str, int]], how: signal.Signals
) -> None:
    process, pids = supervised
    assert all(psutil.pid_exists(pid) for pid in pids.values())
    process.send_signal(how)
    assert process.wait(timeout=LIMIT_SECONDS) == (-9 if how is signal.SIGKILL else 0)
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids.values()))


def test_what_runs_together_leaves_the_cores_to_each_other(
    supervised: tuple[subprocess.Popen[bytes], dict[str, int]],
) -> None:
    _, pids = supervised
    assert {psutil.Process(pid).environ()["GOMP_SPINCOUNT"] for pid in pids.values()} == {"2000"}


def test_a_tether_ends_what_carries_its_mark_and_nothing_else() -> None:
    tether = Tether()
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    ours = subprocess.Popen(sleep, env={**read_variables(), **tether.mark}, start_new_session=True)
    others = subprocess.Popen(sleep, env={**read_variables(), MARK: "another"})
    try:
        tether.pull()
        assert ours.wait(timeout=LIMIT_SECONDS) == -9
        assert others.poll() is None
    finally:
        others.kill()
        others.wait()


def test_what_does_not_get_ready_is_told_with_its_log(tmp_path: Path) -> None:
    with Supervisor(tmp_path, print) as supervisor:
        child = supervisor.start("never ready", "http.server", "--help")
        with pytest.raises(BackendUnavailable, match="never ready does not get ready") as refused:
            supervisor.wait_for(lambda: False, child, limit_seconds=0)
    assert str(tmp_path / "never-ready.log") in refused.value.advice


def test_a_port_that_is_taken_is_told_at_once() -> None:
    free = choose_port("127.0.0.1", 0)
    assert choose_port("127.0.0.1", free) == free
    import socket

    with (
        socket.create_server(("127.0.0.1", free)),
        pytest.raises(ConfigurationError, match=re.escape(f"cannot listen on 127.0.0.1 port {free}")),
    ):
        choose_port("127.0.0.1", free)
