"""prefect.yaml is read with all its faults told at once, by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.automation.deployments import read_deployments
from tasks.errors import ConfigurationError

GOOD = """\
name: expertloop
work_pools:
  - name: cpu
deployments:
  - name: nightly
    entrypoint: flows.ingest.ingest
    description: Reads.
    schedules:
      - cron: "0 2 * * *"
        timezone: "{{ $EXPERTLOOP_TIME_ZONE }}"
    work_pool:
      name: cpu
"""


def write(folder: Path, text: str) -> Path:
    place = folder / "prefect.yaml"
    place.write_text(text, encoding="utf-8")
    return place


def refuse(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read_deployments(write(folder, text), time_zone="Europe/Berlin")
    assert refused.value.advice
    return refused.value.message


def test_schedules_follow_the_time_zone_of_the_settings(tmp_path: Path) -> None:
    (deployment,) = read_deployments(write(tmp_path, GOOD), time_zone="Asia/Tokyo").deployments
    assert [one.timezone for one in deployment.schedules] == ["Asia/Tokyo"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("description: Reads.", "descripton: Reads.", "line 7: deployments.0.descripton: Extra inputs"),
        ("      name: cpu\n", "      name: gpu\n", "line 12: there is no work pool 'gpu'"),
        ("flows.ingest.ingest", "flows/ingest.py:ingest", "line 6: deployments.0.entrypoint"),
        ('cron: "0 2 * * *"', "cron: [", "line "),
        ("name: expertloop\n", "name: other\n", "line 1: name: Input should be 'expertloop'"),
        ("  - name: cpu\n", "  - name: cpu\n    concurrency_limit: many\n", "line 4: work_pools.0.concurrency_limit"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert GOOD.count(old) == 1
    assert told in refuse(tmp_path, GOOD.replace(old, new))


def test_two_deployments_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = GOOD + GOOD.partition("deployments:\n")[2]
    assert "line 13: there is a deployment 'nightly' already" in refuse(tmp_path, twice)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    told = refuse(tmp_path, GOOD.replace("description", "descripton").replace("flows.ingest", "ingest"))
    assert "line 6" in told
    assert "line 7" in told


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_deployments(tmp_path / "none.yaml", time_zone="Europe/Berlin")
