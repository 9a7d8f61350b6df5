"""Runs a function over a stream of jobs in worker processes that may hang, crash or run out of memory."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver, process
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import ModuleType
from typing import Any, TypeVar

from tasks.errors import BackendUnavailable

Job = TypeVar("Job")
Result = TypeVar("Result")

_TASKS_PER_WORKER = 500
"""A worker is replaced after this many files, so that a library's leak stays small."""

_PRELOAD = "tasks.integrations.unstructured.preload"


class _WorkerProcess(ForkServerProcess):
    """A process that does not import the parent's main module again, which may be Prefect's engine or a script."""

    @staticmethod
    def _Popen(process_obj: process.BaseProcess) -> Any:  # noqa: N802 (multiprocessing's name)
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return ForkServerProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = main


class _WorkerContext(ForkServerContext):
    Process = _WorkerProcess


def warm_up() -> None:
    """Start the fork server in the background; it loads the readers while the caller goes on."""
    multiprocessing.get_context("forkserver").set_forkserver_preload([_PRELOAD])
    forkserver.ensure_running()


def run_jobs(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    workers: int,
    timeout_seconds: float,
    initializer: Callable[..., None],
    initargs: tuple[object, ...],
) -> Iterator[tuple[Job, Future[Result]]]:
    """Yield each job with its finished future, in any order; at most two jobs a worker are taken ahead.

    A future's exception is TimeoutError (it was killed at `timeout_seconds`), `pebble.ProcessExpired` (it crashed), or
    what `function` raised.

    Raises:
        BackendUnavailable: The pool itself broke; jobs not yielded yet were not done.
    """
    import pebble

    warm_up()
    pool = pebble.ProcessPool(
        workers, max_tasks=_TASKS_PER_WORKER, initializer=initializer, initargs=initargs, context=_WorkerContext()
    )
    pending: dict[Future[Result], Job] = {}
    try:
        for job in jobs:
            pending[pool.schedule(function, args=(job,), timeout=timeout_seconds)] = job
            if len(pending) >= 2 * workers:
                yield from _take_finished(pending)
        while pending:
            yield from _take_finished(pending)
    except BrokenProcessPool as error:
        raise BackendUnavailable("the partition workers broke down", advice="run it again") from error
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


def _take_finished(pending: dict[Future[Result], Job]) -> Iterator[tuple[Job, Future[Result]]]:
    finished, _ = wait(pending, return_when=FIRST_COMPLETED)
    for future in finished:
        job = pending.pop(future)
        error = future.exception()
        if isinstance(error, BrokenProcessPool):
            raise error
        yield job, future
