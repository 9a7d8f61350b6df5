"""One question on its way to an answer: what was found, what of it can be quoted, what the model is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tasks.answer_models import Generation, Message, Question
from tasks.answering.context import fit_context, list_quotables
from tasks.answering.extract import Ranked, are_relevant, rank_quotables
from tasks.answering.words import Stems
from tasks.instructions import gives_orders
from tasks.language import UNDETERMINED, detect_language
from tasks.models import Hit
from tasks.ports import Embedder, Generator, Searcher, WatchedGenerator, Watcher
from tasks.prompting import ContextPassage, choose_language, render_messages

_WRITING_SHARE = 0.8


class Draft(NamedTuple):
    """A question with everything that its answer can be made of."""

    question: Question
    hits: Sequence[Hit]
    """What may be used of what was found, best first."""
    suspicious: Sequence[Hit]
    """What was found and gives orders to a machine: neither shown to the generator nor quoted."""
    language: str
    stems: Stems
    ranked: Sequence[Ranked]
    """Everything that can be quoted, the best answers first."""
    relevant: bool
    """Whether what was found is about the question's subject at all."""
    context: Sequence[tuple[int, ContextPassage]] = ()
    """What the generator is shown, each with its hit's place; empty when it is not asked."""

    @property
    def is_answerable(self) -> bool:
        """Whether something was found that is about the question and can be quoted."""
        return self.relevant and bool(self.ranked)

    @property
    def messages(self) -> Sequence[Message]:
        """What the generator is asked with."""
        return render_messages(self.question.text, [shown for _, shown in self.context], language=self.language)


class ContextLimits(NamedTuple):
    """How much the generator is shown and may write."""

    passages: int
    context_tokens: int
    max_tokens: int


def find_passages(questions: Sequence[Question], searcher: Searcher, *, limit: int) -> list[list[Hit]]:
    """The hits of each question; none for a blank one, which is not searched."""
    asked = [question for question in questions if question.text.strip()]
    found = iter(searcher.search(asked, limit=limit) if asked else [])
    return [next(found) if question.text.strip() else [] for question in questions]


def draft_answer(question: Question, hits: Sequence[Hit], *, embedder: Embedder | None, hold_suspicious: bool) -> Draft:
    """Rank what can be quoted."""
    language = _choose_language(question.text, hits)
    stems = Stems(language)
    suspicious = [hit for hit in hits if _is_suspicious(hit)] if hold_suspicious else []
    usable = [hit for hit in hits if hit not in suspicious]
    ranked = rank_quotables(question.readings, list_quotables(usable), stems, embedder=embedder)
    relevant = are_relevant(hits, ranked)
    return Draft(question, usable, suspicious, language, stems, ranked, relevant)


def show_passages(draft: Draft, generator: Generator, limits: ContextLimits) -> Draft:
    """With what the generator is shown; nothing where nothing can be quoted or the budget is too small."""
    if not draft.is_answerable:
        return draft
    budget = draft.question.token_budget or generator.context_tokens
    context = fit_context(
        draft.question.text,
        [hit.passage for hit in draft.hits[: limits.passages]],
        generator,
        language=draft.language,
        budget=limits.context_tokens,
        room=min(generator.context_tokens, budget) - limits.max_tokens,
    )
    return draft._replace(context=context)


def generate_texts(
    drafts: Sequence[Draft],
    generator: Generator | None,
    *,
    max_tokens: int,
    watchers: Sequence[Watcher | None],
    spent_seconds: float = 0.0,
) -> Sequence[Generation | None]:
    """A generation for each draft with a context and with time left, in one call.

    Args:
        drafts: Some without a context.
        generator: None: nothing is generated.
        max_tokens: Longest generation.
        watchers: One a draft; not called where the generator cannot show what it writes.
        spent_seconds: Of the time that the questions have.
    """
    left = [_share_time(draft.question, spent_seconds) for draft in drafts]
    asked = [bool(draft.context) and (time is None or time > 0) for draft, time in zip(drafts, left, strict=True)]
    if generator is None or not any(asked):
        return [None] * len(drafts)
    prompts = [draft.messages for draft, wanted in zip(drafts, asked, strict=True) if wanted]
    times = [time for time, wanted in zip(left, asked, strict=True) if wanted]
    if isinstance(generator, WatchedGenerator):
        watching = [watcher for watcher, wanted in zip(watchers, asked, strict=True) if wanted]
        written = generator.generate_watched(prompts, max_tokens=max_tokens, watchers=watching, within_seconds=times)
    else:
        written = generator.generate(prompts, max_tokens=max_tokens, within_seconds=times)
    generations = iter(written)
    return [next(generations) if wanted else None for wanted in asked]


def _share_time(question: Question, spent_seconds: float) -> float | None:
    """What of the question's time the generator may take; the rest is for checking what it wrote, or for quoting."""
    return None if question.within_seconds is None else (question.within_seconds - spent_seconds) * _WRITING_SHARE


def _is_suspicious(hit: Hit) -> bool:
    passage = hit.passage
    texts = (passage.title, *passage.chunk.heading_path, passage.chunk.shown_text)
    return passage.trust != "high" and any(map(gives_orders, texts))


def _choose_language(question: str, hits: Sequence[Hit]) -> str:
    """The question's language; of a bare product code or name, that of the best passage."""
    language = detect_language(question)
    return choose_language(hits[0].passage.chunk.language if language == UNDETERMINED and hits else language)
