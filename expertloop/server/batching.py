"""Many askers at once, one worker: what waits is worked off together.

The models compute best in batches and one at a time, so a single thread takes everything that waits, up to `at_once`,
and does it in one call; meanwhile the next batch gathers by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

from expertloop.server.problems import RETRY_AFTER_SECONDS, refuse
from tasks.errors import TransientError

Job = TypeVar("Job")
Result = TypeVar("Result")

AT_ONCE = 32


class _Waiting(NamedTuple, Generic[Job, Result]):
    job: Job
    begun: asyncio.Event
    outcome: asyncio.Future[Result | Exception]


def work_apart(work: Callable[[Sequence[Job]], Sequence[Result]], jobs: Sequence[Job]) -> list[Result | Exception]:
    """All jobs in one call; where that fails, one by one, so that nobody pays for a neighbour's.

    Raises:
        TransientError: What is behind does not answer, so none of them can be done now.
    """
    try:
        return [*work(jobs)]
    except TransientError:
        raise
    except Exception as error:  # noqa: BLE001 (a bug that one question meets is told to its asker alone)
        if len(jobs) == 1:
            return [error]
        return [_work_alone(work, job) for job in jobs]


def _work_alone(work: Callable[[Sequence[Job]], Sequence[Result]], job: Job) -> Result | Exception:
    try:
        return work([job])[0]
    except Exception as error:  # noqa: BLE001 (as above; and what its neighbours were told already stays)
        return error


class Batcher(Generic[Job, Result]):
    """Runs jobs in batches on a thread of its own.

    Args:
        work: Does a batch; one result or error a job, in their order. What it raises, all of the batch get.
        at_once: Largest batch.
        most_waiting: Further jobs are refused.
        timeout_seconds: A job that was not begun by then is refused.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Job]], Sequence[Result | Exception]],
        *,
        at_once: int = AT_ONCE,
        most_waiting: int,
        timeout_seconds: float,
    ) -> None:
        self._work = work
        self._at_once = at_once
        self._most_waiting = most_waiting
        self._timeout_seconds = timeout_seconds
        self._waiting: deque[_Waiting[Job, Result]] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._running: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many jobs are not begun."""
        return len(self._waiting)

    async def run(self, job: Job) -> Result:
        """The job's result.

        Raises:
            HTTPException: 503: too many wait, or it waited too long.
            Exception: What `work` made of it.
        """
        if len(self._waiting) >= self._most_waiting:
            raise _refuse_busy("too many questions wait")
        mine = _Waiting[Job, Result](job, asyncio.Event(), asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._work_off())
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await mine.begun.wait()
        except TimeoutError as error:
            if not mine.begun.is_set():
                raise _refuse_busy("the question was not begun in time") from error
        finally:
            # Also when the asker went away: nobody is there to read what would be computed.
            with suppress(ValueError):
                self._waiting.remove(mine)
        outcome = await mine.outcome
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        """End the thread, when what it does is done."""
        self._thread.shutdown(wait=True)

    async def _work_off(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._at_once, len(self._waiting)))]
            for one in batch:
                one.begun.set()
            call = asyncio.get_running_loop().run_in_executor(self._thread, self._work, [one.job for one in batch])
            await asyncio.wait([call])
            _hand_out(batch, call)


def _hand_out(batch: Sequence[_Waiting[Job, Result]], call: asyncio.Future[Sequence[Result | Exception]]) -> None:
    """Give everyone in the batch a result, or all of them the exception; some may have left."""
    error = call.exception()
    outcomes = [] if error else call.result()
    for place, one in enumerate(batch):
        if one.outcome.done():
            continue
        if error:
            one.outcome.set_exception(error)
        else:
            one.outcome.set_result(outcomes[place])


def _refuse_busy(message: str) -> Exception:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return refuse(503, "busy", message, f"try again in {RETRY_AFTER_SECONDS} s", headers)
