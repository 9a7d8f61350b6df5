"""Several processes that train one adapter together, one a device: started here, watched here, ended here.

accelerate's launcher is not used: on processors it wants MPI, and on GPUs it is torchrun, which is another process
between us and those that train. What it would set is set by each process (`join_processes`).
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, NamedTuple

from tasks.errors import BackendUnavailable
from tasks.integrations.qlora.messages import Assignment, Failure, Told, rebuild_error, write_assignment
from tasks.settings import share_cores
from tasks.training_ports import Report, TrainingJob, TrainingOutcome

_WORKER = "tasks.integrations.qlora.worker"
_LOG_BYTES = 8000
_KILLED = (-signal.SIGKILL, -signal.SIGTERM)
"""Exit codes of a process that somebody else has ended; one that aborts has a reason of its own."""


class _Ended(NamedTuple):
    rank: int


class _Group:
    """The processes, and what they tell.

    Args:
        command: Starts one.
        count: Of processes.
        log: Takes what they print.
    """

    def __init__(self, command: Sequence[str], count: int, log: IO[bytes]) -> None:
        share_cores()
        pipe = subprocess.PIPE
        self.processes = [
            # In a session of its own: Ctrl-C is for us, who end them.
            subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, start_new_session=True)  # noqa: S603
            for _ in range(count)
        ]
        self._lines: SimpleQueue[Told | _Ended] = SimpleQueue()
        self._readers = [threading.Thread(target=self._read, args=[rank], daemon=True) for rank in range(count)]
        for reader in self._readers:
            reader.start()

    def _read(self, rank: int) -> None:
        output = self.processes[rank].stdout
        assert output
        for line in output:
            self._lines.put(Told.model_validate_json(line))
        self._lines.put(_Ended(rank))

    def assign(self, rank: int, assignment: Assignment) -> None:
        """Tell a process what to do; its input stays open, and ends with us."""
        pipe = self.processes[rank].stdin
        assert pipe
        # One that is dead already is noticed by the end of its output.
        with suppress(BrokenPipeError):
            pipe.write(write_assignment(assignment))
            pipe.flush()

    def listen(self) -> Iterator[Told]:
        """What they tell, until all have ended well or one has not: then also what the others had to say."""
        left = len(self.processes)
        while left:
            told = self._lines.get()
            if isinstance(told, Told):
                yield told
            elif self.processes[told.rank].wait():
                yield from self._give_up()
                return
            else:
                left -= 1

    def _give_up(self) -> Iterator[Told]:
        """One that was killed is dead before the others notice, so what each died of is asked before we kill."""
        self.exits = [one.poll() for one in self.processes]
        self.end()
        while not self._lines.empty():
            told = self._lines.get()
            if isinstance(told, Told):
                yield told

    exits: Sequence[int | None] = ()
    """Exit codes of a group that failed, negative for signals; None: it was still running."""

    def end(self) -> None:
        """Leave none running."""
        for one in self.processes:
            one.kill()
        for one, reader in zip(self.processes, self._readers, strict=True):
            one.wait()
            reader.join()
            assert one.stdin
            assert one.stdout
            with suppress(BrokenPipeError):
                one.stdin.close()
            one.stdout.close()


def train_in_group(
    job: TrainingJob,
    base: Path,
    *,
    micro: int,
    device: str,
    report: Report,
    command: Sequence[str] = (sys.executable, "-P", "-m", _WORKER),
) -> TrainingOutcome:
    """Train in `job.config.devices` processes, or go on from their last checkpoint.

    Args:
        base: The base model's folder.
        micro: Examples that each process computes at once.
        device: "cuda" or "cpu".
        report: Is told of each step.
        command: Starts a process that reads an assignment.

    Raises:
        TrainingDiverged, ConfigurationError, ArtifactCorrupt, MemoryError: As a process raised it.
        BackendUnavailable: A process was killed, or cannot write its checkpoint; running it again goes on.
        RuntimeError: A bug; its message ends with what the processes printed.
    """
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as folder:
        with _open_group(command, job.config.devices, log) as group:
            for rank in range(job.config.devices):
                group.assign(rank, Assignment(job, base, micro, device, rank, f"file://{folder}/meeting"))
            outcome, failure = _follow(group, report)
        if outcome and not group.exits:
            return outcome
        raise _explain(group.exits, failure, log)


@contextmanager
def _open_group(command: Sequence[str], count: int, log: IO[bytes]) -> Iterator[_Group]:
    with ExitStack() as stack:
        group = _Group(command, count, log)
        stack.callback(group.end)
        yield group


def _follow(group: _Group, report: Report) -> tuple[TrainingOutcome | None, Failure | None]:
    outcome, failure = None, None
    for told in group.listen():
        if told.progress:
            report(told.progress)
        outcome = told.outcome or outcome
        failure = failure or told.failure
    return outcome, failure


def _explain(exits: Sequence[int | None], failure: Failure | None, log: IO[bytes]) -> Exception:
    """A signal explains what the others complain of, and an error of ours what has none."""
    for place, code in enumerate(exits, start=1):
        if code in _KILLED:
            return BackendUnavailable(
                f"training process {place} of {len(exits)} was ended by signal {-code}",
                advice="run it again: it goes on from the last checkpoint; where memory is short the kernel sends 9: "
                "then lower micro_batch_examples",
            )
    if failure:
        return rebuild_error(failure)
    log.seek(0)
    said = log.read()[-_LOG_BYTES:].decode(errors="replace")
    return RuntimeError(f"a training process failed: exit codes {exits}\n{said}")
