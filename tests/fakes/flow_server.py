"""A Prefect server that remembers what it was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from tasks.deployment_models import Change, DeploymentFile, DeploymentStatus, ProcessEvent
from tasks.errors import BackendUnavailable


class FakeFlowServer:
    """A `FlowServer`; `down` makes it refuse."""

    def __init__(self) -> None:
        self.told: list[ProcessEvent] = []
        self.started: dict[str, tuple[str, Mapping[str, str]]] = {}
        self.deployed: list[str] = []
        self.down = False

    def deploy(self, file: DeploymentFile, directory: Path, *, dry: bool = False) -> list[Change]:
        """Keeps the names."""
        self.deployed = [one.name for one in file.deployments]
        return []

    def list_deployments(self) -> Sequence[DeploymentStatus]:
        """None."""
        return []

    def start_run(self, deployment: str, parameters: Mapping[str, str], *, key: str) -> None:
        """Once a key."""
        self.started.setdefault(key, (deployment, parameters))

    def end_lost_runs(self, silence: timedelta, listening: timedelta) -> list[str]:
        """None is ever lost."""
        return []

    def send_events(self, events: Sequence[ProcessEvent]) -> None:
        """Kept, unless it is down."""
        if self.down:
            raise BackendUnavailable("no Prefect server answers at http://prefect/api", advice="start it")
        self.told += events
