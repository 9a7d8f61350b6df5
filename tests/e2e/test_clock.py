"""The clock as a real Prefect server reads it: nights with 23 and 25 hours, and a machine that slept over a week."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.command import BIN, REPOSITORY, CommandLine, ask_prefect, prefect_server, running, wait_until
from tests.e2e.running import ENDED

pytestmark = [pytest.mark.server, pytest.mark.slow]

BERLIN = ZoneInfo("Europe/Berlin")
SPRING = datetime(2027, 3, 28, 12, tzinfo=BERLIN)
AUTUMN = datetime(2027, 10, 31, 12, tzinfo=BERLIN)
INGEST = "ingest/ingest-nightly"
LATE = 3
"""So many runs a Prefect server plans ahead of a nightly schedule: they are late after seven nights, and no more."""


class Schedules:
    """A server that was told of what ships, and its schedules."""

    def __init__(self, url: str, shell: CommandLine) -> None:
        self.url = url
        self.shell = shell

    def deploy(self, place: Path = REPOSITORY / "prefect.yaml") -> None:
        done = self.shell.run("deploy", "--file", place)
        assert done.code == 0, done.errors

    def plan(self, name: str, begin: datetime, end: datetime) -> list[datetime]:
        """Let the server make the runs between two moments; returns when they are due."""
        deployment = ask_prefect("GET", f"{self.url}/deployments/name/{name}").json()["id"]
        wanted = {"start_time": begin.isoformat(), "end_time": end.isoformat(), "min_runs": 500, "max_runs": 500}
        self._post(f"deployments/{deployment}/schedule", wanted)
        due = {"after_": begin.isoformat(), "before_": end.isoformat()}
        runs = self.list_runs(deployments={"id": {"any_": [deployment]}}, flow_runs={"expected_start_time": due})
        return sorted(datetime.fromisoformat(run["expected_start_time"]) for run in runs)

    def list_runs(self, **wanted: Any) -> list[dict[str, Any]]:
        return list(self._post("flow_runs/filter", {**wanted, "limit": 200}))

    def _post(self, path: str, body: Any) -> Any:
        response = ask_prefect("POST", f"{self.url}/{path}", body)
        assert response.is_success, response.text
        return response.json() if response.content else None


@pytest.fixture(scope="module")
def schedules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Schedules]:
    """One server; a company with one document."""
    folder = tmp_path_factory.mktemp("clock")
    (folder / "documents").mkdir()
    (folder / "documents" / "hall.txt").write_text("The cooling water of hall four is renewed in spring.")
    (folder / "sources.yaml").write_text("sources:\n  - name: halls\n    url: documents\n")
    with prefect_server(folder) as url:
        shell = CommandLine(folder).set(
            PREFECT_API_URL=url,
            EXPERTLOOP_TIME_ZONE="Europe/Berlin",
            EXPERTLOOP_PROCESSES=str(REPOSITORY / "data/processes"),
        )
        made = Schedules(url, shell)
        made.deploy()
        yield made


def count_nights(due: list[datetime]) -> list[int]:
    """How often something is due on each day of Berlin, in order."""
    return list(Counter(moment.astimezone(BERLIN).date() for moment in due).values())


def test_each_local_night_has_one_ingest_also_when_its_hour_is_left_out_or_comes_twice(
    schedules: Schedules, tmp_path: Path
) -> None:
    weeks = [(shift - timedelta(days=3), shift + timedelta(days=3)) for shift in (SPRING, AUTUMN)]
    for begin, end in weeks:
        assert count_nights(schedules.plan(INGEST, begin, end)) == [1] * 6
    later = tmp_path / "later.yaml"
    later.write_text((REPOSITORY / "prefect.yaml").read_text().replace('"0 2 * * *"', '"30 2 * * *"'))
    schedules.deploy(later)
    for begin, end in weeks:
        due = schedules.plan(INGEST, begin, end)
        assert count_nights(due) == [1] * 6
        assert {moment.minute for moment in due} == {30}


@pytest.mark.parametrize("name", ["handle-cases/handle-cases", "reconcile/reconcile"])
@pytest.mark.parametrize("shift", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_what_runs_every_ten_minutes_makes_no_pause_when_the_clock_is_changed(
    schedules: Schedules, shift: datetime, name: str
) -> None:
    midnight = shift.replace(hour=0).astimezone(UTC)
    due = schedules.plan(name, midnight, midnight + timedelta(hours=6))
    assert {later - earlier for earlier, later in pairwise(due)} == {timedelta(minutes=10)}
    assert len(due) >= 36


def test_a_machine_that_slept_over_seven_nights_reads_its_documents_once(schedules: Schedules) -> None:
    now = datetime.now(UTC)
    fell_asleep = now - timedelta(days=7)
    assert len(schedules.plan(INGEST, fell_asleep, fell_asleep + timedelta(days=LATE))) == LATE
    late = {"expected_start_time": {"before_": now.isoformat()}, "tags": {"all_": ["documents", "auto-scheduled"]}}

    def all_ended() -> bool:
        return all(run["state_type"] in ENDED for run in schedules.list_runs(flow_runs=late))

    # One at a time: no run is cancelled because another is at work.
    worker = (BIN / "prefect", "worker", "start", "--pool", "expertloop-cpu", "--type", "process", "--limit", "1")
    with running(schedules.shell, *worker, log=schedules.shell.folder / "worker.log"):
        wait_until(all_ended, what="the end of the late runs", pause_seconds=0.5)
    assert {run["state_type"] for run in schedules.list_runs(flow_runs=late)} <= {"COMPLETED", "CANCELLED"}
    read = schedules.list_runs(flows={"name": {"any_": ["ingest-source"]}})
    assert [run["state_type"] for run in read] == ["COMPLETED"]
    (document,) = schedules.shell.run("documents", "--json").records
    assert document["state"] == "live"
    asked = schedules.shell.run("ingest", "--json")
    assert asked.record["unchanged"] == 1, "who asks for a run gets it"
