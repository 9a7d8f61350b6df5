"""Workers that hang, crash, eat memory or call out harm nobody but their own job, and none outlives its parent."""

from __future__ import annotations

import functools
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest

from tasks.integrations.unstructured.limits import restrict_worker
from tasks.integrations.unstructured.pool import run_jobs
from tests.fakes.bad_jobs import run_job

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[3]
Job = tuple[str, object]

run = functools.partial(
    run_jobs, run_job, workers=2, timeout_seconds=60, initializer=restrict_worker, initargs=(1024 * 2**20,)
)


def outcomes(jobs: list[Job], **limits: object) -> dict[Job, Future[object]]:
    return dict(run(jobs, **limits))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (("hang", None), "TimeoutError"),
        (("leave", 3), "ProcessExpired"),
        (("segfault", None), "ProcessExpired"),
        (("eat_memory", 3000), "MemoryError"),
        (("eat_memory_at_once", 3000), "MemoryError"),
        (("fail", "x"), "KeyError"),
    ],
)
def test_a_bad_job_fails_alone(bad: Job, error: str) -> None:
    good: list[Job] = [("double", number) for number in range(12)]
    done = outcomes([*good[:5], bad, *good[5:]], timeout_seconds=4 if bad[0] == "hang" else 60)
    assert type(done[bad].exception()).__name__ == error
    assert {job: done[job].result() for job in good} == {job: 2 * job[1] for job in good}  # type: ignore[operator]


def test_memory_within_the_limit_is_given() -> None:
    job: Job = ("eat_memory", 200)
    assert outcomes([job])[job].result() == 200


def test_jobs_are_taken_only_a_little_ahead() -> None:
    taken = 0

    def endless() -> Iterator[Job]:
        nonlocal taken
        while True:
            taken += 1
            yield ("double", taken)

    stream = run(endless())
    for _ in range(10):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert taken <= 10 + 2 * 2


def test_a_worker_does_not_run_the_main_module_of_its_parent() -> None:
    job: Job = ("name_main_module", None)
    assert outcomes([job])[job].result() == "None"


def test_no_request_leaves_a_worker() -> None:
    arrived = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()

        def accept() -> None:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            arrived.set()
            connection.close()

        threading.Thread(target=accept, daemon=True).start()
        job: Job = ("connect", address)
        assert outcomes([job])[job].result() == "refused refused refused refused"
        assert not arrived.is_set()
        server.shutdown(socket.SHUT_RDWR)


def test_no_process_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    script = f"""
import threading
from tests.unit.integrations.test_unstructured_pool import run
for _ in run([("hang_with_child", {str(file)!r})]): pass
"""
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY)
    try:
        started = threading.Event()
        while not file.exists():
            assert parent.poll() is None
            started.wait(0.05)
        family = psutil.Process(parent.pid).children(recursive=True)
        assert {int(pid) for pid in file.read_text().split()} <= {process.pid for process in family}
    finally:
        parent.kill()
        parent.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
