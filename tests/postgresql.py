"""A real PostgreSQL of the tests' own: started on a free port, killed and started again as a test needs it.

It is set up to be unlike SQLite where the product must not notice: German collation, another time zone, passwords.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NoReturn

import psutil
import psycopg
import pytest
from psycopg import sql

ROLE, PASSWORD = "expertloop", "geheim-7"
START_SECONDS = 60
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "Pacific/Auckland",
    "shared_buffers": "32MB",
    "max_connections": "60",
    # What a crash of the machine would lose; a killed server loses nothing by it.
    "fsync": "off",
    "full_page_writes": "off",
}


@cache
def find_binaries() -> Path | None:
    """The folder of `postgres` and `initdb`, the newest where several are installed; None without any."""
    found = shutil.which("postgres")
    installed = [Path(found).resolve()] if found else []
    installed += sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[4]), reverse=True)
    return next((path.parent for path in installed if (path.parent / "initdb").exists()), None)


class PostgreSQLServer:
    """One server in a temporary folder, run by an account that is not root, which PostgreSQL refuses."""

    def __init__(self, binaries: Path, settings: Mapping[str, str]) -> None:
        self._binaries = binaries
        self._settings = settings
        self._account = _find_account()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.port = _free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="expertloop-postgresql-"))
        self._data = self.folder / "data"

    def create(self) -> None:
        """Make the cluster."""
        if self._account:
            shutil.chown(self.folder, self._account)
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        subprocess.run(
            [
                self._binaries / "initdb", "--no-sync", f"--pgdata={self._data}", f"--username={ROLE}",
                "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C.UTF-8",
                "--locale-provider=icu", "--icu-locale=de",
            ],
            user=self._account, group=_group(self._account), extra_groups=[] if self._account else None,
            cwd=self.folder, check=True, capture_output=True,
        )  # fmt: skip

    def start(self) -> None:
        """Start it and wait until it answers; after a kill it recovers first."""
        settings = [f"--{name}={value}" for name, value in {**self._settings, "port": str(self.port)}.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, *settings],
                user=self._account, group=_group(self._account), extra_groups=[] if self._account else None,
                cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=_stop_with_us,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.05)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of it is stopped while the block runs: its connections stay open, and nothing answers."""
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        server.suspend()  # first: it starts no process any more; those there are may still end
        family = self._list_processes()
        try:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()
            yield
        finally:
            for process in reversed(family):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def kill(self) -> None:
        """`kill -9` for the server and every process of it, as if the machine had gone."""
        assert self._process is not None
        family = self._list_processes()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        psutil.wait_procs(family, timeout=START_SECONDS)

    def stop(self) -> None:
        """End it without waiting for its clients; the folder goes away."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=START_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    def create_database(self, *, template: str = "template0") -> str:
        """A new database; returns its name."""
        self._databases += 1
        name = f"test{self._databases}"
        self.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)),
        )
        return name

    def drop_database(self, name: str) -> None:
        """With whatever is still connected to it."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def execute(self, statement: sql.SQL | sql.Composed, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """One statement on a connection of its own; returns its rows, if it has any."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def dsn(self, database: str = "postgres") -> str:
        """What psycopg and psql connect with."""
        return f"postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def url(self, database: str) -> str:
        """What `EXPERTLOOP_DATABASE_URL` takes."""
        return f"postgresql+psycopg://{ROLE}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def _list_processes(self) -> list[psutil.Process]:
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        return [postmaster, *postmaster.children(recursive=True)]

    def _answers(self) -> bool:
        try:
            self.execute(sql.SQL("SELECT 1"))
        except psycopg.OperationalError:
            return False
        return True


@contextlib.contextmanager
def running_postgresql(**settings: str) -> Iterator[PostgreSQLServer]:
    """A server for as long as the block runs; settings are postgresql.conf's, `fsync="on"` for example.

    Where none can be had the test is skipped and says so; with CI=true that is a failure.
    """
    binaries = find_binaries()
    if binaries is None:
        _give_up("PostgreSQL is not installed, so nothing was tested on it: make system-packages")
    if os.geteuid() == 0 and _find_account() is None:
        _give_up("PostgreSQL does not run as root, and there is no account postgres or nobody to run it as")
    server = PostgreSQLServer(binaries, _SETTINGS | settings)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _find_account() -> str | None:
    """Whom root runs the server as; None for everybody else, who runs it as themselves."""
    if os.geteuid() != 0:
        return None
    known = {account.pw_name for account in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


def _group(account: str | None) -> int | None:
    return pwd.getpwnam(account).pw_gid if account else None


def _stop_with_us() -> None:
    """In the child before it starts: the kernel ends the server when the tests are killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
