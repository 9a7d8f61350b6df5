"""What an answer says: the model's claims that documents carry, or the documents' own sentences."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from tasks.answer_models import Generation, Question
from tasks.answering.citations import Claim, Statement, quote_statement, split_claims
from tasks.answering.conflicts import find_conflicting, sort_newest_first
from tasks.answering.context import Quotable
from tasks.answering.draft import Draft
from tasks.answering.ending import read_said
from tasks.answering.extract import choose_quotes
from tasks.answering.statements import Shown
from tasks.answering.support import Support, find_support, read_evidence
from tasks.errors import BackendUnavailable, RateLimited
from tasks.models import EVERYONE
from tasks.ports import Embedder, EntailmentJudge, TextReader
from tasks.prompting import ContextPassage, read_code

logger = logging.getLogger(__name__)

_NEAR_BEST = 5
_MOST_CONFLICTS = 2


class Candidate(NamedTuple):
    """An answer before it is known whether it is given."""

    statements: Sequence[Statement]
    generation: Generation | None
    """What the model wrote, when that is the answer; None: quotations."""
    supported_share: float
    conflicting: bool


class ReadableTexts:
    """Documents' texts as the asker may read them now, each read once."""

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


class SupportedClaims:
    """A draft's claims, each compared with what the generator was shown once, however often its text is read."""

    def __init__(self, draft: Draft, judge: EntailmentJudge | None = None, embedder: Embedder | None = None) -> None:
        self._draft = draft
        self._judge = judge
        self._embedder = embedder
        self._known: dict[Claim, Statement | None] = {}

    def find(self, claims: Sequence[Claim]) -> list[Statement | None]:
        """Each claim with the sentences that carry it, None for one that nothing carries."""
        for claim in claims:
            if claim not in self._known:
                self._known[claim] = self._support(claim)
        return [self._known[claim] for claim in claims]

    def read(self, text: str) -> list[Statement | None]:
        """Those of a whole text, as far as it is an answer."""
        return self.find(read_said(split_claims(self.leave_prompt_out(text))).claims)

    def leave_prompt_out(self, text: str) -> str:
        """The text up to where it writes a prompt."""
        return text.partition(self._code)[0]

    @cached_property
    def _code(self) -> str:
        return read_code(self._draft.messages)

    def _support(self, claim: Claim) -> Statement | None:
        try:
            support = self._find_support(claim)
        except (BackendUnavailable, RateLimited) as error:
            if self._embedder is None:
                raise
            # What words tell is not lost for that, and nobody waits for it at the next claim.
            logger.warning("translated claims not compared reason=%s", error)
            self._embedder = None
            support = self._find_support(claim)
        return Statement(claim.text, support.quotables) if support else None

    def _find_support(self, claim: Claim) -> Support | None:
        places = [rank for rank, _ in self._draft.context]
        return find_support(
            claim.text,
            self._evidence,
            self._draft.stems,
            marked=frozenset(places[mark - 1] for mark in claim.marks if 1 <= mark <= len(places)),
            judge=self._judge,
            embedder=self._embedder,
        )

    @cached_property
    def _evidence(self) -> Shown:
        ranks = dict(self._draft.context)
        shown = [one.quotable for one in self._draft.ranked if _is_shown(one.quotable, ranks)]
        return read_evidence(sorted(shown, key=lambda one: (one.rank, one.start)), self._draft.stems)


def keep_supported(
    draft: Draft, generation: Generation | None, claims: Sequence[Statement | None], texts: ReadableTexts
) -> Candidate | None:
    """The generated claims that documents carry, if what is left of them speaks to the question.

    Of a text's first claims it makes the beginning of what it makes of all of them.
    """
    kept = [claim for claim in claims if claim and texts.hold(claim)]
    if not kept or not _speaks_to_question(draft, kept):
        return None
    statements, conflicting = _add_conflicting(draft, kept[0].quotables[0], kept, texts)
    return Candidate(statements, generation, len(kept) / len(claims), conflicting)


def quote_best(draft: Draft, texts: ReadableTexts) -> Candidate | None:
    """The best of what the asker may still read."""
    ranked = draft.ranked
    quotes = [quote_statement(*quotables) for quotables in choose_quotes(ranked)]
    if not all(map(texts.hold, quotes)):
        ranked = [one for one in ranked if texts.hold(quote_statement(one.quotable))]
        quotes = [quote_statement(*quotables) for quotables in choose_quotes(ranked)]
    if not quotes:
        return None
    statements, conflicting = _add_conflicting(draft, ranked[0].quotable, quotes, texts)
    return Candidate(statements, None, 0.0, conflicting)


def _add_conflicting(
    draft: Draft, lead: Quotable, statements: Sequence[Statement], texts: ReadableTexts
) -> tuple[Sequence[Statement], bool]:
    """The statements, and where another document says otherwise than the lead, that too, the newest first."""
    others = find_conflicting(lead, draft.ranked, draft.stems, draft.question.readings)
    readable = [one for one in others[:_MOST_CONFLICTS] if texts.hold(quote_statement(one))]
    if not readable:
        return statements, False
    told = {(one.passage.document_id, one.start): one for one in [*readable, lead]}
    leading = [quote_statement(one) for one in sort_newest_first(list(told.values()))]
    rest = [one for one in statements[1:] if (one.passage.document_id, one.span[0]) not in told]
    return [*leading, *rest], True


def _speaks_to_question(draft: Draft, statements: Sequence[Statement]) -> bool:
    """Whether a cited sentence is among the best for the question: what is true may still be no answer to it."""
    best = {(one.quotable.passage.document_id, one.quotable.start) for one in draft.ranked[:_NEAR_BEST]}
    cited = {(one.passage.document_id, one.start) for statement in statements for one in statement.quotables}
    return not best.isdisjoint(cited)


def _is_shown(quotable: Quotable, context: Mapping[int, ContextPassage]) -> bool:
    shown = context.get(quotable.rank)
    return shown is not None and quotable.quote in shown.text
