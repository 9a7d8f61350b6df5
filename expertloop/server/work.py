"""What the worker does with a batch: answer it, note for the audit what was shown, survive a generator that is down."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, Protocol

from expertloop.server.batching import work_apart
from expertloop.server.metrics import Metrics
from tasks.access_models import AuditEntry, Caller, ServedAnswer
from tasks.access_ports import AuditLog
from tasks.answer_models import Answer, Citation, Expansion, Question
from tasks.errors import DeadlineExceeded, RateLimited, TransientError
from tasks.models import Hit, SearchFilter, derive_id, hash_text
from tasks.ports import Listener, Searcher
from tasks.telemetry_ports import Fact, Origin, Telemetry

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 10.0
"""A generator that did not answer is not asked for so long; else every batch would wait for its time limit."""


class AnswerQuestions(Protocol):
    """`Application.answer_questions`."""

    def __call__(
        self,
        questions: Sequence[Question],
        *,
        searcher: Searcher,
        generate: bool,
        listeners: Sequence[Listener | None] = (),
    ) -> list[Answer]:
        """One answer a question; quoted from the documents when not `generate`."""


class AnswerJob(NamedTuple):
    """One question of one caller; `on_hits` is called from the worker's thread as soon as something is found."""

    question: Question
    caller: Caller
    request_id: str
    on_hits: Callable[[Sequence[Hit]], None] | None = None
    deadline: float | None = None
    """Of the work's clock; nobody reads an answer that is later."""
    listener: Listener | None = None
    """Called from the thread that generates."""
    origin: Origin | None = None
    """The request, as telemetry knows it."""


class SearchJob(NamedTuple):
    """One search of one caller."""

    question: Question
    caller: Caller
    request_id: str
    limit: int


def ask_as(caller: Caller, request_id: str, text: str) -> Question:
    """The question as its caller asks it, under the id that the answer will have."""
    answer_id = derive_id("served-answer", caller.tenant, caller.principal, request_id, hash_text(text))
    return Question(id=answer_id, text=text, principals=caller.principals, tenant=caller.tenant)


def make_job(
    caller: Caller,
    request_id: str,
    text: str,
    *,
    narrow: SearchFilter | None = None,
    token_budget: int | None = None,
    within_seconds: float | None = None,
) -> AnswerJob:
    """The question as its caller asks it, whose time begins now."""
    terms = {"filter": narrow or SearchFilter(), "token_budget": token_budget, "within_seconds": within_seconds}
    deadline = None if within_seconds is None else time.monotonic() + within_seconds
    return AnswerJob(ask_as(caller, request_id, text).model_copy(update=terms), caller, request_id, deadline=deadline)


