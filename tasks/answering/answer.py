"""Questions to cited answers: search once, generate once, then trust nothing that is not in a document.

Every citation is made from a sentence of a found passage and compared with the document's text at the end, when the
model has written: what was withdrawn, deleted or changed meanwhile is not shown. What is then too unlikely to be right
becomes silence with a reason.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from pydantic import Field

from tasks.answer_models import Answer, Calibration, Citation, Generation, Question, Silence, Timings
from tasks.answering.citations import write_answer
from tasks.answering.compose import Candidate, ReadableTexts, SupportedClaims, keep_supported, quote_best
from tasks.answering.confidence import bound_confidence, estimate_confidence, is_accepted, measure_signals
from tasks.answering.draft import ContextLimits, Draft, draft_answer, find_passages, generate_texts, show_passages
from tasks.answering.parts import merge_answers, split_question
from tasks.answering.progress import Progress
from tasks.language import detect_language
from tasks.models import Hit, Noun
from tasks.ports import (
    Embedder,
    EntailmentJudge,
    Generator,
    Listener,
    QuestionExpander,
    Searcher,
    TextReader,
    WatchedGenerator,
)
from tasks.prompting import PROMPT_VERSION, REFUSAL, choose_language

logger = logging.getLogger(__name__)


class AnswerOptions(Noun):
    """How an answer is made; `tasks/settings.py` holds the same with their environment names."""

    search_limit: int = Field(default=10, ge=1, description="passages searched, and quoted from")
    passages: int = Field(default=3, ge=1, description="passages shown to the generator")
    context_tokens: int = Field(default=1024, ge=64, description="most tokens of passages shown to the generator")
    max_tokens: int = Field(default=96, ge=1, description="longest generated answer, in the generator's tokens")
    max_error: float = Field(default=0.1, gt=0, le=1, description="wished share of wrong answers among those given")
    hold_suspicious: bool = Field(default=True, description="leave out passages that give orders to a machine")
    outdated: bool = Field(default=True, description="whether documents may answer whose newer content is unreadable")


def answer_questions(
    questions: Sequence[Question],
    *,
    searcher: Searcher,
    reader: TextReader,
    expander: QuestionExpander | None = None,
    generator: Generator | None = None,
    embedder: Embedder | None = None,
    judge: EntailmentJudge | None = None,
    calibration: Calibration | None = None,
    options: AnswerOptions | None = None,
    listeners: Sequence[Listener | None] = (),
) -> list[Answer]:
    """One answer a question, in their order; searching and generating are done for all of them at once.

    A question that asks several things is answered part by part. One whose time ends, or whose budget is too small for
    a passage, is answered by quotations; who calls gives up on what takes longer. Where no answer could be sure enough
    the generator is not asked.

    Args:
        searcher: Finds passages that the asker may read.
        reader: Tells the documents' text at the end, under the same condition.
        expander: Knows abbreviations; None: sentences are chosen by the question's own words.
        generator: Writes answers; None: every answer is quoted from the documents.
        embedder: Tells which sentences mean what the question asks, and what those in other languages than the answer
            speak of; None: words alone tell.
        judge: Tells whether documents imply what the generator wrote; None: words alone tell.
        calibration: Turns signals into a confidence; None: no answer is held back for being unlikely.
        options: Limits.
        listeners: One a question, told each sentence of its answer as soon as it is verified; of a question that asks
            several things the sentences on the first. One that has left ends the writing of its answer.

    Raises:
        BackendUnavailable, RateLimited: A port's other side does not answer; no answer is made up instead.
        ConfigurationError: The generator cannot be loaded or refuses the request.
    """
    parts = [_split(question) for question in questions]
    each = [part for asked in parts for part in asked]
    listening = [
        listener and (listener if place == 0 else _Deaf(listener))
        for asked, listener in zip(parts, listeners or [None] * len(parts), strict=True)
        for place in range(len(asked))
    ]
    answered = iter(
        _answer_each(
            expander.expand(each) if expander else each,
            searcher=searcher,
            reader=reader,
            generator=generator,
            embedder=embedder,
            judge=judge,
            calibration=calibration,
            options=options or AnswerOptions(),
            listeners=listening,
        )
    )
    return [_merge(question, [next(answered) for _ in asked]) for question, asked in zip(questions, parts, strict=True)]


class _Deaf:
    """The `Listener` port for what cannot be told yet: what is before it in the answer is not known to its end."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def hear(self, text: str, citations: tuple[Citation, ...]) -> None:
        """Not passed on."""

    @property
    def has_left(self) -> bool:
        """Whether the listener has."""
        return self._listener.has_left


