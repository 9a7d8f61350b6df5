"""A real Weaviate server of the tests' own: one node on free ports, its data in a folder that goes with it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.command import answers, die_with_us, wait_until

START_SECONDS = 180
"""It takes 11 s on a machine that has nothing else to do."""


def find_binary() -> Path:
    """What `make weaviate` builds; without it a test is skipped, or fails where CI says that all must run."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(os.environ.get("EXPERTLOOP_CACHE") or caches / "expertloop")
    binary = cache / "bin" / "weaviate-server"
    if not binary.exists():
        reason = "there is no Weaviate server on this machine: build it with `make weaviate`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return binary


class WeaviateServer:
    """One node; it can be killed and started again on the same ports and data.

    Args:
        folder: Holds its data and its log.
        binary: The server.
        environment: Its own settings, on top of those that every test needs.
    """

    def __init__(self, folder: Path, binary: Path, environment: dict[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._binary = binary
        self._environment = environment or {}
        self.http_port, self.grpc_port, self._raft, self._raft_rpc, self._profiling, self._gossip = free_ports(6)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As `EXPERTLOOP_INDEX_URL` wants it."""
        return f"weaviate+http://127.0.0.1:{self.http_port}?grpc={self.grpc_port}"

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> WeaviateServer:
        """Start it and wait until it says that it is ready."""
        log = self._folder / "server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._binary, "--host", "127.0.0.1", "--port", str(self.http_port), "--scheme", "http"],
                cwd=self._folder,
                env=self._server_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=die_with_us,
            )
        wait_until(self._is_ready, what=f"Weaviate, see {log}", limit_seconds=START_SECONDS, pause_seconds=0.1)
        return self

    def kill(self) -> None:
        """`kill -9`, as a crash does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ask it to end, and see to it."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=30)
        self.kill()

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"Weaviate ended with code {self._process.returncode}, see {self._folder}/server.log")
        ready = answers(f"http://127.0.0.1:{self.http_port}/v1/.well-known/ready")
        return ready and _is_listening(self.grpc_port)

    def _server_environment(self) -> dict[str, str]:
        # What is set outside for other Weaviates (ports, modules, keys) must not reach this one.
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "PERSISTENCE_DATA_PATH": str(self._folder / "data"),
            "CLUSTER_HOSTNAME": "node1",
            "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
            "CLUSTER_GOSSIP_BIND_PORT": str(self._gossip),
            "CLUSTER_DATA_BIND_PORT": str(self._gossip + 1),  # the server wants just this distance
            "RAFT_BOOTSTRAP_EXPECT": "1",
            "RAFT_PORT": str(self._raft),
            "RAFT_INTERNAL_RPC_PORT": str(self._raft_rpc),
            "GRPC_PORT": str(self.grpc_port),
            "GO_PROFILING_PORT": str(self._profiling),
            "DISABLE_TELEMETRY": "true",
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true",
            "DEFAULT_VECTORIZER_MODULE": "none",
            **self._environment,
        }


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on; the one after the last is free, too."""
    while True:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            bound = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
            ports = [int(server.getsockname()[1]) for server in bound]
            stack.enter_context(socket.create_server(("127.0.0.1", ports[-1] + 1)))
            return ports


def _is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
