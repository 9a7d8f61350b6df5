"""Several serving processes behind one port: each answers with models and threads of its own.

uvicorn's supervisor starts them, replaces one that died or hangs, and on SIGHUP replaces all, one after the other, each
when its successor answers. What they count is added up in files of a temporary folder, so that `/metrics` says the same
whichever process is asked.
"""

from __future__ import annotations

import re
import socket
import tempfile
from pathlib import Path

import psutil
import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from expertloop.tether import Tether
from tasks.errors import BackendUnavailable
from tasks.settings import Settings, count_together, find_counts, share_cores

APP = f"{__name__}:build_served_app"
_HANGS_SECONDS = 60
"""Without a sign of life: loading models holds Python's lock for seconds."""
_OWNER = re.compile(r"_(\d+)\.db$")


def serve_in_processes(config: uvicorn.Config, listener: socket.socket) -> None:
    """Serve until told to stop.

    Args:
        config: Names `APP` and how many processes.
        listener: What they all accept from.

    Raises:
        BackendUnavailable: A process ended before it served.
    """
    tether = Tether()
    with tempfile.TemporaryDirectory(prefix="expertloop-counts-") as counts:
        count_together(Path(counts), tether.mark)
        share_cores()
        config.timeout_worker_healthcheck = _HANGS_SECONDS
        supervisor = Multiprocess(config, sockets=[listener])
        try:
            supervisor.run()
        finally:
            tether.pull()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise BackendUnavailable("a serving process could not start", advice="its reason stands above; then start anew")


def build_served_app() -> ASGIApp:
    """The server, in one of the processes."""
    from expertloop.output import configure_logging
    from expertloop.server.app import build_app
    from expertloop.server.requests import prepare_access_log
    from expertloop.server.services import collect
    from tasks.wiring import application

    settings = Settings()
    configure_logging(settings.log_level)
    prepare_access_log()
    if counts := find_counts():
        forget_the_dead(counts)
    return build_app(collect(application(settings)))


def forget_the_dead(counts: Path) -> None:
    """What a killed process had in hand is in nobody's hand; what it had done stays counted."""
    from prometheus_client.multiprocess import mark_process_dead

    owners = {int(found[1]) for file in counts.glob("gauge_live*.db") if (found := _OWNER.search(file.name))}
    for owner in owners:
        if not psutil.pid_exists(owner):
            mark_process_dead(owner, str(counts))  # type: ignore[no-untyped-call]
