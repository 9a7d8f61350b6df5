"""`expertloop deploy`: the Prefect server learns what prefect.yaml says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from expertloop.output import console, escape, print_json, print_note
from tasks.automation.deployments import read_deployments
from tasks.cases.process import load_process
from tasks.deployment_models import Change, DeploymentFile
from tasks.errors import ConfigurationError
from tasks.settings import Settings
from tasks.wiring import Application, application

SHIPPED = Path(__file__).parents[1] / "prefect.yaml"


def deploy(
    *,
    file: Annotated[Path, typer.Option("--file", help="what runs by itself; default: the one that ships")] = SHIPPED,
    plan: Annotated[bool, typer.Option("--plan", help="say what would change, and stop")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a change, on one line")] = False,
) -> None:
    """Make the server that PREFECT_API_URL names run everything by itself, from this folder.

    Work pools, deployments, automations: what is there already stays. What somebody edited on the server is
    overwritten, and named.

    Example: expertloop deploy --plan
    """
    changes = deploy_file(application(Settings()), file, dry=plan)
    if as_json:
        for change in changes:
            print_json(change)
        return
    show_changes(changes, dry=plan)


def deploy_file(app: Application, file: Path, *, dry: bool = False) -> list[Change]:
    """Check everything that runs will read, then deploy.

    Raises:
        ConfigurationError: prefect.yaml or a process's YAML is wrong, with the lines; or no server is named.
        BackendUnavailable: The server does not answer.
    """
    read = check_processes(app, read_deployments(file, time_zone=app.settings.time_zone))
    if app.flow_server is None:
        raise ConfigurationError(
            "PREFECT_API_URL names no Prefect server to deploy to",
            advice="set it, such as http://127.0.0.1:4200/api; or let `expertloop up` start everything on this machine",
        )
    return app.flow_server.deploy(read, Path.cwd(), dry=dry)


def check_processes(app: Application, file: DeploymentFile) -> DeploymentFile:
    """Read what the deployments of processes will read; without any process there is nothing to deploy for them."""
    folder = app.settings.processes
    of_processes = [one for one in file.deployments if "process" in one.parameters]
    if not folder.exists():
        print_note(f"no folder {folder}: left out {', '.join(one.name for one in of_processes) or 'nothing'}")
        return file.model_copy(update={"deployments": [one for one in file.deployments if one not in of_processes]})
    for process in sorted({str(one.parameters["process"]) for one in of_processes}):
        load_process(folder / process)
    return file


def show_changes(changes: Sequence[Change], *, dry: bool = False) -> None:
    """A line a change, and one a field."""
    for change in changes:
        console.print(f"{_WORDS[change.kind]} {escape(change.what)}")
        for detail in change.details:
            console.print(f"    {escape(detail)}")
    if not changes:
        print_note("nothing to change")
    elif dry:
        print_note("nothing was changed: that is the plan")


_WORDS = {
    "created": "[green]new[/]     ",
    "changed": "[yellow]changed[/] ",
    "edited": "[red]was edited on the server, overwritten:[/]",
    "removed": "[yellow]removed[/] ",
}
