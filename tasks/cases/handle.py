"""From cases to outcomes: screened, classified, asked and answered together, decided one by one, kept in one commit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from tasks.answer_models import Answer, Question
from tasks.case_models import (
    Asked,
    Case,
    Decision,
    HandledCase,
    Outcome,
    OutgoingMessage,
    Step,
    derive_message_id,
)
from tasks.cases.asking import find_questions
from tasks.cases.classify import Classified, Classifier
from tasks.cases.decide import Decided, decide_case
from tasks.cases.extract import Extracted, extract_fields
from tasks.cases.process import Process
from tasks.cases.reply import reply_to, write_reply
from tasks.cases.screen import Screened, screen_case
from tasks.cases_ports import AnswerQuestions, CaseSource, CaseStore, FieldReader
from tasks.errors import TransientError
from tasks.language import UNDETERMINED, detect_language
from tasks.models import EVERYONE
from tasks.ports import Embedder
from tasks.prompting import REFUSAL

logger = logging.getLogger(__name__)

BATCH_CASES = 16
"""Answered together: the searches, the sentences and the prompts of all of them share one pass of each model."""


def _now() -> datetime:
    return datetime.now(UTC)


class CasePorts(NamedTuple):
    """What handling needs of others."""

    answer: AnswerQuestions
    embedder: Embedder
    store: CaseStore
    fields: FieldReader | None = None
    now: Callable[[], datetime] = _now


class _Work(NamedTuple):
    """A case whose content was read."""

    case: Case
    classified: Classified
    extracted: Extracted
    questions: list[str]


class CaseHandler:
    """Works through cases of one process."""

    def __init__(self, process: Process, ports: CasePorts) -> None:
        self._process = process
        self._ports = ports
        self._classifier = Classifier(process, ports.embedder)

    def work_through(self, source: CaseSource, *, batch: int = BATCH_CASES) -> Iterator[HandledCase]:
        """Every case with what became of it, in the order in which they come; a few at a time are in memory."""
        cases = source.read_cases()
        while page := list(islice(cases, batch)):
            handled = self.handle(page)
            source.confirm_cases(page)
            yield from handled

    def handle(self, cases: Sequence[Case]) -> list[HandledCase]:
        """One result a case, in their order; what was handled before is not handled again.

        Raises:
            TransientError: Something does not answer. The cases are kept, wait, and say why.
        """
        store, ids = self._ports.store, [case.case_id for case in cases]
        store.receive_cases(cases, self._ports.now())
        known = store.read_cases(ids)
        waiting = {id_: known[id_].case for id_ in ids if known[id_].outcome is None}
        if waiting:
            try:
                self._finish(list(waiting.values()))
            except TransientError as error:
                store.note_waiting(list(waiting), error.message, self._ports.now())
                raise
            known |= store.read_cases(list(waiting))
        return [known[id_] for id_ in ids]

    def _finish(self, cases: Sequence[Case]) -> None:
        started = time.perf_counter()
        screened = {case.case_id: found for case in cases if (found := screen_case(case))}
        outcomes = [self._close(case, screened[case.case_id]) for case in cases if case.case_id in screened]
        works = self._read([case for case in cases if case.case_id not in screened])
        outcomes_of = dict(zip([one.case_id for one in cases if one.case_id in screened], outcomes, strict=True))
        outcomes_of |= self._answer(works)
        seconds = (time.perf_counter() - started) / len(cases)
        done = [(case, outcomes_of[case.case_id].model_copy(update={"seconds": round(seconds, 4)})) for case in cases]
        messages = [message for case, outcome in done if (message := make_message(case, outcome))]
        self._ports.store.finish_cases(done, messages, self._ports.now())
        logger.info("cases handled process=%s count=%s seconds_each=%.3f", self._process.name, len(cases), seconds)

    def _close(self, case: Case, screened: Screened) -> Outcome:
        """What the form of a case decided."""
        text = f"{case.subject}\n{case.body[:2000]}"
        lowest = list(self._process.file.urgencies)
        calm = "low" if "low" in lowest else self._process.default_urgency
        blank = screened.decision is Decision.REJECT or not case.body.strip()
        return Outcome(
            route=self._process.file.fallback_route,
            route_confidence=1.0,
            urgency=calm if blank else self._classifier.rate_urgency(text),
            language=detect_language(text),
            fields=extract_fields(self._process, [case.model_copy(update={"subject": "", "body": ""})])[0].fields,
            decision=screened.decision,
            reason=screened.reason,
            confidence=1.0,
            trail=(Step(name="screen", seconds=0.0, details={"found": screened.reason}),),
        )

    def _read(self, cases: Sequence[Case]) -> list[_Work]:
        """Classified, with fields and questions."""
        classified = self._classifier.classify(cases)
        extracted = extract_fields(self._process, cases, self._ports.fields)
        return [_Work(*one, find_questions(one[0])) for one in zip(cases, classified, extracted, strict=True)]

    def _answer(self, works: Sequence[_Work]) -> dict[str, Outcome]:
        """The questions of all cases in one call."""
        spam = self._process.file.spam_route
        questions = [
            self._ask(work.case, text) for work in works if work.classified.route != spam for text in work.questions
        ]
        started = time.perf_counter()
        answers = iter(self._ports.answer(questions)) if questions else iter(())
        seconds = (time.perf_counter() - started) / max(1, len(questions))
        outcomes = {}
        for work in works:
            wanted = [] if work.classified.route == spam else work.questions
            outcomes[work.case.case_id] = self._decide(work, list(islice(answers, len(wanted))), seconds)
        return outcomes

    def _ask(self, case: Case, text: str) -> Question:
        """As the customer: never as who runs the process."""
        principals = frozenset({EVERYONE, *self._process.file.principals, *case.groups})
        return Question(text=text, principals=principals, tenant=case.tenant)

    def _decide(self, work: _Work, answers: Sequence[Answer], seconds: float) -> Outcome:
        case, classified = work.case, work.classified
        language = detect_language(case.body or case.subject)
        language = "en" if language == UNDETERMINED else language
        asked = tuple(map(_note, answers))
        decided = decide_case(self._process, case, classified, language=language, extracted=work.extracted, asked=asked)
        written = None
        if decided.decision in (Decision.AUTO_REPLY, Decision.DRAFT):
            written = write_reply(answers, language=language, signature=self._process.file.signature)
        least = min((one.confidence or 0.0 for one in asked), default=1.0)
        return Outcome(
            route=classified.route,
            route_confidence=round(classified.confidence, 4),
            urgency=classified.urgency,
            language=language,
            fields=work.extracted.fields,
            decision=decided.decision,
            reason=decided.reason,
            confidence=round(min(classified.confidence, least), 4),
            reply=written[0] if written else None,
            citations=written[1] if written else (),
            asked=asked,
            trail=_tell(work, answers, decided, seconds),
            versions=answers[0].versions if answers else {},
        )


def _note(answer: Answer) -> Asked:
    """An answer that leaves a part open says so in the words of the refusal: it is none that a machine may send."""
    return Asked(
        question=answer.question,
        answered=not answer.abstained and not any(refusal in answer.text for refusal in REFUSAL.values()),
        text="" if answer.abstained else answer.text,
        reason=answer.reason or "",
        confidence=answer.confidence,
        conflicting=answer.conflicting,
        quoted=tuple((one.document_id, one.quote) for one in answer.found or answer.citations),
    )


def _tell(work: _Work, answers: Sequence[Answer], decided: Decided, seconds: float) -> tuple[Step, ...]:
    """The case's way: what each step found, which chunks and versions were used, what they cost."""
    classified = work.classified
    answering = [
        Step(
            name="answer",
            seconds=round(seconds, 4),
            details={
                "chunks": [one.chunk_id for one in (*answer.citations, *answer.found)],
                "abstained": answer.reason or "",
                "tokens": answer.prompt_tokens + answer.completion_tokens,
            },
        )
        for answer in answers
    ]
    fields, problem = work.extracted
    found = sorted(name for name, value in fields.items() if value is not None)
    words = {"route": classified.route, "confidence": round(classified.confidence, 4), "words": list(classified.words)}
    return (
        Step(name="screen", seconds=0.0),
        Step(name="classify", seconds=0.0, details=words),
        Step(name="extract", seconds=0.0, details={"found": found} | ({"problem": problem} if problem else {})),
        Step(name="ask", seconds=0.0, details={"questions": work.questions}),
        *answering,
        Step(name="decide", seconds=0.0, details={"decision": decided.decision.value, "reason": decided.reason}),
    )


def make_message(case: Case, outcome: Outcome) -> OutgoingMessage | None:
    """What leaves because of an outcome: a reply, a draft, or nothing."""
    if outcome.reply is None or not case.sender:
        return None
    return OutgoingMessage(
        message_id=derive_message_id(case.case_id, "reply", outcome.reply),
        case_id=case.case_id,
        tenant=case.tenant,
        kind="reply" if outcome.decision is Decision.AUTO_REPLY else "draft",
        customer=case.customer,
        recipient=case.sender,
        subject=reply_to(case.subject),
        body=outcome.reply,
        in_reply_to=case.message_id,
        decision=outcome.decision,
    )
