"""Questions to cited answers: search once, generate once, then trust nothing that is not in a document.

Every citation is made from a sentence of a found passage and compared with the document's text at the end, when the
model has written: what was withdrawn, deleted or changed meanwhile is not shown.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from tasks.answering.citations import Statement, quote_statement, split_claims, write_answer
from tasks.answering.context import Quotable, fit_context, list_quotables
from tasks.answering.extract import Ranked, are_relevant, choose_sentences, rank_quotables
from tasks.answering.support import find_support, read_evidence
from tasks.answering.words import Stems
from tasks.language import UNDETERMINED, detect_language
from tasks.models import EVERYONE, Answer, Generation, Hit, Noun, Question, Timings
from tasks.ports import Embedder, Generator, PassageReader, Searcher
from tasks.prompting import PROMPT_VERSION, REFUSAL, ContextPassage, choose_language, render_messages

logger = logging.getLogger(__name__)

NOTHING_FOUND = "nothing found"
NOT_READABLE = "nothing readable"
NOT_SUPPORTED = "not supported"

_NEAR_BEST = 5


class AnswerOptions(Noun):
    """How an answer is made; `tasks/settings.py` holds the same with their environment names."""

    search_limit: int = Field(default=10, ge=1, description="passages searched, and quoted from")
    passages: int = Field(default=3, ge=1, description="passages shown to the generator")
    context_tokens: int = Field(default=1024, ge=64, description="most tokens of passages shown to the generator")
    max_tokens: int = Field(default=96, ge=1, description="longest generated answer, in the generator's tokens")
    sentences: int = Field(default=3, ge=1, description="longest extractive answer")


class _Draft(NamedTuple):
    """One question on its way to an answer."""

    question: Question
    hits: Sequence[Hit]
    language: str
    stems: Stems
    ranked: Sequence[Ranked]
    """Everything that can be quoted, the best answers first; empty when nothing found is about the question."""
    context: Sequence[tuple[int, ContextPassage]]
    """What the generator is shown, each with its hit's place; empty when it is not asked."""


def answer_questions(
    questions: Sequence[Question],
    *,
    searcher: Searcher,
    reader: PassageReader,
    generator: Generator | None = None,
    embedder: Embedder | None = None,
    options: AnswerOptions | None = None,
) -> list[Answer]:
    """One answer a question, in their order; searching and generating are done for all of them at once.

    Args:
        searcher: Finds passages that the asker may read.
        reader: Tells the documents' text at the end, under the same condition.
        generator: Writes answers; None: every answer is quoted from the documents.
        embedder: Tells which sentences mean what the question asks; None: words alone tell.
        options: Limits.

    Raises:
        BackendUnavailable, RateLimited: A port's other side does not answer; no answer is made up instead.
        ConfigurationError: The generator cannot be loaded or refuses the request.
    """
    options = options or AnswerOptions()
    started = time.perf_counter()
    found = _search(questions, searcher, options.search_limit)
    searched = time.perf_counter()
    drafts = [
        _draft(question, hits, generator, embedder, options) for question, hits in zip(questions, found, strict=True)
    ]
    generations = _generate(drafts, generator, options.max_tokens)
    generated = time.perf_counter()
    share = max(1, len(questions))
    versions = {"prompt": PROMPT_VERSION} | ({"generator": generator.identity} if generator else {})
    answers = []
    for draft, generation in zip(drafts, generations, strict=True):
        answer = _finish(draft, generation, reader, options)
        timings = Timings(
            search_seconds=(searched - started) / share,
            generate_seconds=(generated - searched) / share,
            total_seconds=(time.perf_counter() - started) / share,
        )
        answers.append(answer.model_copy(update={"timings": timings, "versions": versions}))
    logger.info("questions answered count=%s seconds=%.3f", len(answers), time.perf_counter() - started)
    return answers


def _search(questions: Sequence[Question], searcher: Searcher, limit: int) -> list[list[Hit]]:
    """The hits of each question; none for a blank one, which is not searched."""
    asked = [question for question in questions if question.text.strip()]
    found = iter(searcher.search(asked, limit=limit) if asked else [])
    return [next(found) if question.text.strip() else [] for question in questions]


