"""What `status` says of the deployments: how they fared, and when they run next."""

from __future__ import annotations

from collections.abc import Sequence

from expertloop.output import print_note, print_table, tell_moment
from tasks.deployment_models import DeploymentStatus
from tasks.errors import BackendUnavailable
from tasks.wiring import Application


def read_deployments(app: Application) -> Sequence[DeploymentStatus] | None:
    """Ours on the server that PREFECT_API_URL names; None when it names none, or that does not answer."""
    if app.flow_server is None:
        return None
    try:
        return app.flow_server.list_deployments()
    except BackendUnavailable as error:
        # The rest of `status` is wanted most when something does not answer.
        print_note(f"{error.message}; {error.advice}")
        return None


def show_deployments(deployments: Sequence[DeploymentStatus] | None) -> None:
    """A line each; nothing where no server is."""
    if deployments is None:
        return
    rows = [
        (
            one.name,
            one.last_state or "",
            tell_moment(one.last_run),
            "paused" if one.paused else tell_moment(one.next_run),
        )
        for one in deployments
    ]
    print_table(f"{len(rows)} deployments", ("deployment", "last run", "began", "next run"), rows)
