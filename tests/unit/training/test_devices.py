"""What a training runs on: found without torch, held by one at a time, refused when it does not fit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from tasks.errors import ConfigurationError, DeviceBusy
from tasks.integrations.database.leases import Leases
from tasks.integrations.devices import MachineDevices, find_processor, parse_devices
from tasks.settings import Settings
from tasks.training.devices import describe_device, require_memory
from tasks.training_models import Device, TrainingPlan
from tasks.wiring import Application

PRINTED = """\
0, GPU-5f1c9b7e-0000-4000-8000-000000000001, NVIDIA H100 80GB HBM3, 81559, 80994, 3
1, GPU-6a1c9b7e-0000-4000-8000-000000000002, NVIDIA A100-SXM4-40GB MIG, 40960, 12, [N/A]
"""


def device(name: str, free: float, total: float = 80, kind: str = "cuda") -> Device:
    return Device.model_validate(
        {"device_id": name, "kind": kind, "name": name, "total_bytes": total * 1e9, "free_bytes": free * 1e9}
    )


def plan(gigabytes: float) -> TrainingPlan:
    return TrainingPlan(
        adapter_id="a",
        examples=1,
        left_out=0,
        validation_examples=0,
        kinds={},
        tokens=1,
        steps=1,
        expected_seconds=None,
        peak_memory_bytes=round(gigabytes * 1e9),
        needs=(),
        lines=(),
    )


def test_the_drivers_table_becomes_devices() -> None:
    first, second = parse_devices(PRINTED)
    assert first.device_id == "GPU-5f1c9b7e-0000-4000-8000-000000000001"
    assert (first.name, first.kind, first.used_share) == ("NVIDIA H100 80GB HBM3", "cuda", 0.03)
    assert first.free_bytes == 80994 * 1024**2
    assert second.used_share is None
    assert parse_devices("No devices were found\n") == []


@pytest.mark.parametrize(
    ("visible", "seen"), [(None, "56"), ("0", "5"), ("1,0", "56"), ("GPU-6a1c", "6"), ("", ""), ("-1", ""), ("7", "")]
)
def test_an_operator_who_hides_devices_is_obeyed(visible: str | None, seen: str) -> None:
    assert "".join(one.device_id[4] for one in parse_devices(PRINTED, visible)) == seen


def test_without_a_gpu_the_processor_works_and_says_so() -> None:
    processor = find_processor()
    assert 0 < processor.free_bytes <= processor.total_bytes * 1.1
    assert describe_device(processor).startswith("no GPU here: the processor of ")


def test_every_machine_has_something_to_train_on() -> None:
    assert MachineDevices().list_devices()


def test_what_fits_is_not_asked_for_other_presets() -> None:
    def never() -> Iterable[str]:
        raise AssertionError("it fits")

    require_memory(device("one", free=10), plan(9.9), never)


def test_a_device_that_is_too_small_is_refused_with_the_presets_that_fit() -> None:
    with pytest.raises(ConfigurationError, match=r"needs 90.0 GB; one, 10.0 of 80.0 GB free") as refused:
        require_memory(device("one", free=10), plan(90), lambda: ["small", "smaller"])
    assert "presets that fit: small, smaller" in refused.value.advice


def test_where_nothing_fits_a_larger_device_is_advised() -> None:
    with pytest.raises(ConfigurationError) as refused:
        require_memory(device("one", free=10), plan(90), list)
    assert "no preset fits" in refused.value.advice


def test_memory_that_others_use_may_become_free() -> None:
    with pytest.raises(DeviceBusy, match=r"needs 20\.0 GB"):
        require_memory(device("one", free=10), plan(20), list)


class TwoGpus:
    def list_devices(self) -> list[Device]:
        return [device("GPU-large", free=70), device("GPU-small", free=30)]


@pytest.fixture
def machine(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterable[Application]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")  # set first, so that what the test makes of it is taken back
    app = Application(Settings())
    app.device_finder = TwoGpus()
    yield app
    app.database.close()


def test_two_trainings_take_two_devices_and_the_third_waits(machine: Application) -> None:
    seen = []
    with machine.hold_devices(1) as [first]:
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
        with machine.hold_devices(1) as [second]:
            seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
            with pytest.raises(DeviceBusy, match="0 of 2 devices"), machine.hold_devices(1):
                pass
    assert [first.device_id, second.device_id] == seen == ["GPU-large", "GPU-small"]
    with machine.hold_devices(1) as [again]:
        assert again.device_id == "GPU-large"


def test_a_training_on_two_devices_takes_both_or_none(machine: Application) -> None:
    with machine.hold_devices(1), pytest.raises(DeviceBusy, match="1 of 2 devices"), machine.hold_devices(2):
        pass
    with machine.hold_devices(2) as taken:
        assert [one.device_id for one in taken] == ["GPU-large", "GPU-small"]
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-large,GPU-small"
    with pytest.raises(ConfigurationError, match="wants 3 GPUs, and 2 can be seen"), machine.hold_devices(3):
        pass


def test_a_processor_leaves_the_view_of_gpus_as_it_is(machine: Application) -> None:
    class Processor:
        def list_devices(self) -> list[Device]:
            return [device("host", free=3, kind="cpu")]

    machine.device_finder = Processor()
    # Two processes share it.
    with machine.hold_devices(2) as [processor]:
        assert processor.kind == "cpu"
        assert "CUDA_VISIBLE_DEVICES" not in os.environ
        assert Leases(machine.database, lease_seconds=60).is_held("device host")
