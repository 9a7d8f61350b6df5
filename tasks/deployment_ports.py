"""What is asked of a Prefect server beside running flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from tasks.deployment_models import Change, DeploymentFile, DeploymentStatus, ProcessEvent


class FlowServer(Protocol):
    """A Prefect server; every method raises BackendUnavailable when it does not answer."""

    def deploy(self, file: DeploymentFile, directory: Path, *, dry: bool = False) -> list[Change]:
        """Make the server what the file says; returns what that changed, or would change when `dry`.

        Args:
            file: Pools, deployments and automations.
            directory: Where the runs work: relative paths of settings start there.
            dry: Change nothing.

        Raises:
            ConfigurationError: A parameter, trigger or action of the file is none that the flow or the server takes.
        """

    def list_deployments(self) -> Sequence[DeploymentStatus]:
        """Ours, by name."""

    def start_run(self, deployment: str, parameters: Mapping[str, str], *, key: str) -> None:
        """Let a deployment run now; a key that was used before starts nothing.

        Args:
            deployment: Flow and deployment.
            parameters: Of the flow.
            key: Of the reason.
        """

    def end_lost_runs(self, silence: timedelta, listening: timedelta) -> list[str]:
        """Crash our runs that were taken, or sent a heartbeat, and then nothing for so long; returns their names.

        One that never sent a heartbeat is left: its silence says nothing.

        Args:
            silence: So long nothing was heard of it.
            listening: So long the server is then seen to answer, with the run still silent; without such runs
                nothing is waited for, and when the server is away meanwhile nobody is given up. More than lies between
                two heartbeats.
        """

    def send_events(self, events: Sequence[ProcessEvent]) -> None:
        """Tell the server; it has them when this returns."""
