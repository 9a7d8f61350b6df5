"""`expertloop serve`: the HTTP server as a process."""

from __future__ import annotations

import ipaddress
import signal
import socket
from typing import Annotated, Any

import typer

from expertloop.output import print_note
from tasks.errors import ConfigurationError
from tasks.settings import Settings

BACKLOG = 2048


def serve(
    *,
    host: Annotated[str, typer.Option("--host", help="where to listen; only this machine unless told")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: a free one, which is named")] = 8000,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="each has models of its own in memory and takes one core to quote")
    ] = 1,
) -> None:
    """Answer questions over HTTP, for whoever has a key.

    Example: expertloop serve --port 8000
    """
    import uvicorn

    from expertloop.processes import APP, build_served_app, serve_in_processes

    settings = Settings()
    listener = _listen(host, port)
    # Built here also for other processes: a wrong setting is told once, in two lines.
    app = build_served_app()
    how: dict[str, Any] = {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": settings.stop_timeout_seconds,
        "backlog": BACKLOG,
    }
    shown = f"[{host}]" if ":" in host else host
    print_note(f"listening on http://{shown}:{listener.getsockname()[1]} (API: /docs)")
    if not _is_loopback(listener):
        print_note("others can reach it and nothing is encrypted: put a proxy with TLS in front")
    if processes > 1:
        serve_in_processes(uvicorn.Config(APP, factory=True, workers=processes, **how), listener)
        return
    server = uvicorn.Server(uvicorn.Config(app, **how))
    # uvicorn sends itself the signal again when it has ended well: that is no failure, so the exit code stays 0.
    # A signal that comes before it has begun ends it all the same.
    signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
    server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """The socket, taken before anything is loaded, so that a port in use is said at once."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is no name of a host"
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {reason}", advice="choose another --host or --port"
        ) from error


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback
