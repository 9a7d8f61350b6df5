"""What a file can do to the process that reads it. Workers import these by name."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path


def run_job(job: tuple[str, object]) -> object:
    """Do what the job's name says with its argument."""
    name, argument = job
    return globals()[name](argument)


def double(number: int) -> int:
    return 2 * number


def hang(_: object) -> None:
    threading.Event().wait()


def leave(code: int) -> None:
    os._exit(code)


def segfault(_: object) -> None:
    ctypes.string_at(0)


def eat_memory(mebibytes: int) -> int:
    blocks = [bytearray(2**20) for _ in range(mebibytes)]
    return len(blocks)


def eat_memory_at_once(mebibytes: int) -> int:
    return len(b"x" * (mebibytes * 2**20))


def fail(message: str) -> None:
    raise KeyError(message)


def name_main_module(_: object) -> str:
    return str(getattr(sys.modules["__main__"], "__file__", None))


def hang_with_child(file: str) -> None:
    child = subprocess.Popen(["sleep", "1000"])
    Path(file).with_suffix(".tmp").write_text(f"{os.getpid()} {child.pid}")
    Path(file).with_suffix(".tmp").rename(file)
    threading.Event().wait()


def connect(address: tuple[str, int]) -> str:
    """How far a request gets, by each way to make one."""
    tried = []
    with socket.socket() as plain:
        tried.append(_outcome(lambda: plain.connect(address)))
    tried.append(_outcome(lambda: socket.create_connection(address, timeout=5).close()))
    tried.append(_outcome(lambda: urllib.request.urlopen(f"http://{address[0]}:{address[1]}/", timeout=5).close()))
    tried.append(_outcome(lambda: socket.getaddrinfo("example.com", 80)))
    return " ".join(tried)


def _outcome(attempt: object) -> str:
    try:
        attempt()  # type: ignore[operator]
    except OSError:
        return "refused"
    return "LEFT"
