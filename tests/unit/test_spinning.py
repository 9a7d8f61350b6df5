"""Waiting threads of torch leave the cores to other processes: docs/decisions/0021."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = "import tasks, os; print(os.environ['GOMP_SPINCOUNT'])"


@pytest.mark.parametrize(("given", "kept"), [({}, "2000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_our_processes_spin_briefly_unless_somebody_says_otherwise(given: dict[str, str], kept: str) -> None:
    outside = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run([sys.executable, "-c", CODE], env=outside | given, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == kept
