"""What the server is made of: its collaborators, and what it holds while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from anyio import CapacityLimiter, to_thread

from expertloop.server.batching import Batcher
from expertloop.server.metrics import Metrics
from expertloop.server.rate import RateLimit
from expertloop.server.work import AnswerJob, AnswerQuestions, AnswerWork, SearchJob, SearchOutcome, SearchWork
from tasks.access_models import ReadableDocument
from tasks.access_ports import DocumentReader, KeyStore, PageRenderer, QuestionStore, ServedLog, TokenReader
from tasks.answer_models import Answer, Question
from tasks.answering.once import KeptAnswers
from tasks.cases.collect import Collector
from tasks.cases_ports import CaseStore
from tasks.deployment_ports import FlowServer
from tasks.errors import ProductError, TransientError
from tasks.ports import Searcher
from tasks.settings import Settings
from tasks.telemetry_models import Backlog
from tasks.telemetry_ports import Telemetry
from tasks.wiring import Application

logger = logging.getLogger(__name__)

DAY_SECONDS = 24 * 60 * 60
PREPARE_AGAIN_SECONDS = 5
DATABASE_THREADS = 8
"""Fewer than the connections that SQLAlchemy's pool gives out, so that nobody waits for one in vain."""
RENDER_THREADS = 2


class Collaborators(NamedTuple):
    """What the server needs of the product; tests pass fakes."""

    settings: Settings
    answer_questions: AnswerQuestions
    searcher: Searcher
    expand_questions: Callable[[Sequence[Question]], list[Question]]
    keys: KeyStore
    tokens: TokenReader | None
    documents: DocumentReader
    open_original: Callable[[ReadableDocument], AbstractContextManager[Path]]
    pages: PageRenderer
    log: ServedLog
    questions: QuestionStore
    kept_answers: KeptAnswers
    flow_server: FlowServer | None
    prepare: Callable[[], None]
    find_faults: Callable[[], Sequence[str]]
    serving_collection: Callable[[], str | None]
    cases: CaseStore
    read_backlog: Callable[[], Backlog]
    telemetry: Telemetry
    find_collector: Callable[[str, str], Collector | None]


def collect(app: Application) -> Collaborators:
    """The real ones; opens the database.

    Raises:
        BackendUnavailable: It does not answer.
        ConfigurationError: It, or the identity provider, is set wrongly.
    """
    return Collaborators(
        settings=app.settings,
        answer_questions=app.answer_questions,
        searcher=app.searcher,
        expand_questions=app.expand_questions,
        keys=app.keys,
        tokens=app.tokens,
        documents=app.passages,
        open_original=app.open_original,
        pages=app.pages,
        log=app.served,
        questions=app.answers,
        kept_answers=app.kept_answers,
        flow_server=app.flow_server,
        prepare=app.prepare_serving,
        find_faults=app.find_faults,
        serving_collection=app.serving_collection,
        cases=app.cases,
        read_backlog=app.read_backlog,
        telemetry=app.telemetry,
        find_collector=app.find_collector,
    )


@dataclass
class Services:
    """The collaborators at work."""

    made_of: Collaborators
    prepared: bool = False
    not_prepared: str = "models are being loaded"
    _background: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = self.made_of.settings
        self.metrics = Metrics(self.made_of.read_backlog)
        self.threads = CapacityLimiter(DATABASE_THREADS)
        self.renderers = CapacityLimiter(RENDER_THREADS)
        # A thread each, which waits for its answer: as many as may wait for one.
        self.keyed = CapacityLimiter(settings.queue_questions)
        self.rate = RateLimit(settings.rate_per_minute)
        work = AnswerWork(
            self.made_of.answer_questions,
            searcher=self.made_of.searcher,
            log=self.made_of.log,
            metrics=self.metrics,
            telemetry=self.made_of.telemetry,
            fallback=settings.extractive_fallback,
        )
        self.answers: Batcher[AnswerJob, Answer] = Batcher(
            work, most_waiting=settings.queue_questions, timeout_seconds=settings.queue_timeout_seconds
        )
        # Searches have a thread of their own: they take milliseconds and need not wait for a generator.
        self.searches: Batcher[SearchJob, SearchOutcome] = Batcher(
            SearchWork(self.made_of.searcher, expand=self.made_of.expand_questions, log=self.made_of.log),
            most_waiting=settings.queue_questions,
            timeout_seconds=settings.queue_timeout_seconds,
        )
        self.metrics.waiting.set_function(lambda: self.answers.waiting + self.searches.waiting)

    def start(self) -> None:
        """Begin what goes on beside the requests."""
        self.made_of.telemetry.export(self.metrics.measure)
        self._background = [asyncio.create_task(self._prepare()), asyncio.create_task(self._prune_daily())]

    async def stop(self) -> None:
        """End it; requests are answered by now."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await to_thread.run_sync(self.answers.close)
        await to_thread.run_sync(self.searches.close)

    async def _prepare(self) -> None:
        """Load the models while the server already says that it lives."""
        while not self.prepared:
            try:
                await to_thread.run_sync(self.made_of.prepare)
                self.prepared = True
            except ProductError as error:
                self.not_prepared = error.message
                logger.warning("models cannot be loaded error=%s advice=%s", error.message, error.advice)
                if not isinstance(error, TransientError):
                    return
                await asyncio.sleep(PREPARE_AGAIN_SECONDS)

    async def _prune_daily(self) -> None:
        while True:
            before = datetime.now(UTC) - timedelta(days=self.made_of.settings.audit_days)
            try:
                forgotten = await to_thread.run_sync(self.made_of.log.prune, before, limiter=self.threads)
                asked = await to_thread.run_sync(self.made_of.questions.prune, before, limiter=self.threads)
                logger.info("audit pruned entries=%s questions=%s", forgotten, asked)
            except TransientError as error:
                logger.warning("audit not pruned today error=%s", error.message)
            await asyncio.sleep(DAY_SECONDS)
