"""`expertloop serve --processes 2`: one port, one sum of all counts, a killed process replaced, nothing left behind."""

from __future__ import annotations

import re
import signal
from contextlib import suppress

import httpx
import psutil
import pytest

from tests.e2e.command import CommandLine, wait_until
from tests.e2e.serving import Running, add_key, serving

pytestmark = [pytest.mark.server, pytest.mark.slow]

ASKED = 12


@pytest.fixture
def shell(shell: CommandLine, api_url: str) -> CommandLine:
    (shell.folder / "company").mkdir()
    (shell.folder / "company" / "opening.txt").write_text("The canteen opens at noon and closes at two.")
    shell = shell.set(PREFECT_API_URL=api_url, GOMP_SPINCOUNT="10000")
    assert shell.run("ingest", "company", "--json").code == 0
    return shell


def list_workers(server: Running) -> dict[int, psutil.Process]:
    """The processes that answer."""
    found = {}
    for one in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # one that was killed and is not buried yet is none
            if "spawn_main" in " ".join(one.cmdline()):
                found[one.pid] = one
    return found


def ask(server: Running, key: str) -> int:
    """By a connection of its own, which any process may take."""
    headers = {"Authorization": f"Bearer {key}"}
    body = {"question": "When does the canteen open?"}
    try:
        response = httpx.post(f"{server.address}/v1/answers", json=body, headers=headers, timeout=60)
    except httpx.TransportError:
        return 0
    assert response.status_code != 200 or "noon" in response.json()["text"]
    return response.status_code


def count_answers(server: Running) -> float:
    text = httpx.get(f"{server.address}/metrics", timeout=60).text
    return sum(map(float, re.findall(r"^expertloop_answers_total\{.*\} (\S+)$", text, re.MULTILINE)))


def count_at_work(server: Running) -> float:
    text = httpx.get(f"{server.address}/metrics", timeout=60).text
    return float(re.findall(r"^expertloop_requests_in_flight (\S+)$", text, re.MULTILINE)[0])


def test_two_processes_answer_at_one_port_count_together_and_outlive_a_kill_and_a_change(shell: CommandLine) -> None:
    key = add_key(shell, "anna")
    with serving(shell, "--processes", "2") as server:
        assert [ask(server, key) for _ in range(ASKED)] == [200] * ASKED
        assert {count_answers(server) for _ in range(6)} == {ASKED}
        first = list_workers(server)
        assert len(first) == 2
        assert {one.environ()["GOMP_SPINCOUNT"] for one in first.values()} == {"2000"}, "they share the cores"
        next(iter(first.values())).kill()
        wait_until(lambda: len(list_workers(server).keys() - first.keys()) == 1, what="a process in its place")
        wait_until(lambda: {ask(server, key) for _ in range(8)} == {200}, what="answers of both")
        assert count_answers(server) > ASKED, "what the killed one did stays counted"
        assert count_at_work(server) == 1, "nothing but this very request"
        old = list_workers(server).keys()
        server.process.send_signal(signal.SIGHUP)
        answered: list[int] = []

        def all_changed() -> bool:
            answered.append(ask(server, key))
            return not old & list_workers(server).keys()

        wait_until(all_changed, what="new processes")
        assert set(answered) == {200}, "somebody answers all the time"
        workers = list_workers(server)
        assert server.stop() == 0
        assert [pid for pid, one in workers.items() if one.is_running()] == []


def test_processes_end_with_who_started_them(shell: CommandLine) -> None:
    with serving(shell, "--processes", "2") as server:
        workers = list_workers(server)
        server.process.kill()
        gone, alive = psutil.wait_procs(workers.values(), timeout=60)
        assert (len(gone), alive) == (2, [])
