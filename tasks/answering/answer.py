"""Questions to cited answers: search once, generate once, then trust nothing that is not in a document.

Every citation is made from a sentence of a found passage and compared with the document's text at the end, when the
model has written: what was withdrawn, deleted or changed meanwhile is not shown. What is then too unlikely to be right
becomes silence with a reason.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from tasks.answering.citations import Statement, quote_statement, split_claims, write_answer
from tasks.answering.confidence import choose_threshold, estimate_confidence, measure_signals
from tasks.answering.conflicts import find_conflicting, sort_newest_first
from tasks.answering.context import Quotable
from tasks.answering.draft import ContextLimits, Draft, draft_answer, find_passages, generate_texts
from tasks.answering.extract import choose_quotes
from tasks.answering.parts import merge_answers, split_question
from tasks.answering.support import find_support, read_evidence
from tasks.language import detect_language
from tasks.models import EVERYONE, Answer, Calibration, Generation, Hit, Noun, Question, Silence, Timings
from tasks.ports import Embedder, Generator, QuestionExpander, Searcher, TextReader
from tasks.prompting import PROMPT_VERSION, REFUSAL, ContextPassage, choose_language

logger = logging.getLogger(__name__)

_NEAR_BEST = 5
_MOST_CONFLICTS = 2


class AnswerOptions(Noun):
    """How an answer is made; `tasks/settings.py` holds the same with their environment names."""

    search_limit: int = Field(default=10, ge=1, description="passages searched, and quoted from")
    passages: int = Field(default=3, ge=1, description="passages shown to the generator")
    context_tokens: int = Field(default=1024, ge=64, description="most tokens of passages shown to the generator")
    max_tokens: int = Field(default=96, ge=1, description="longest generated answer, in the generator's tokens")
    max_error: float = Field(default=0.1, gt=0, le=1, description="wished share of wrong answers among those given")
    hold_suspicious: bool = Field(default=True, description="leave out passages that give orders to a machine")
    outdated: bool = Field(default=True, description="whether documents may answer whose newer content is unreadable")


class _Candidate(NamedTuple):
    """An answer before it is known whether it is given."""

    statements: Sequence[Statement]
    generation: Generation | None
    """What the model wrote, when that is the answer; None: quotations."""
    supported_share: float
    conflicting: bool


def answer_questions(
    questions: Sequence[Question],
    *,
    searcher: Searcher,
    reader: TextReader,
    expander: QuestionExpander | None = None,
    generator: Generator | None = None,
    embedder: Embedder | None = None,
    calibration: Calibration | None = None,
    options: AnswerOptions | None = None,
) -> list[Answer]:
    """One answer a question, in their order; searching and generating are done for all of them at once.

    A question that asks several things is answered part by part. One whose time ends, or whose budget is too small for
    a passage, is answered by quotations; who calls gives up on what takes longer.

    Args:
        searcher: Finds passages that the asker may read.
        reader: Tells the documents' text at the end, under the same condition.
        expander: Knows abbreviations; None: sentences are chosen by the question's own words.
        generator: Writes answers; None: every answer is quoted from the documents.
        embedder: Tells which sentences mean what the question asks; None: words alone tell.
        calibration: Turns signals into a confidence; None: no answer is held back for being unlikely.
        options: Limits.

    Raises:
        BackendUnavailable, RateLimited: A port's other side does not answer; no answer is made up instead.
        ConfigurationError: The generator cannot be loaded or refuses the request.
    """
    parts = [_split(question) for question in questions]
    each = [part for asked in parts for part in asked]
    answered = iter(
        _answer_each(
            expander.expand(each) if expander else each,
            searcher=searcher,
            reader=reader,
            generator=generator,
            embedder=embedder,
            calibration=calibration,
            options=options or AnswerOptions(),
        )
    )
    return [_merge(question, [next(answered) for _ in asked]) for question, asked in zip(questions, parts, strict=True)]


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
    calibration: Calibration | None,
    options: AnswerOptions,
) -> list[Answer]:
    limits = ContextLimits(options.passages, options.context_tokens, options.max_tokens, options.hold_suspicious)
    started = time.perf_counter()
    found = find_passages(questions, searcher, limit=options.search_limit)
    searched = time.perf_counter()
    drafts = [
        draft_answer(question, hits, generator=generator, embedder=embedder, limits=limits)
        for question, hits in zip(questions, found, strict=True)
    ]
    spent = time.perf_counter() - started
    generations = generate_texts(drafts, generator, max_tokens=options.max_tokens, spent_seconds=spent)
    generated = time.perf_counter()
    share = max(1, len(questions))
    versions = {"prompt": PROMPT_VERSION} | ({"generator": generator.identity} if generator else {})
    versions |= {"calibration": calibration.name} if calibration else {}
    answers = []
    for draft, generation in zip(drafts, generations, strict=True):
        answer = _finish(draft, generation, reader, calibration, options)
        timings = Timings(
            search_seconds=(searched - started) / share,
            generate_seconds=(generated - searched) / share,
            total_seconds=(time.perf_counter() - started) / share,
        )
        answers.append(answer.model_copy(update={"timings": timings, "versions": versions}))
    logger.info("questions answered count=%s seconds=%.3f", len(answers), time.perf_counter() - started)
    return answers


def _finish(
    draft: Draft,
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
    texts = _Texts(reader, draft.question)
    candidate = _keep_supported(draft, generation, texts) or _quote_best(draft, texts)
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


def _write(base: Answer, candidate: _Candidate) -> Answer:
    text, citations = write_answer(candidate.statements)
    mode = "generated" if candidate.generation else "extractive"
    update = {"text": text, "citations": citations, "mode": mode, "conflicting": candidate.conflicting}
    return base.model_copy(update=update)


def _judge(
    answer: Answer,
    base: Answer,
    draft: Draft,
    candidate: _Candidate,
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
    if confidence >= choose_threshold(calibration, options.max_error):
        return answer
    return _hold_back(answer, base, Silence.LOW_CONFIDENCE)


# --- what is said -------------------------------------------------------------------------------------------------


def _keep_supported(draft: Draft, generation: Generation | None, texts: _Texts) -> _Candidate | None:
    """The generated claims that documents carry, if what is left of them speaks to the question."""
    if generation is None:
        return None
    claims = _support_claims(draft, generation)
    kept = [claim for claim in claims if claim and texts.hold(claim)]
    if not kept or not _speaks_to_question(draft, kept):
        return None
    statements, conflicting = _add_conflicting(draft, kept[0].quotables[0], kept, texts)
    return _Candidate(statements, generation, len(kept) / len(claims), conflicting)


def _quote_best(draft: Draft, texts: _Texts) -> _Candidate | None:
    """The best of what the asker may still read."""
    ranked = draft.ranked
    quotes = [quote_statement(*quotables) for quotables in choose_quotes(ranked)]
    if not all(map(texts.hold, quotes)):
        ranked = [one for one in ranked if texts.hold(quote_statement(one.quotable))]
        quotes = [quote_statement(*quotables) for quotables in choose_quotes(ranked)]
    if not quotes:
        return None
    statements, conflicting = _add_conflicting(draft, ranked[0].quotable, quotes, texts)
    return _Candidate(statements, None, 0.0, conflicting)


def _add_conflicting(
    draft: Draft, lead: Quotable, statements: Sequence[Statement], texts: _Texts
) -> tuple[Sequence[Statement], bool]:
    """The statements, and where another document says otherwise than the lead, that too, the newest first."""
    others = find_conflicting(lead, [one.quotable for one in draft.ranked], draft.stems)
    readable = [one for one in others[:_MOST_CONFLICTS] if texts.hold(quote_statement(one))]
    if not readable:
        return statements, False
    told = {(one.passage.document_id, one.start): one for one in [*readable, lead]}
    leading = [quote_statement(one) for one in sort_newest_first(list(told.values()))]
    rest = [one for one in statements[1:] if (one.passage.document_id, one.span[0]) not in told]
    return [*leading, *rest], True


def _support_claims(draft: Draft, generation: Generation) -> list[Statement | None]:
    """Each claim with the sentences that carry it, None for one that nothing carries."""
    ranks = dict(draft.context)
    shown = [one.quotable for one in draft.ranked if _is_shown(one.quotable, ranks)]
    evidence = read_evidence(sorted(shown, key=lambda one: (one.rank, one.start)), draft.stems)
    places = [rank for rank, _ in draft.context]
    statements: list[Statement | None] = []
    for claim in split_claims(generation.text):
        marked = frozenset(places[mark - 1] for mark in claim.marks if 1 <= mark <= len(places))
        support = find_support(claim.text, evidence, draft.stems, marked=marked)
        statements.append(Statement(claim.text, support.quotables) if support else None)
    return statements


def _speaks_to_question(draft: Draft, statements: Sequence[Statement]) -> bool:
    """Whether a cited sentence is among the best for the question: what is true may still be no answer to it."""
    best = {(one.quotable.passage.document_id, one.quotable.start) for one in draft.ranked[:_NEAR_BEST]}
    cited = {(one.passage.document_id, one.start) for statement in statements for one in statement.quotables}
    return not best.isdisjoint(cited)


def _is_shown(quotable: Quotable, context: Mapping[int, ContextPassage]) -> bool:
    shown = context.get(quotable.rank)
    return shown is not None and quotable.quote in shown.text


class _Texts:
    """Documents' texts as the asker may read them now, each read once for an answer."""

    def __init__(self, reader: TextReader, question: Question) -> None:
        self._reader = reader
        self._question = question
        self._read: dict[str, str | None] = {}

    def hold(self, statement: Statement) -> bool:
        """Whether every quoted character is in the document, at its place."""
        document_id = statement.passage.document_id
        if document_id not in self._read:
            tenant, principals = self._question.tenant, self._question.principals | {EVERYONE}
            self._read[document_id] = self._reader.read_text(tenant, document_id, principals)
        text = self._read[document_id]
        start, end = statement.span
        return text is not None and text[start:end] == statement.quote
