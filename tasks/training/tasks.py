"""The training room over the wired application: plain functions that doors call, and Prefect tasks over them."""

from __future__ import annotations

import socket

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.training.train import train_adapter
from tasks.training_models import TrainedAdapter, TrainingConfig
from tasks.training_ports import Report, TrainingProgress
from tasks.wiring import Application, application


def ignore_progress(_: TrainingProgress) -> None:
    """For those who do not watch."""


def train_on_dataset(
    app: Application, dataset_id: str, config: TrainingConfig, report: Report = ignore_progress
) -> TrainedAdapter:
    """Train an adapter on a dataset; one training a device at a time.

    Args:
        dataset_id: Or its unique beginning.

    Raises:
        DeviceBusy: Another training uses the device.
        ArtifactCorrupt: The dataset's files were changed.
        DatasetRejected, TrainingDiverged, BackendUnavailable, ConfigurationError: See `tasks.training.train`.
    """
    content = app.read_dataset(dataset_id)
    with app.leases.hold(f"training on {app.trainer.device} of {socket.gethostname()}"):
        return train_adapter(content, config, app.training_ports, home=app.settings.home, report=report)


# A step that was killed goes on from its checkpoint; that a device is busy is not waited for by trying thrice.
@task(cache_policy=NO_CACHE, name="train adapter")
def train_adapter_task(dataset_id: str, config: TrainingConfig) -> TrainedAdapter:
    """Train an adapter on a dataset, or find the one that was trained of it before."""
    return train_on_dataset(application(), dataset_id, config)