def _draft(
    question: Question,
    hits: Sequence[Hit],
    generator: Generator | None,
    embedder: Embedder | None,
    options: AnswerOptions,
) -> _Draft:
    language = _choose_language(question.text, hits)
    stems = Stems(language)
    ranked = rank_quotables(question.text, list_quotables(hits), stems, embedder=embedder)
    if not are_relevant(hits, ranked):
        ranked = []
    context: Sequence[tuple[int, ContextPassage]] = ()
    if generator and ranked:
        passages = [hit.passage for hit in hits[: options.passages]]
        context = fit_context(
            question.text,
            passages,
            generator,
            language=language,
            budget=options.context_tokens,
            max_tokens=options.max_tokens,
        )
    return _Draft(question, hits, language, stems, ranked, context)


def _choose_language(question: str, hits: Sequence[Hit]) -> str:
    """The question's language; of a bare product code or name, that of the best passage."""
    language = detect_language(question)
    return choose_language(hits[0].passage.chunk.language if language == UNDETERMINED and hits else language)


def _generate(drafts: Sequence[_Draft], generator: Generator | None, max_tokens: int) -> Sequence[Generation | None]:
    """A generation for each draft with a context, in one call."""
    prompts = [
        render_messages(draft.question.text, [shown for _, shown in draft.context], language=draft.language)
        for draft in drafts
        if draft.context
    ]
    generations = iter(generator.generate(prompts, max_tokens=max_tokens) if generator and prompts else [])
    return [next(generations) if draft.context else None for draft in drafts]


def _finish(draft: _Draft, generation: Generation | None, reader: PassageReader, options: AnswerOptions) -> Answer:
    """The generated answer when all of it is supported and readable, else the extractive one, else silence."""
    base = Answer(
        question=draft.question.text,
        text="",
        id=draft.question.id,
        sources=tuple(dict.fromkeys(hit.passage.uri for hit in draft.hits)),
        prompt_tokens=generation.prompt_tokens if generation else 0,
        completion_tokens=generation.completion_tokens if generation else 0,
    )
    texts = _Texts(reader, draft.question)
    claims = list(_support_claims(draft, generation)) if generation else []
    supported = [claim for claim in claims if claim and texts.hold(claim)]
    if claims and len(supported) == len(claims) and _speaks_to_question(draft, supported):
        text, citations = write_answer(supported)
        return base.model_copy(update={"text": text, "citations": citations, "mode": "generated"})
    quotes = [quote_statement(one) for one in choose_sentences(draft.ranked, limit=options.sentences)]
    readable = [quote for quote in quotes if texts.hold(quote)]
    if readable:
        text, citations = write_answer(readable)
        return base.model_copy(update={"text": text, "citations": citations, "mode": "extractive"})
    reason = NOT_READABLE if quotes else NOT_SUPPORTED if draft.hits else NOTHING_FOUND
    refusal = REFUSAL[draft.language]
    return base.model_copy(update={"text": refusal, "abstained": True, "reason": reason})


def _support_claims(draft: _Draft, generation: Generation) -> Iterator[Statement | None]:
    """Each claim with the sentences that carry it, None for one that nothing carries."""
    ranks = dict(draft.context)
    shown = [one.quotable for one in draft.ranked if _is_shown(one.quotable, ranks)]
    evidence = read_evidence(sorted(shown, key=lambda one: (one.rank, one.start)), draft.stems)
    places = [rank for rank, _ in draft.context]
    for claim in split_claims(generation.text):
        marked = frozenset(places[mark - 1] for mark in claim.marks if 1 <= mark <= len(places))
        support = find_support(claim.text, evidence, draft.stems, marked=marked)
        yield Statement(claim.text, support.quotables) if support else None


def _speaks_to_question(draft: _Draft, statements: Sequence[Statement]) -> bool:
    """Whether a cited sentence is among the best for the question: what is true may still be no answer to it."""
    best = {(one.quotable.passage.document_id, one.quotable.start) for one in draft.ranked[:_NEAR_BEST]}
    cited = {(one.passage.document_id, one.start) for statement in statements for one in statement.quotables}
    return not best.isdisjoint(cited)


def _is_shown(quotable: Quotable, context: Mapping[int, ContextPassage]) -> bool:
    shown = context.get(quotable.rank)
    return shown is not None and quotable.quote in shown.text


class _Texts:
    """Documents' texts as the asker may read them now, each read once for an answer."""

    def __init__(self, reader: PassageReader, question: Question) -> None:
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
