"""Waiting threads of torch leave the cores to other processes: docs/decisions/0021."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = "import tasks, os; {}; print(os.environ['GOMP_SPINCOUNT'])"
SHARE = "from tasks.settings import share_cores; share_cores()"


def read_count(code: str, given: dict[str, str]) -> str:
    """What the processes of a process are given."""
    outside = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    command = [sys.executable, "-c", CODE.format(code)]
    done = subprocess.run(command, env=outside | given, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(("given", "alone", "together"), [({}, "10000", "2000"), ({"GOMP_SPINCOUNT": "7"}, "7", "7")])
def test_waiting_threads_spin_briefly_and_most_briefly_beside_others(
    given: dict[str, str], alone: str, together: str
) -> None:
    assert read_count("pass", given) == alone
    assert read_count(SHARE, given) == together


def test_a_process_of_ours_gives_what_it_starts_no_choice_of_its_own() -> None:
    alone = {"GOMP_SPINCOUNT": read_count("pass", {})}
    together = {"GOMP_SPINCOUNT": read_count(SHARE, alone)}
    assert (read_count(SHARE, alone), read_count("pass", together)) == ("2000", "2000")