class AnswerWork:
    """Answers a batch of jobs.

    Args:
        answer: Answers questions.
        searcher: Finds passages.
        log: Keeps what was shown to whom.
        metrics: Counts.
        telemetry: Is told of each batch.
        fallback: Whether documents are quoted while the generator does not answer.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        answer: AnswerQuestions,
        *,
        searcher: Searcher,
        log: AuditLog,
        metrics: Metrics,
        telemetry: Telemetry,
        fallback: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answer_questions = answer
        self._searcher = searcher
        self._log = log
        self._metrics = metrics
        self._telemetry = telemetry
        self._fallback = fallback
        self._clock = clock
        self._ask_again_at = float("-inf")

    def __call__(self, jobs: Sequence[AnswerJob]) -> list[Answer | Exception]:
        """One answer or error a job; those whose time is over cost nothing."""
        origins = [job.origin for job in jobs if job.origin]
        with self._telemetry.span("answers", {"questions": len(jobs)}, origins) as span:
            outcomes = self._answer_in_time(jobs)
            for job, outcome in zip(jobs, outcomes, strict=True):
                span.add_event("answer", _tell(job, outcome))
            return outcomes

    def _answer_in_time(self, jobs: Sequence[AnswerJob]) -> list[Answer | Exception]:
        now = self._clock()
        begun = [_keep_time(job, now) for job in jobs if job.deadline is None or job.deadline > now]
        answered = iter(self._answer_jobs(begun) if begun else [])
        late = DeadlineExceeded("the time was over before the answer was begun", advice="give it more time")
        return [late if job.deadline is not None and job.deadline <= now else next(answered) for job in jobs]

    def _answer_jobs(self, jobs: Sequence[AnswerJob]) -> list[Answer | Exception]:
        searcher = _ReportingSearcher(self._searcher, jobs)
        now = datetime.now(UTC)
        jobs = [self._note_first(job, searcher, now) for job in jobs]
        outcomes = work_apart(partial(self._answer, searcher=searcher), jobs)
        answered = [(job, outcome) for job, outcome in zip(jobs, outcomes, strict=True) if isinstance(outcome, Answer)]
        self._log.record(
            [_audit(job, answer, searcher.shown[job.question.id or ""], now) for job, answer in answered],
            [_keep(job, answer, now) for job, answer in answered],
        )
        self._metrics.count_answers([answer for _, answer in answered])
        return outcomes

    def _note_first(self, job: AnswerJob, searcher: _ReportingSearcher, now: datetime) -> AnswerJob:
        """The job, whose listener hears nothing before the audit says so; the entry of the whole answer replaces it."""
        if job.listener is None:
            return job

        def note() -> None:
            entry = _audit(job, None, searcher.shown[job.question.id or ""], now)
            self._log.record([entry.model_copy(update={"action": "answer"})])

        return job._replace(listener=_NotedListener(job.listener, note))

    def _answer(self, jobs: Sequence[AnswerJob], searcher: Searcher) -> list[Answer]:
        questions, listeners = [job.question for job in jobs], [job.listener for job in jobs]
        if self._clock() < self._ask_again_at:
            return self._quote(questions, searcher)
        try:
            return self._answer_questions(questions, searcher=searcher, generate=True, listeners=listeners)
        except TransientError as error:
            if not self._fallback:
                raise
            # When it is the database or the index that is down, this fails, too.
            answers = self._quote(questions, searcher)
            wait = error.retry_after_seconds if isinstance(error, RateLimited) else 0.0
            self._ask_again_at = self._clock() + max(PAUSE_SECONDS, wait)
            self._metrics.generator_failures.inc()
            logger.warning("generator does not answer, documents are quoted error=%s", error.message)
            return answers

    def _quote(self, questions: Sequence[Question], searcher: Searcher) -> list[Answer]:
        answers = self._answer_questions(questions, searcher=searcher, generate=False)
        return [
            answer.model_copy(update={"versions": answer.versions | {"generator": "unavailable"}}) for answer in answers
        ]


def _keep_time(job: AnswerJob, now: float) -> AnswerJob:
    """The job with the time that waiting has left it."""
    if job.deadline is None:
        return job
    return job._replace(question=job.question.model_copy(update={"within_seconds": job.deadline - now}))


def _tell(job: AnswerJob, outcome: Answer | Exception) -> dict[str, Fact]:
    """What a trace says of an answer: how it went and what it cost, no word of it."""
    if isinstance(outcome, Exception):
        return {"request_id": job.request_id, "error": type(outcome).__name__}
    return {
        "request_id": job.request_id,
        "mode": outcome.mode,
        "reason": outcome.reason or "",
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.completion_tokens,
        **outcome.timings.model_dump(),
    }


class SearchOutcome(NamedTuple):
    """What a search found, and the other forms it searched."""

    hits: Sequence[Hit]
    expansions: tuple[Expansion, ...]


class SearchWork:
    """Searches for a batch of jobs.

    Args:
        searcher: Finds passages.
        expand: Looks up the questions' abbreviations.
        log: Keeps what was shown to whom.
    """

    def __init__(
        self, searcher: Searcher, *, expand: Callable[[Sequence[Question]], list[Question]], log: AuditLog
    ) -> None:
        self._searcher = searcher
        self._expand = expand
        self._log = log

    def __call__(self, jobs: Sequence[SearchJob]) -> list[SearchOutcome | Exception]:
        """The hits or the error of each job."""
        outcomes = work_apart(self._search, jobs)
        now = datetime.now(UTC)
        found = [(job, one) for job, one in zip(jobs, outcomes, strict=True) if isinstance(one, SearchOutcome)]
        self._log.record([_audit(job, None, _documents(one.hits), now) for job, one in found])
        return outcomes

    def _search(self, jobs: Sequence[SearchJob]) -> list[SearchOutcome]:
        """Those that want equally many hits are searched in one call."""
        places: dict[int, list[int]] = defaultdict(list)
        for place, job in enumerate(jobs):
            places[job.limit].append(place)
        questions = self._expand([job.question for job in jobs])
        found: dict[int, SearchOutcome] = {}
        for limit, those in places.items():
            hits = self._searcher.search([questions[place] for place in those], limit=limit)
            for place, some in zip(those, hits, strict=True):
                found[place] = SearchOutcome(some, questions[place].expansions or ())
        return [found[place] for place in range(len(jobs))]


class _NotedListener:
    """Has a note made before anything is heard."""

    def __init__(self, listener: Listener, note: Callable[[], None]) -> None:
        self._listener = listener
        self._note = note
        self._noted = False

    def hear(self, text: str, citations: tuple[Citation, ...]) -> None:
        """Pass on what is noted; what cannot be noted is not heard."""
        if not self._noted:
            self._note()
            self._noted = True
        self._listener.hear(text, citations)

    @property
    def has_left(self) -> bool:
        """Whether the listener has."""
        return self._listener.has_left


class _ReportingSearcher:
    """Tells each job what was found, and remembers which documents that were."""

    def __init__(self, searcher: Searcher, jobs: Sequence[AnswerJob]) -> None:
        self._searcher = searcher
        self._listeners: Mapping[str | None, Callable[[Sequence[Hit]], None]] = {
            job.question.id: job.on_hits for job in jobs if job.on_hits
        }
        self.shown: dict[str, tuple[str, ...]] = defaultdict(tuple)

    def search(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        """The hits, reported before they are returned."""
        found = self._searcher.search(questions, limit=limit)
        for question, hits in zip(questions, found, strict=True):
            self.shown[question.id or ""] += _documents(hits)
            if question.id in self._listeners:
                self._listeners[question.id](hits)
        return found


def _documents(hits: Sequence[Hit]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(hit.passage.document_id for hit in hits))


def note_replay(job: AnswerJob, answer: Answer) -> AuditEntry:
    """For the audit: an answer that was given before is shown again."""
    return _audit(job, answer, [citation.document_id for citation in answer.citations], datetime.now(UTC))


def _audit(job: AnswerJob | SearchJob, answer: Answer | None, document_ids: Sequence[str], at: datetime) -> AuditEntry:
    return AuditEntry(
        request_id=job.request_id,
        action="answer" if answer else "search",
        tenant=job.caller.tenant,
        principal=job.caller.principal,
        key_id=job.caller.key_id,
        at=at,
        question_hash=hash_text(job.question.text),
        document_ids=tuple(sorted(set(document_ids))),
        mode=answer.mode if answer else None,
        reason=answer.reason if answer else None,
    )


def _keep(job: AnswerJob, answer: Answer, at: datetime) -> ServedAnswer:
    return ServedAnswer(
        answer_id=job.question.id or "",
        tenant=job.caller.tenant,
        principal=job.caller.principal,
        principals=tuple(sorted(job.caller.principals)),
        at=at,
        answer=answer,
    )
