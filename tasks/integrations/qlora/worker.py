"""One of several processes that train together: `python -m tasks.integrations.qlora.worker`, started by `group.py`.

Its first line of input is its assignment. What it tells goes, a line each, to what was its standard output; what
libraries print goes to standard error. It ends when its input ends, which is when whoever started it has ended.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable

from tasks.errors import ProductError
from tasks.integrations.qlora.messages import Assignment, Told, describe_failure, read_assignment
from tasks.settings import join_processes
from tasks.training_ports import TrainingOutcome, TrainingProgress

_LEFT_ALONE = 3
"""Exit code of a process whose starter has ended."""
_FAILED = 1


def main() -> int:
    """Train, and tell how it went."""
    assignment = read_assignment(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_starter, daemon=True).start()
    out = _take_output()

    def tell(told: Told) -> None:
        out.write(told.model_dump_json(exclude_none=True, exclude_defaults=True) + "\n")
        out.flush()

    try:
        outcome = _train(assignment, lambda progress: tell(Told(progress=progress)))
    except (ProductError, RuntimeError, MemoryError) as error:
        # Raised again where we were started; a bug stays a traceback here.
        failure = describe_failure(error)
        if failure is None:
            raise
        tell(Told(failure=failure))
        return _FAILED
    if assignment.rank == 0:
        tell(Told(outcome=outcome))
    return 0


def _end_with_starter() -> None:
    # Not by `sys.stdin`, whose lock this thread would still hold when we end.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(_LEFT_ALONE)


def _take_output() -> io.TextIOWrapper:
    """Our standard output for ourselves; from now on the name means standard error."""
    taken = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(taken, "w", encoding="utf-8")


def _train(assignment: Assignment, report: Callable[[TrainingProgress], None]) -> TrainingOutcome:
    """Meet the others, then train as a process does alone; only the first one reports."""
    job = assignment.job
    join_processes(assignment.rank, job.config.devices, shared=job.config.strategy == "fsdp")

    import torch

    from tasks.integrations.causal_models import load_tokenizer
    from tasks.integrations.qlora.loading import load_trainable
    from tasks.integrations.qlora.quiet import quiet_vendors
    from tasks.integrations.qlora.running import run_training

    gpu = assignment.device == "cuda"
    if gpu:
        torch.cuda.set_device(assignment.rank)
    torch.distributed.init_process_group(
        # Sharded weights are collected on the processor.
        "cuda:nccl,cpu:gloo" if gpu else "gloo",
        init_method=assignment.meeting,
        rank=assignment.rank,
        world_size=job.config.devices,
    )
    with quiet_vendors():
        outcome = run_training(
            job,
            assignment.base,
            load_tokenizer(assignment.base),
            micro=assignment.micro,
            device=assignment.device,
            load=load_trainable,
            report=report if assignment.rank == 0 else _keep_quiet,
        )
    torch.distributed.destroy_process_group()
    return outcome


def _keep_quiet(_: TrainingProgress) -> None:
    """The others see the same steps."""


if __name__ == "__main__":
    sys.exit(main())
