"""`expertloop up`: everything that one machine needs, as one process that a person or an operating system watches."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from expertloop.deploy import SHIPPED
from expertloop.output import print_note
from expertloop.ports import choose_port
from expertloop.prefect_server import STARTUP_SECONDS
from expertloop.supervisor import Child, Supervisor
from tasks.automation.deployments import read_deployments
from tasks.deployment_models import PoolSpec
from tasks.settings import Settings, find_prefect_login, find_prefect_server, prepare_prefect, use_prefect_server

HOST = "127.0.0.1"


def up(
    *,
    host: Annotated[str, typer.Option("--host", help="where answers are given; only this machine unless told")] = HOST,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="of the answers; 0: a free one")] = 8000,
    prefect_port: Annotated[
        int, typer.Option("--prefect-port", min=0, max=65535, help="of the Prefect server; 0: a free one")
    ] = 4200,
    runs: Annotated[int, typer.Option("--runs", min=1, help="at once, on the pool that needs no GPU")] = 3,
    devices: Annotated[int, typer.Option("--devices", min=1, help="trainings at once: one a device")] = 1,
    file: Annotated[Path, typer.Option("--file", help="what runs by itself; default: the one that ships")] = SHIPPED,
) -> None:
    """Run it all on this machine: a Prefect server, deployments, workers, answers over HTTP. Ctrl-C ends it.

    With PREFECT_API_URL set, that server is used and none is started.

    Example: expertloop up
    """
    settings = Settings()
    pools = read_deployments(file, time_zone=settings.time_zone).work_pools
    port = choose_port(host, port)
    with Supervisor(settings.home.absolute() / "logs", print_note) as supervisor:
        _start_prefect(supervisor, settings, prefect_port)
        _deploy(file)
        answers = supervisor.start("serve", "expertloop", "serve", "--host", host, "--port", str(port))
        workers = [_start_worker(supervisor, pool, runs, devices) for pool in pools if pool.type == "process"]
        _await_ready(supervisor, answers, f"http://{host}:{port}/healthz", workers)
        print_note(f"ready: answers at http://{host}:{port}, Prefect at {find_prefect_server()}; Ctrl-C ends all")
        supervisor.watch()
        print_note("ending: what runs is told to")


def _start_prefect(supervisor: Supervisor, settings: Settings, port: int) -> None:
    if not prepare_prefect(settings):
        return
    port = choose_port(HOST, port)
    use_prefect_server(f"http://{HOST}:{port}/api")
    server = supervisor.start("prefect server", "prefect", "server", "start", "--host", HOST, "--port", str(port))
    health = f"{find_prefect_server()}/health"
    supervisor.wait_for(lambda: _answers(health), server, limit_seconds=STARTUP_SECONDS)


def _deploy(file: Path) -> None:
    """In a process of its own: this one stays small."""
    command = [sys.executable, "-P", "-m", "expertloop", "deploy", "--file", str(file)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
    if done.returncode:
        raise typer.Exit(done.returncode)


def _start_worker(supervisor: Supervisor, pool: PoolSpec, runs: int, devices: int) -> tuple[Child, str]:
    limit = devices if pool.name.endswith("-gpu") else runs
    command = ["prefect", "worker", "start", "--pool", pool.name, "--type", "process", "--limit", str(limit)]
    return supervisor.start(f"worker {pool.name}", *command), pool.name


def _await_ready(supervisor: Supervisor, answers: Child, health: str, workers: Sequence[tuple[Child, str]]) -> None:
    for worker, pool in workers:
        supervisor.wait_for(partial(_has_worker, pool), worker, limit_seconds=STARTUP_SECONDS)
    supervisor.wait_for(lambda: _answers(health), answers, limit_seconds=STARTUP_SECONDS)


def _answers(url: str) -> bool:
    import httpx

    with suppress(httpx.TransportError):
        return httpx.get(url, timeout=5).is_success
    return False


def _has_worker(pool: str) -> bool:
    """Whether a worker of the pool has told the server that it is there."""
    import httpx

    with suppress(httpx.TransportError):
        url = f"{find_prefect_server()}/work_pools/{pool}/workers/filter"
        found = httpx.post(url, json={}, auth=find_prefect_login(), timeout=5)
        return found.is_success and any(one["status"] == "ONLINE" for one in found.json())
    return False
