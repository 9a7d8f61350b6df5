"""Processes that run together: each starts again when it dies, and all end with whoever started them."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from expertloop.tether import Tether
from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.settings import read_variables, share_cores

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
HEALTHY_SECONDS = 60.0
"""A process that lived so long starts anew with the first pause."""
STOP_SECONDS = 30.0
LOOK_SECONDS = 0.2

Say = Callable[[str], None]


class Child:
    """One process, and its next life.

    Args:
        name: For messages and the log's name.
        command: Program and arguments.
        log: Gets what it prints; appended.
        environment: Of the process.
        say: Is told when it dies.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        say: Say,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._say = say
        self._clock = clock
        self._pause = FIRST_PAUSE_SECONDS
        self._start_at = clock()
        self._process: subprocess.Popen[bytes] | None = None
        self.watch()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self._process.pid if self._process else None

    def watch(self) -> None:
        """Start it when it is time to; notice its death."""
        if self._process is None:
            if self._clock() >= self._start_at:
                self._started = self._clock()
                self._process = self._start()
        elif (code := self._process.poll()) is not None:
            self._process = None
            self._plan_restart(code)

    def ask_to_end(self) -> None:
        """SIGTERM."""
        if self._process:
            self._process.send_signal(signal.SIGTERM)

    def has_ended(self) -> bool:
        """Whether nothing of it runs."""
        return self._process is None or self._process.poll() is not None

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for us, who end them in order
            )

    def _plan_restart(self, code: int) -> None:
        if self._clock() - self._started >= HEALTHY_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._say(f"{self.name} {ended}; it is started again in {self._pause:g} s; its log: {self.log}")
        self._start_at = self._clock() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)


class Supervisor:
    """Starts, watches and ends; a context, to be entered by the main thread.

    Args:
        logs: A folder for one log a process.
        say: Is told what a person should know.
    """

    def __init__(self, logs: Path, say: Say) -> None:
        self._logs = logs
        self._say = say
        self._stop = threading.Event()
        self._children: list[Child] = []

    def __enter__(self) -> Supervisor:
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {self._logs}: {error.strerror}", advice="set EXPERTLOOP_HOME to a folder you may write"
            ) from error
        self._tether = Tether()
        share_cores()
        for wanted in (signal.SIGINT, signal.SIGTERM):
            signal.signal(wanted, lambda *_: self._stop.set())
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.clear()
        # The first to start is the last to end: the others tell it of their ends.
        for group in (self._children[:0:-1], self._children[:1]):
            self._end(group)
        self._tether.pull()

    def start(self, name: str, *arguments: str) -> Child:
        """A module of Python, run as a process from now on."""
        # -P: a folder `tasks` or `flows` where the command is called is not ours.
        command = [sys.executable, "-P", "-m", *arguments]
        log = self._logs / f"{name.replace(' ', '-')}.log"
        child = Child(name, command, log=log, environment={**read_variables(), **self._tether.mark}, say=self._say)
        self._children.append(child)
        return child

    def wait_for(self, condition: Callable[[], bool], child: Child, *, limit_seconds: float) -> None:
        """Watch until the condition holds.

        Raises:
            KeyboardInterrupt: Somebody asks for the end.
            BackendUnavailable: It does not hold in time.
        """
        deadline = time.monotonic() + limit_seconds
        while not condition():
            if self._stop.is_set():
                raise KeyboardInterrupt
            if time.monotonic() > deadline:
                raise BackendUnavailable(f"{child.name} does not get ready", advice=f"its reasons are in {child.log}")
            self._look()

    def watch(self) -> None:
        """Watch until somebody asks for the end."""
        while not self._stop.is_set():
            self._look()

    def _look(self) -> None:
        for child in self._children:
            child.watch()
        self._stop.wait(LOOK_SECONDS)

    def _end(self, children: Sequence[Child]) -> None:
        """Ask, and wait; asked for the end once more, we do not wait."""
        for child in children:
            child.ask_to_end()
        deadline = time.monotonic() + STOP_SECONDS
        while not all(child.has_ended() for child in children) and time.monotonic() < deadline:
            if self._stop.wait(LOOK_SECONDS):
                return
