"""`kill -9` of Prefect's server, a worker, a training, the serving process or the case flow while all of them run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.loop_chaos import Chaos, draw_victims
from tests.e2e.loop_company import CASES_A_ROUND, check, found_company, read_end, work_undisturbed
from tests.e2e.running import running_up
from tests.fakes.tiny_models import save_tiny_phi

pytestmark = [pytest.mark.slow, pytest.mark.server]

ROUNDS = 3
SEED = 20261127


def test_whoever_of_the_running_circle_is_killed_all_is_done_once_and_nobody_holds_anything(tmp_path: Path) -> None:
    company = found_company(tmp_path, save_tiny_phi(tmp_path / "phi"), rounds=ROUNDS)
    expected = work_undisturbed(company)
    assert (len(expected.datasets), len(expected.cases)) == (ROUNDS, ROUNDS * CASES_A_ROUND)
    assert expected.messages
    with running_up(company.shell, "--file", company.schedule) as up:
        chaos = Chaos(up, company, seed=SEED)
        for number, victim in enumerate(draw_victims(ROUNDS, SEED)):
            assert chaos.disturb(number, victim).faults == [], victim
        assert check(up.shell.run("status", "--json")).record["learning"]["stuck"] == []
    assert read_end(company.shell) == expected
