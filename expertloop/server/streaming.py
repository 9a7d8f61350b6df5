"""An answer on its way to somebody who reads along: what was found, each sentence once it is verified, then the whole.

What was sent is the beginning of the answer, or it is taken back by name: after `Retracted` the sentences begin anew.
That happens when a document was withdrawn or changed, or the generator broke off, between a sentence and the end. Who
reads slowly holds up nobody: at most one answer waits here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import NamedTuple

from expertloop.server.events import Piece, split_pieces
from expertloop.server.once import give_answer
from expertloop.server.services import Services
from expertloop.server.work import AnswerJob
from tasks.answer_models import Answer, Citation
from tasks.models import Hit


class Found(NamedTuple):
    """What the search found."""

    hits: Sequence[Hit]


class Retracted(NamedTuple):
    """Nothing of the sentences so far holds."""


class Replayed(NamedTuple):
    """What follows was given before, under this id."""

    answer_id: str


class Told(NamedTuple):
    """The whole answer; unless something was retracted, the pieces before it are its text."""

    answer: Answer


Part = Found | Replayed | Piece | Retracted | Told


class _Heard(NamedTuple):
    text: str
    citations: tuple[Citation, ...]


class _Ear:
    """The `Listener` port: hands what the worker's thread tells over to the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[Found | _Heard | None] = asyncio.Queue()
        self._has_seen = False
        self.has_left = False

    def see(self, hits: Sequence[Hit]) -> None:
        """What was found first: a question of several parts, or one that is asked again, is searched several times."""
        if self._has_seen:
            return
        self._has_seen = True
        self._loop.call_soon_threadsafe(self._waiting.put_nowait, Found(hits))

    def hear(self, text: str, citations: tuple[Citation, ...]) -> None:
        """What the answer begins with."""
        self._loop.call_soon_threadsafe(self._waiting.put_nowait, _Heard(text, citations))

    def end(self, _: object) -> None:
        """There is nothing more to hear."""
        self._waiting.put_nowait(None)

    async def take(self) -> Found | _Heard | None:
        """The next of it; None at the end."""
        return await self._waiting.get()


class _Sent:
    """How much of an answer went out."""

    def __init__(self) -> None:
        self._text = ""

    def extend(self, text: str, citations: Sequence[Citation]) -> Iterator[Piece | Retracted]:
        """What must be sent so that the text is what was sent."""
        yield from self.retract_unless(text)
        start, self._text = len(self._text), text
        yield from split_pieces(text, citations, start=start)

    def retract_unless(self, text: str) -> Iterator[Retracted]:
        """Take back what does not begin the text."""
        if not text.startswith(self._text):
            self._text = ""
            yield Retracted()


async def follow_answer(services: Services, job: AnswerJob, key: str | None = None) -> AsyncGenerator[Part]:
    """The answer as it comes; whoever stops reading ends the writing, except with a key: the answer will be asked for.

    Raises:
        ProductError, HTTPException: There is no answer; sentences that were sent are retracted first.
    """
    ear, sent = _Ear(), _Sent()
    listening = job._replace(on_hits=ear.see, listener=ear)
    answering = asyncio.create_task(give_answer(services, listening, key))
    answering.add_done_callback(ear.end)
    try:
        while (one := await ear.take()) is not None:
            if isinstance(one, Found):
                yield one
            else:
                for part in sent.extend(*one):
                    yield part
        if answering.exception():
            for part in sent.retract_unless(""):
                yield part
        answer, replayed = await answering
        if replayed and answer.id:
            yield Replayed(answer.id)
        for part in sent.extend(answer.text, answer.citations):
            yield part
        yield Told(answer)
    finally:
        # Also when the asker goes away: a question that was not begun is taken back.
        ear.has_left = key is None
        answering.cancel()
