"""What a worker process may not do: outlive its parent, eat the machine's memory, or speak to the network."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import resource
import signal
import socket
import subprocess
import warnings
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_HEADROOM_BYTES = 256 * 2**20
_LIBC = ctypes.CDLL(None, use_errno=True)


def restrict_worker(memory_bytes: int) -> None:
    """Run once at the start of each worker.

    Args:
        memory_bytes: Most private memory the process may have; at least 256 MiB above what it starts with.
    """
    die_with_parent()
    _let_fork_server_end()
    silence_libraries()
    subprocess.Popen = _MortalPopen  # type: ignore[misc]  # what we start (tesseract, pandoc) dies with us too
    limit_memory(memory_bytes)
    forbid_network()


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that forked it ends, even by `kill -9`."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def silence_libraries() -> None:
    """Keep the libraries' chatter off our output: stdout may be somebody's JSON, and a refusal says what matters."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)


def _let_fork_server_end() -> None:
    """Close the worker's copy of the pipe by which the fork server sees that the main process is gone.

    multiprocessing hands it to every child; with it, server and workers would keep each other alive for ever.
    """
    server: Any = forkserver._forkserver
    if server._forkserver_alive_fd is not None:
        os.close(server._forkserver_alive_fd)
        server._forkserver_alive_fd = None


class _MortalPopen(subprocess.Popen):  # type: ignore[type-arg]
    """Popen whose process does not outlive the worker."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        keywords.setdefault("preexec_fn", die_with_parent)
        super().__init__(*args, **keywords)


def limit_memory(memory_bytes: int) -> None:
    """Limit private writable memory; beyond it an allocation fails with MemoryError.

    RLIMIT_DATA, not RLIMIT_AS: numerical libraries and pandoc reserve address space that they never touch.
    """
    limit = max(memory_bytes, private_bytes() + _HEADROOM_BYTES)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def private_bytes() -> int:
    """What the kernel counts against RLIMIT_DATA now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def forbid_network() -> None:
    """Leave the network: an own empty network namespace where the kernel allows one, a Python guard everywhere."""
    if _LIBC.unshare(_CLONE_NEWNET) != 0:
        _LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    socket.socket.connect = _refuse  # type: ignore[method-assign]
    socket.socket.connect_ex = _refuse  # type: ignore[method-assign]
    socket.getaddrinfo = _refuse


def _refuse(*_arguments: object, **_keywords: object) -> Any:
    raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH) + ": reading a document makes no request")
