"""Answers by key: the same request sent twice is answered once."""

from __future__ import annotations

import asyncio
from functools import partial

from anyio import to_thread

from expertloop.server.services import Services
from expertloop.server.work import AnswerJob, note_replay
from tasks.answer_models import Answer
from tasks.answering.once import Given
from tasks.errors import DeadlineExceeded


async def give_answer(services: Services, job: AnswerJob, key: str | None) -> Given:
    """The job's answer; with a key, the one that was given before when there is one.

    An asker that goes away leaves a keyed question to be answered: it will come back with the key.

    Raises:
        DeadlineExceeded: The asker's time is over; what waits is not begun any more.
    """
    seconds = job.question.within_seconds
    try:
        async with asyncio.timeout(seconds):
            return await _give(services, job, key)
    except TimeoutError as error:
        raise DeadlineExceeded(
            f"there is no answer within {seconds:g} s", advice="give it more time, or ask when less waits"
        ) from error


def describe_replay(given: Given) -> dict[str, str]:
    """The header that says so when the answer had been given before."""
    return {"Idempotent-Replayed": "true"} if given.replayed else {}


async def _give(services: Services, job: AnswerJob, key: str | None) -> Given:
    job = job._replace(origin=services.made_of.telemetry.find_origin())
    if key is None:
        return Given(await services.answers.run(job), replayed=False)
    loop = asyncio.get_running_loop()

    def answer() -> Answer:
        return asyncio.run_coroutine_threadsafe(services.answers.run(job), loop).result()

    once = partial(services.made_of.kept_answers.answer_once, job.question, key, answer)
    given = await to_thread.run_sync(once, limiter=services.keyed, abandon_on_cancel=True)
    if given.replayed:
        entry = note_replay(job, given.answer)
        await to_thread.run_sync(services.made_of.log.record, [entry], limiter=services.threads)
    return given
