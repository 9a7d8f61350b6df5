"""Two processes that train one adapter on a CPU: the same losses as one alone, the same adapter after a kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks import SPINNING, SPINS_ALONE, SPINS_TOGETHER
from tasks.errors import BackendUnavailable, ConfigurationError, TrainingDiverged
from tasks.integrations.qlora import QLoRATrainer
from tasks.integrations.qlora.group import train_in_group
from tasks.training_ports import TrainingJob, TrainingOutcome, TrainingProgress
from tests.conftest import REPOSITORY
from tests.fakes.tiny_models import save_tiny_phi
from tests.fakes.training import make_job

pytestmark = pytest.mark.slow

TWO = {"strategy": "ddp", "devices": 2}
# Four steps of four examples and a fifth of one, of which the second process gets none.
EXAMPLES = 17
COMMON: dict[str, object] = {"method": "lora", "dropout": 0.0, "epochs": 2, "micro_batch_examples": 1}


@pytest.fixture(scope="module")
def phi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_phi(tmp_path_factory.mktemp("phi") / "tiny-phi3")


def decide(phi: Path, folder: Path, **values: object) -> TrainingJob:
    base = QLoRATrainer(cache=folder).open_base(str(phi))
    job = make_job(base, str(phi), folder, **{**COMMON, **values})
    folder.mkdir(exist_ok=True)
    return job._replace(order=job.order[:EXAMPLES])


def train(job: TrainingJob) -> tuple[TrainingOutcome, list[TrainingProgress]]:
    told: list[TrainingProgress] = []
    return QLoRATrainer(cache=job.folder).train(job, told.append), told


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def far_apart(first: Path, second: Path) -> float:
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.fixture(scope="module")
def alone(phi: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingOutcome]:
    folder = tmp_path_factory.mktemp("alone")
    return folder, train(decide(phi, folder))[0]


@pytest.fixture(scope="module")
def together(phi: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingOutcome, list[int]]:
    folder = tmp_path_factory.mktemp("together")
    outcome, told = train(decide(phi, folder, **TWO))
    return folder, outcome, [one.step for one in told]


def test_two_processes_learn_what_one_learns(
    alone: tuple[Path, TrainingOutcome], together: tuple[Path, TrainingOutcome, list[int]]
) -> None:
    folder, outcome, steps = together
    assert steps == [step for step, _ in outcome.losses] == [1, 2, 3, 4, 5]
    assert dict(outcome.losses) == pytest.approx(dict(alone[1].losses), abs=1e-5)
    assert dict(outcome.validation_losses) == pytest.approx(dict(alone[1].validation_losses), abs=1e-5)
    assert outcome.summary.tokens == alone[1].summary.tokens
    assert far_apart(folder, alone[0]) < 1e-4
    assert {one.name for one in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}


def find_workers() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "tasks.integrations.qlora.worker" in one.cmdline()]


def test_a_killed_process_ends_the_other_and_the_same_call_goes_on_to_the_same_adapter(
    phi: Path, tmp_path: Path, together: tuple[Path, TrainingOutcome, list[int]]
) -> None:
    job = decide(phi, tmp_path, **TWO)
    seen: list[psutil.Process] = []

    def kill(progress: TrainingProgress) -> None:
        # After step 3 there is the checkpoint of step 2.
        if progress.step == 3:
            seen.extend(find_workers())
            seen[1].send_signal(signal.SIGKILL)

    with pytest.raises(BackendUnavailable, match="training process 2 of 2 was ended by signal 9") as caught:
        QLoRATrainer(cache=tmp_path).train(job, kill)
    assert "goes on from the last checkpoint" in caught.value.advice
    assert len(seen) == 2
    assert not any(one.is_running() for one in seen)
    assert not (tmp_path / "adapter_model.safetensors").exists()
    outcome, told = train(job)
    assert told[0].step == 3
    assert outcome.summary.resumed == 1
    assert dict(outcome.losses) == pytest.approx(dict(together[1].losses), abs=1e-5)
    assert far_apart(tmp_path, together[0]) < 1e-5


def test_they_leave_the_cores_to_each_other_and_end_when_the_one_that_started_them_is_killed(
    phi: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.fakes.killed_training", str(phi), str(tmp_path), "2"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), SPINNING: SPINS_ALONE}
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        next(line for line in process.stdout if line.strip() == "1")
        workers = psutil.Process(process.pid).children()
        spinning = [one.environ()[SPINNING] for one in workers]
        process.send_signal(signal.SIGKILL)
    assert spinning == [SPINS_TOGETHER] * 2
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive


def test_a_loss_that_is_no_number_comes_back_as_the_same_error(phi: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(phi, tmp_path / "broken")
    tensors = load_file(broken / "model.safetensors")
    tensors["model.norm.weight"][3] = float("nan")
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingDiverged, match="loss of step 1 is not a number") as caught:
        train(decide(broken, tmp_path / "out", **TWO))
    assert caught.value.details == {"step": 1}
    assert not find_workers()


def test_one_model_is_shared_between_gpus_alone(phi: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="strategy=fsdp shares one model between 2 GPUs, and there is none"):
        train(decide(phi, tmp_path, method="qlora", strategy="fsdp", devices=2))


# What a process says is played by a line of Python.
TALKING = "import sys; sys.stdin.readline(); {}"


def listen_to(phi: Path, folder: Path, said: str) -> TrainingOutcome:
    command = [sys.executable, "-c", TALKING.format(said)]
    job = decide(phi, folder, **TWO)
    return train_in_group(job, phi, micro=1, device="cpu", report=lambda _: None, command=command)


def test_memory_that_was_too_small_in_a_process_is_too_small_here(phi: Path, tmp_path: Path) -> None:
    failure = '{"failure": {"kind": "MemoryError", "message": "no memory", "advice": "", "details": {}}}'
    with pytest.raises(MemoryError, match="no memory"):
        listen_to(phi, tmp_path, f"print({failure!r}, flush=True); sys.exit(1)")


def test_a_bug_in_a_process_is_a_bug_here_with_what_it_printed(phi: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes differ"):
        listen_to(phi, tmp_path, "raise RuntimeError('shapes differ')")


def test_a_process_that_is_dead_before_it_is_told_anything_is_noticed(phi: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    job = decide(phi, tmp_path, **TWO)
    with pytest.raises(BackendUnavailable, match="of 2 was ended by signal 9"):
        train_in_group(job, phi, micro=1, device="cpu", report=lambda _: None, command=command)
