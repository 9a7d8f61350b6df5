"""A Prefect server for as long as one command runs, where PREFECT_API_URL names none.

Prefect can start such a server itself, but that one outlives a killed command, writes to its terminal, and is started
only once everything is imported. This one starts beside our imports and ends with us, also by `kill -9`.
"""

from __future__ import annotations

import argparse
import atexit
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from expertloop.ports import choose_port
from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.settings import Settings, prepare_prefect, use_prefect_server

STARTUP_SECONDS = 180.0
"""A first start makes its database; on a busy machine that takes its time."""

STOP_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


def start_prefect_server(settings: Settings) -> Callable[[], AbstractContextManager[object]]:
    """Make flows of this process reach a server; to be called before Prefect is imported.

    Returns:
        A context to run a flow in: it begins when the server answers, and raises BackendUnavailable when it does not.

    Raises:
        ConfigurationError: The home cannot be written.
    """
    if logging.getLogger().level >= logging.WARNING:
        _silence_run_reports()
    if not prepare_prefect(settings):
        return nullcontext
    port = choose_port("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port}/api"
    log = settings.home.absolute() / "prefect" / "server.log"
    server = _start(port, log)
    # Registered before Prefect is imported, so that it runs after Prefect has sent off its last events.
    atexit.register(_stop, server)
    use_prefect_server(url)
    return lambda: _attached(server, url, log)


def _silence_run_reports() -> None:
    """We say a failure in two lines; Prefect's report of it, with its traceback, goes to its server alone."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).propagate = False


@contextmanager
def _attached(server: subprocess.Popen[bytes], url: str, log: Path) -> Iterator[None]:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    _await_health(server, url, log)
    # Nobody watches the heartbeat of a run on this server, and every flow waits a second for it to end.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


def _start(port: int, log: Path) -> subprocess.Popen[bytes]:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            # -P: a folder `tasks` or `flows` where the command is called is not ours.
            command = [sys.executable, "-P", "-m", __name__, str(port), str(os.getpid())]
            # In a session of its own: what ends our process group must not take it from under a run that still reports.
            return subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {log}: {error.strerror}", advice="set EXPERTLOOP_HOME to a folder you may write"
        ) from error


def _await_health(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    import httpx  # a fifth of a second, which `ask` and `search` need not pay

    deadline = time.monotonic() + STARTUP_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return
        time.sleep(0.1)
    if server.poll() is None:
        raise BackendUnavailable(
            f"the temporary Prefect server did not answer within {STARTUP_SECONDS:.0f} s: the machine is busy",
            advice="run it again, or start a server of your own and set PREFECT_API_URL",
        )
    raise BackendUnavailable("the temporary Prefect server did not start", advice=f"its reasons are in {log}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ask it to write down what it has heard; one that is still starting has heard nothing."""
    server.terminate()
    try:
        server.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _serve(port: int, parent: int) -> None:
    # The kernel ends this process with its parent; nothing else would after a `kill -9`.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    import uvicorn
    from prefect.server.api.server import create_app

    uvicorn.run(create_app(ephemeral=True, final=True), host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("parent", type=int)
    options = parser.parse_args()
    _serve(options.port, options.parent)
