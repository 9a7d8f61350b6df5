"""The Prefect server that PREFECT_API_URL names, as a `FlowServer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from tasks.deployment_models import Change, DeploymentFile, DeploymentStatus, ProcessEvent
from tasks.integrations import prefect_deploy, prefect_lost_runs, prefect_status


class PrefectFlowServer:
    """Opens a connection a call.

    Args:
        notify_url: Who is told of failed runs; None: nobody.
    """

    def __init__(self, notify_url: str | None) -> None:
        self._notify_url = notify_url

    def deploy(self, file: DeploymentFile, directory: Path, *, dry: bool = False) -> list[Change]:
        """See `FlowServer`."""
        return prefect_deploy.deploy(file, directory, notify_url=self._notify_url, dry=dry)

    def list_deployments(self) -> Sequence[DeploymentStatus]:
        """See `FlowServer`."""
        return prefect_status.list_deployments()

    def start_run(self, deployment: str, parameters: Mapping[str, str], *, key: str) -> None:
        """See `FlowServer`."""
        prefect_status.start_run(deployment, parameters, key=key)

    def end_lost_runs(self, silence: timedelta, listening: timedelta) -> list[str]:
        """See `FlowServer`."""
        return prefect_lost_runs.end_lost_runs(silence, listening)

    def send_events(self, events: Sequence[ProcessEvent]) -> None:
        """See `FlowServer`."""
        prefect_status.send_events(events)
