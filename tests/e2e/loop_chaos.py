"""Kills a process of the running circle at a random moment, and compares the end with what happens undisturbed.

The circle is `expertloop up` on a real Prefect server. In each round pairs are approved, which begins a training of a
few steps, and cases arrive over HTTP; meanwhile one process dies by `kill -9`. Schedules are not waited for: when
nothing is at work and not all is done, what they would start in the next ten minutes is started by their deployments.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import psutil

from tests.e2e.command import wait_until
from tests.e2e.loop_company import CASES_A_ROUND, Company, check, open_database
from tests.e2e.running import Up

VICTIMS = ("server", "worker", "training", "serving", "case flow")
RETRAIN = "retrain-when-ready/retrain-on-event"
HANDLE = "handle-cases/handle-cases"
RECONCILE = "reconcile/reconcile"
LATEST_SECONDS = {"server": 20.0, "worker": 20.0, "serving": 10.0, "training": 8.0, "case flow": 4.0}
"""The last moment of a kill: after the work was sent, or, for a run, after its process began."""
_COMMANDS = {
    "server": "prefect server start",
    "worker": "worker start --pool expertloop-gpu",
    "serving": "expertloop serve",
}
_DEPLOYMENTS = {"training": RETRAIN, "case flow": HANDLE}


@dataclass(frozen=True)
class Round:
    """One kill, and what it took to make up for it."""

    victim: str
    second: float
    seconds: float
    faults: list[str]


def draw_victims(rounds: int, seed: int) -> list[str]:
    """In random order, none a second time before all had their turn."""
    drawing = random.Random(seed)
    each = [drawing.sample(VICTIMS, len(VICTIMS)) for _ in range(0, rounds, len(VICTIMS))]
    return [victim for some in each for victim in some][:rounds]


class Chaos:
    """Rounds of one running circle.

    Args:
        up: What runs.
        company: Whose.
        seed: Of the moments.
    """

    def __init__(self, up: Up, company: Company, *, seed: int) -> None:
        self._up = up
        self._company = company
        self._random = random.Random(seed)

    def disturb(self, number: int, victim: str) -> Round:
        """Send a round's work, kill meanwhile, wait until all of it is done."""
        moment = self._random.uniform(0, LATEST_SECONDS[victim])
        self._company.import_pairs(self._company.shell, number)
        started = time.monotonic()
        with ThreadPoolExecutor(1) as beside:
            death = beside.submit(self._kill, victim, moment)
            self._send_cases(number)
            self._patiently(lambda: self._send_event("expertloop.cases.arrived", process="tickets"), "an event")
            self._patiently(
                lambda: self._send_event("expertloop.pairs.threshold-reached", scope="everyone"), "an event"
            )
            struck = death.result()
        self._patiently(lambda: self._go_on(number), f"the end of round {number}, {victim} killed")
        return Round(victim, struck, time.monotonic() - started, self._find_faults())

    def _kill(self, victim: str, moment: float) -> float:
        """Returns when it struck: one that ended before its moment came is not it, the next one dies sooner."""
        process = self._patiently(lambda: self._find(victim), f"the process of {victim}")
        try:
            process.wait(timeout=moment)
        except psutil.TimeoutExpired:
            process.kill()
            return moment
        return self._kill(victim, moment / 2)

    def _find(self, victim: str) -> psutil.Process | None:
        if victim in _COMMANDS:
            return self._up.find_process(_COMMANDS[victim])
        deployment = self._up.find_deployment(_DEPLOYMENTS[victim])
        runs = self._up.ask_prefect("flow_runs/filter", deployments={"id": {"any_": [deployment]}})
        ids = {run["id"] for run in runs if run["state_type"] in {"PENDING", "RUNNING"}}
        found = [process for process in psutil.process_iter() if _read_run_id(process) in ids]
        return self._random.choice(found) if found else None

    def _send_cases(self, number: int) -> None:
        """One by one, each until it is acknowledged, as another system would."""
        headers = {"Authorization": f"Bearer {self._company.key}"}
        url = f"{self._up.address}/v1/cases?process=tickets"
        for case in self._company.read_cases(number):
            self._patiently(
                lambda case=case: httpx.post(url, json=case, headers=headers, timeout=60).status_code == 202,  # type: ignore[misc]
                f"case {case['id']} taken",
            )

    def _send_event(self, name: str, **payload: str) -> bool:
        self._up.send_event(name, **payload)
        return True

    def _go_on(self, number: int) -> bool:
        """Whether all is done; where nothing is at work and it is not, the schedules' next runs begin now."""
        if self._list_open_runs():
            return False
        if self._is_done(number):
            return True
        for name in (HANDLE, RECONCILE):
            self._up.start_run(name)
        return False

    def _is_done(self, number: int) -> bool:
        with closing(open_database(self._company.shell)) as database:
            cases = dict(database.execute("SELECT state, count(*) FROM cases GROUP BY state").fetchall())
            (left,) = database.execute("SELECT count(*) FROM trainings WHERE state <> 'done'").fetchone()
            (kept,) = database.execute("SELECT count(*) FROM case_messages WHERE delivered_at IS NULL").fetchone()
        if left or kept or cases != {"handled": (number + 1) * CASES_A_ROUND}:
            return False
        learning = check(self._up.shell.run("status", "--json")).record["learning"]
        return not learning["scopes"]["everyone"]["ready"]

    def _list_open_runs(self) -> list[str]:
        """Runs that should go on by themselves: at work, or asked for."""
        states = {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING", "SCHEDULED"]}}
        runs = self._up.ask_prefect("flow_runs/filter", flow_runs={"state": states})
        return [f"{run['name']} {run['state_name']}" for run in runs if not _is_planned(run)]

    def _find_faults(self) -> list[str]:
        """What is held by nobody, and what was done twice, in words."""
        (taken,) = self._patiently(self._list_taken_slots, "a moment in which nothing is at work")
        with closing(open_database(self._company.shell)) as database:
            leases = [name for (name,) in database.execute("SELECT name FROM leases")]
            trained = Counter(one for (one,) in database.execute("SELECT dataset_id FROM trainings"))
        return [
            *(f"slots taken of {name}" for name in taken),
            *(f"lease {name} is held" for name in leases),
            *(f"dataset {one} was trained on {count} times" for one, count in trained.items() if count > 1),
        ]

    def _list_taken_slots(self) -> tuple[list[str]] | None:
        """Of limits while nothing is at work: an event or a schedule may begin a run at any time, which holds one."""
        if self._list_open_runs():
            return None
        limits = self._up.ask_prefect("v2/concurrency_limits/filter", limit=100)
        return None if self._list_open_runs() else ([one["name"] for one in limits if one["active_slots"]],)

    def _patiently(self, condition: Callable[[], Any], what: str) -> Any:
        """The first true value; whoever does not answer just now is asked again."""

        def look() -> Any:
            assert self._up.process.poll() is None, self._up.log.read_text()
            with suppress(httpx.TransportError, httpx.HTTPStatusError):
                return condition()
            return None

        return wait_until(look, what=f"{what}; see {self._up.log}", pause_seconds=0.3)


def _read_run_id(process: psutil.Process) -> str | None:
    """Of the flow run that a process belongs to: it is one of several."""
    with suppress(psutil.Error):
        return process.environ().get("PREFECT__FLOW_RUN_ID")
    return None


def _is_planned(run: dict[str, Any]) -> bool:
    """A schedule made it, and its time has not come."""
    return run["state_name"] in {"Scheduled", "Late"} and "auto-scheduled" in run["tags"]
