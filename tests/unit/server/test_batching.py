"""Many askers, one worker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from fastapi import HTTPException

from expertloop.server.batching import Batcher, work_apart
from tasks.errors import BackendUnavailable, ConfigurationError, ProductError


class Work:
    """Answers with the doubled number; holds each batch until it is let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.entered = threading.Semaphore(0)
        self.free = threading.Semaphore(0) if held else None

    def __call__(self, jobs: Sequence[int]) -> list[int | ProductError]:
        self.batches.append(list(jobs))
        self.threads.add(threading.get_ident())
        self.entered.release()
        if self.free:
            self.free.acquire()
        return [2 * job if job >= 0 else ConfigurationError(f"{job} is negative") for job in jobs]


def batcher(
    work: Work, *, at_once: int = 32, most_waiting: int = 256, timeout_seconds: float = 60
) -> Batcher[int, int]:
    return Batcher(work, at_once=at_once, most_waiting=most_waiting, timeout_seconds=timeout_seconds)


async def enter(work: Work) -> None:
    """Until the worker is at its next batch."""
    await asyncio.to_thread(work.entered.acquire)


async def settle() -> None:
    """Until every task that can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_waits_while_the_worker_works_is_done_together() -> None:
    async def ask() -> None:
        work = Work(held=True)
        batch = batcher(work)
        first = asyncio.create_task(batch.run(1))
        await enter(work)
        others = [asyncio.create_task(batch.run(number)) for number in range(2, 7)]
        await settle()
        assert batch.waiting == 5
        assert work.free
        work.free.release(2)
        assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10, 12]
        assert work.batches == [[1], [2, 3, 4, 5, 6]]
        assert len(work.threads) == 1
        batch.close()

    asyncio.run(ask())


def test_no_batch_is_larger_than_allowed_and_order_is_kept() -> None:
    async def ask() -> None:
        work = Work()
        batch = batcher(work, at_once=3)
        assert await asyncio.gather(*(batch.run(number) for number in range(10))) == [2 * n for n in range(10)]
        assert work.batches == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
        batch.close()

    asyncio.run(ask())


def test_what_is_done_stays_when_a_later_one_is_told_to_come_back() -> None:
    def work(jobs: Sequence[str]) -> list[str]:
        if len(jobs) > 1 or jobs == ["bug"]:
            raise KeyError(jobs[0])
        if jobs == ["late"]:
            raise BackendUnavailable("not now", advice="later")
        return [job.upper() for job in jobs]

    first, bug, late, last = work_apart(work, ["a", "bug", "late", "b"])
    assert (first, last) == ("A", "B")
    assert isinstance(bug, KeyError)
    assert isinstance(late, BackendUnavailable)
    with pytest.raises(BackendUnavailable):
        work_apart(work, ["late"])


def test_an_error_of_one_job_is_its_own() -> None:
    async def ask() -> None:
        batch = batcher(Work())
        outcomes = await asyncio.gather(batch.run(1), batch.run(-1), batch.run(2), return_exceptions=True)
        assert (outcomes[0], outcomes[2]) == (2, 4)
        assert isinstance(outcomes[1], ConfigurationError)
        batch.close()

    asyncio.run(ask())


def test_a_bug_in_a_batch_reaches_its_askers_and_the_worker_goes_on() -> None:
    def work(jobs: Sequence[int]) -> list[int | ProductError]:
        if 0 in jobs:
            raise ZeroDivisionError
        return list(jobs)

    async def ask() -> None:
        batch = Batcher[int, int](work, most_waiting=9, timeout_seconds=9)
        outcomes = await asyncio.gather(batch.run(0), batch.run(1), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError, ZeroDivisionError]
        assert await batch.run(3) == 3
        batch.close()

    asyncio.run(ask())


def test_when_too_many_wait_the_next_is_sent_away_with_a_time_to_come_back() -> None:
    async def ask() -> None:
        work = Work(held=True)
        batch = batcher(work, most_waiting=2)
        running = asyncio.create_task(batch.run(0))
        await enter(work)
        waiting = [asyncio.create_task(batch.run(number)) for number in (1, 2)]
        await settle()
        with pytest.raises(HTTPException) as caught:
            await batch.run(3)
        assert caught.value.status_code == 503
        assert int((caught.value.headers or {})["Retry-After"]) > 0
        assert work.free
        work.free.release(2)
        assert await asyncio.gather(running, *waiting) == [0, 2, 4]
        batch.close()

    asyncio.run(ask())


def test_a_question_that_is_not_begun_in_time_is_sent_away_and_never_worked_on() -> None:
    async def ask() -> None:
        work = Work(held=True)
        batch = batcher(work, timeout_seconds=0.05)
        running = asyncio.create_task(batch.run(0))
        await enter(work)
        with pytest.raises(HTTPException) as caught:
            await batch.run(1)
        assert caught.value.status_code == 503
        assert work.free
        work.free.release()
        # What is begun may take longer than that.
        assert await running == 0
        assert (work.batches, batch.waiting) == ([[0]], 0)
        batch.close()

    asyncio.run(ask())


def test_who_goes_away_before_the_beginning_is_not_worked_for() -> None:
    async def ask() -> None:
        work = Work(held=True)
        batch = batcher(work)
        running = asyncio.create_task(batch.run(0))
        await enter(work)
        gone, stays = asyncio.create_task(batch.run(1)), asyncio.create_task(batch.run(2))
        await settle()
        gone.cancel()
        await settle()
        assert work.free
        work.free.release(2)
        assert [await running, await stays] == [0, 4]
        assert work.batches == [[0], [2]]
        batch.close()

    asyncio.run(ask())


def test_who_goes_away_during_the_work_does_not_disturb_the_others() -> None:
    async def ask() -> None:
        work = Work(held=True)
        batch = batcher(work)
        first = asyncio.create_task(batch.run(1))
        await enter(work)
        gone, stays = asyncio.create_task(batch.run(2)), asyncio.create_task(batch.run(3))
        await settle()
        assert work.free
        work.free.release()
        await enter(work)
        gone.cancel()
        await settle()
        work.free.release()
        assert [await first, await stays] == [2, 6]
        batch.close()

    asyncio.run(ask())
