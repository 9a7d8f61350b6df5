"""The training room over the wired application: plain functions that doors call, and Prefect tasks over them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect import task

from tasks.artifacts import show_picture, show_table
from tasks.retries import touches_backends
from tasks.training.devices import describe_device, require_memory
from tasks.training.train import CURVE, train_adapter
from tasks.training_models import Device, TrainedAdapter, TrainingConfig, TrainingPlan
from tasks.training_ports import Report, TrainingProgress
from tasks.wiring import Application, application


def ignore_progress(_: TrainingProgress) -> None:
    """For those who do not watch."""


def train_on_dataset(
    app: Application, dataset_id: str, config: TrainingConfig, report: Report = ignore_progress
) -> TrainedAdapter:
    """Train an adapter on a dataset; whoever calls holds a device (`hold_devices`).

    Args:
        dataset_id: Or its unique beginning.

    Raises:
        ArtifactCorrupt: The dataset's files were changed.
        DatasetRejected, TrainingDiverged, BackendUnavailable, ConfigurationError: See `tasks.training.train`.
    """
    content = app.read_dataset(dataset_id)
    return train_adapter(content, config, app.training_ports, home=app.settings.home, report=report)


@contextmanager
def hold_devices(count: int) -> Iterator[tuple[Device, ...]]:
    """Devices for the block. No task, since leases belong to the block, and torch must not be imported before it.

    Raises:
        DeviceBusy: Other trainings hold too many devices of this machine.
        ConfigurationError: It has not so many.
    """
    with application().hold_devices(count) as devices:
        yield devices


@task(**touches_backends())
def plan_training(dataset_id: str, config: TrainingConfig, devices: tuple[Device, ...]) -> TrainingPlan:
    """What training would take; refused when one of the devices cannot hold its part.

    Raises:
        ConfigurationError: A device is too small; the advice names presets that fit.
        DeviceBusy: Others use its memory.
    """
    app = application()
    plan = app.plan_training(dataset_id, config)
    fullest = min(devices, key=lambda one: one.free_bytes)
    require_memory(fullest, plan, lambda: app.list_fitting_presets(dataset_id, fullest))
    told = (f"device: {describe_device(device)}" for device in devices)
    return plan.model_copy(update={"lines": (*plan.lines, *told)})


# Killed, it goes on from its checkpoint.
@task(**touches_backends())
def train_candidate(dataset_id: str, config: TrainingConfig) -> TrainedAdapter:
    """Train an adapter on a dataset, or find the one that was trained of it before."""
    app = application()
    with app.telemetry.span("training", {"dataset_id": dataset_id}) as span:
        trained = train_on_dataset(app, dataset_id, config, app.report_training)
        told = trained.summary
        span.add_facts(
            {"adapter_id": trained.adapter_id, "new": trained.is_new, "tokens": told.tokens, "steps": told.steps}
        )
    return trained


@task(**touches_backends())
def show_training(trained: TrainedAdapter) -> None:
    """What training took and reached, and its loss curve."""
    summary = trained.summary.model_dump(mode="json")
    show_table("training", [{"name": name, "value": value} for name, value in summary.items()], trained.adapter_id)
    curve = application().settings.home / trained.folder / CURVE
    show_picture("training-loss", curve.read_bytes(), trained.adapter_id)