def _split(question: Question) -> list[Question]:
    """What a question asks, one by one; they share its budget."""
    texts = split_question(question.text)
    budget = question.token_budget and max(1, question.token_budget // len(texts))
    return [question.model_copy(update={"text": text, "token_budget": budget}) for text in texts]


def _merge(question: Question, answers: list[Answer]) -> Answer:
    if len(answers) == 1:
        return answers[0]
    return merge_answers(question, answers, language=choose_language(detect_language(question.text)))


def _answer_each(
    questions: Sequence[Question],
    *,
    searcher: Searcher,
    reader: TextReader,
    generator: Generator | None,
    embedder: Embedder | None,
    judge: EntailmentJudge | None,
    calibration: Calibration | None,
    options: AnswerOptions,
    listeners: Sequence[Listener | None],
) -> list[Answer]:
    limits = ContextLimits(options.passages, options.context_tokens, options.max_tokens)
    started = time.perf_counter()
    found = find_passages(questions, searcher, limit=options.search_limit)
    searched = time.perf_counter()
    drafts = [
        draft_answer(question, hits, embedder=embedder, hold_suspicious=options.hold_suspicious)
        for question, hits in zip(questions, found, strict=True)
    ]
    if generator:
        drafts = [
            show_passages(draft, generator, limits) if _can_be_given(draft, calibration, options) else draft
            for draft in drafts
        ]
    claims = [SupportedClaims(draft, judge, embedder) for draft in drafts]
    freely = isinstance(generator, WatchedGenerator) and generator.is_watched_freely
    watchers = [
        _watch(draft, known, listener, reader, calibration, options) if listener or freely else None
        for draft, known, listener in zip(drafts, claims, listeners, strict=True)
    ]
    spent = time.perf_counter() - started
    generations = generate_texts(
        drafts, generator, max_tokens=options.max_tokens, watchers=watchers, spent_seconds=spent
    )
    generated = time.perf_counter()
    share = max(1, len(questions))
    versions = {"prompt": PROMPT_VERSION} | ({"generator": generator.identity} if generator else {})
    versions |= {"entailment": judge.name} if judge and generator else {}
    versions |= {"calibration": calibration.name} if calibration else {}
    answers = []
    for draft, known, generation in zip(drafts, claims, generations, strict=True):
        answer = _finish(draft, known, generation, reader, calibration, options)
        timings = Timings(
            search_seconds=(searched - started) / share,
            generate_seconds=(generated - searched) / share,
            total_seconds=(time.perf_counter() - started) / share,
        )
        answers.append(answer.model_copy(update={"timings": timings, "versions": versions}))
    logger.info("questions answered count=%s seconds=%.3f", len(answers), time.perf_counter() - started)
    return answers


def _can_be_given(draft: Draft, calibration: Calibration | None, options: AnswerOptions) -> bool:
    """Whether the model could write something that is not held back."""
    if calibration is None or not draft.is_answerable:
        return draft.is_answerable
    _, highest = bound_confidence(_measure_found(draft), calibration)
    return is_accepted(highest, calibration, options.max_error)


def _measure_found(draft: Draft) -> dict[str, float]:
    """The signals before anything is written."""
    return measure_signals(draft.question.readings, draft.hits, draft.ranked, draft.stems)


def _watch(
    draft: Draft,
    claims: SupportedClaims,
    listener: Listener | None,
    reader: TextReader,
    calibration: Calibration | None,
    options: AnswerOptions,
) -> Progress | None:
    """Who sees when the answer is over, and tells the listener; nobody where there is nothing to be written."""
    if not draft.context:
        return None
    is_sure = True
    if listener and calibration:
        lowest, _ = bound_confidence(_measure_found(draft), calibration)
        is_sure = is_accepted(lowest, calibration, options.max_error)
    return Progress(draft, claims, listener, reader=reader, is_sure=is_sure, outdated=options.outdated)


def _finish(
    draft: Draft,
    claims: SupportedClaims,
    generation: Generation | None,
    reader: TextReader,
    calibration: Calibration | None,
    options: AnswerOptions,
) -> Answer:
    """The generated answer as far as it is supported and readable, else the extractive one, else silence."""
    base = Answer(
        question=draft.question.text,
        text=REFUSAL[draft.language],
        id=draft.question.id,
        sources=_list_uris([*draft.hits, *draft.suspicious]),
        suspicious=_list_uris(draft.suspicious),
        expansions=draft.question.expansions or (),
        prompt_tokens=generation.prompt_tokens if generation else 0,
        completion_tokens=generation.completion_tokens if generation else 0,
    )
    reason = _find_reason(draft)
    if reason is not None:
        return _abstain(base, reason)
    texts = ReadableTexts(reader, draft.question)
    written = claims.read(generation.text) if generation else ()
    candidate = keep_supported(draft, generation, written, texts) or quote_best(draft, texts)
    if candidate is None:
        return _abstain(base, Silence.NOT_READABLE)
    answer = _write(base, candidate)
    if not options.outdated and all(citation.outdated for citation in answer.citations):
        return _hold_back(answer, base, Silence.OUTDATED)
    return _judge(answer, base, draft, candidate, calibration, options)


def _list_uris(hits: Sequence[Hit]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(hit.passage.uri for hit in sorted(hits, key=lambda hit: hit.rank)))


def _find_reason(draft: Draft) -> Silence | None:
    """Why there is nothing to answer with, if so."""
    if not draft.hits:
        return Silence.NOT_SUPPORTED if draft.suspicious else Silence.NOTHING_FOUND
    if not draft.relevant:
        return Silence.OFF_TOPIC
    return None if draft.ranked else Silence.NOT_SUPPORTED


def _abstain(base: Answer, reason: Silence) -> Answer:
    return base.model_copy(update={"abstained": True, "reason": reason})


def _hold_back(answer: Answer, base: Answer, reason: Silence) -> Answer:
    """Silence that lists what would have been cited: a person may look, a process must not."""
    kept = {"found": answer.citations, "signals": answer.signals, "confidence": answer.confidence}
    return _abstain(base.model_copy(update=kept), reason)


def _write(base: Answer, candidate: Candidate) -> Answer:
    text, citations = write_answer(candidate.statements)
    mode = "generated" if candidate.generation else "extractive"
    update = {"text": text, "citations": citations, "mode": mode, "conflicting": candidate.conflicting}
    return base.model_copy(update=update)


def _judge(
    answer: Answer,
    base: Answer,
    draft: Draft,
    candidate: Candidate,
    calibration: Calibration | None,
    options: AnswerOptions,
) -> Answer:
    """The answer with its confidence, or silence where that is too low."""
    signals = measure_signals(
        draft.question.readings,
        draft.hits,
        draft.ranked,
        draft.stems,
        generation=candidate.generation,
        supported_share=candidate.supported_share,
    )
    answer = answer.model_copy(update={"signals": signals})
    if calibration is None:
        return answer
    confidence = estimate_confidence(signals, calibration)
    answer = answer.model_copy(update={"confidence": confidence})
    if is_accepted(confidence, calibration, options.max_error):
        return answer
    return _hold_back(answer, base, Silence.LOW_CONFIDENCE)
