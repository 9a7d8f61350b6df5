"""One question's result: what was found, what was answered, and what each metric makes of it.

Every metric is a share (`tasks/evaluation_models.py`): a question that it cannot judge adds nothing above or below the
line, and a metric that judges no question is None in the end, never 0. docs/evaluate.md has the same definitions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tasks.answer_models import Answer, Citation, Question
from tasks.evaluation.gold import GoldMatch, Library
from tasks.evaluation.ranking import list_places, score_ranking
from tasks.evaluation.texts import contains_answer, is_exact, measure_f1
from tasks.evaluation_models import GoldQuestion, JudgedAnswer, Outcome, Share
from tasks.language import detect_language
from tasks.models import EVERYONE, Hit
from tasks.ports import TextReader

METRICS_VERSION = "1"
"""Grows when the same answer would be judged otherwise; part of a run's id."""

_MARK = re.compile(r"\[(\d{1,4})\]")
_NOTHING = Share(0, 0)


class _Known(NamedTuple):
    """A question with its gold documents looked up."""

    gold: GoldQuestion
    works: frozenset[str]
    documents_known: bool
    """Gold documents are named, and not all of them ambiguously: a work can be told right or wrong."""


class Judge:
    """Judges results against one state of the documents.

    Args:
        library: Finds gold documents.
        reader: Tells the documents' text, to check quotes.
        depth: Places that the reciprocal rank looks at.
    """

    def __init__(self, library: Library, reader: TextReader, *, depth: int) -> None:
        self._library = library
        self._reader = reader
        self._depth = depth

    def judge(self, gold: GoldQuestion, asked: Question, hits: Sequence[Hit], answer: Answer) -> JudgedAnswer:
        """The scores of one answer, and the one word for it.

        Args:
            gold: What is known.
            asked: The question as it was asked, with its asker.
            hits: What a search of its own found.
            answer: What was answered.
        """
        known = self._look_up(gold)
        in_gold = [self._lies_in_gold(citation, hits, known) for citation in answer.citations]
        wrong = judge_wrong(known.gold, answer, in_gold=any(in_gold), documents_known=known.documents_known)
        ranking = known.documents_known and gold.can_be_answered is not False
        places = list_places(hits, self._library)
        scores = {
            **(score_ranking(places, known.works, depth=self._depth) if ranking else {}),
            **score_answer(gold, answer),
            **_score_citations(answer, in_gold, judged=ranking),
            "supported": Share(float(self.is_supported(answer, asked)), 1) if not answer.abstained else _NOTHING,
            "wrong_among_answered": Share(float(wrong), 1) if wrong is not None else _NOTHING,
            **score_effort(answer),
        }
        first = next(iter(sorted(known.works)), None)
        return JudgedAnswer(
            question=gold,
            answer=answer,
            scores={name: share for name, share in scores.items() if share.whole},
            cluster=first or f"question {gold.id}",
            language=gold.language or detect_language(gold.text),
            document_type=self._library.type_of(first) if first else None,
            outcome=name_outcome(gold, answer, wrong=wrong),
        )

    def match(self, gold: GoldQuestion) -> list[GoldMatch]:
        """What becomes of a question's gold documents."""
        return [self._library.find(name) for name in gold.documents]

    def _look_up(self, gold: GoldQuestion) -> _Known:
        matches = self.match(gold)
        works = frozenset(match.work for match in matches if match.work is not None)
        return _Known(gold, works, documents_known=any(not match.ambiguous for match in matches))

    def _lies_in_gold(self, citation: Citation, hits: Sequence[Hit], known: _Known) -> bool:
        """Whether the cited document, or one that holds the very same passage, is gold."""
        holders = {citation.document_id}
        for hit in hits:
            passage = hit.passage
            if passage.document_id == citation.document_id and citation.quote in passage.chunk.text:
                holders |= set(hit.duplicates)
        return not known.works.isdisjoint(map(self._library.work_of, holders))

    def is_supported(self, answer: Answer, asked: Question) -> bool:
        """Whether every line of the answer has marks, every mark a citation, and every quote stands in its document.

        The documents are read anew, as the asker: what the answer says of itself does not count.
        """
        numbers = {citation.number for citation in answer.citations}
        principals = asked.principals | {EVERYONE}
        for citation in answer.citations:
            text = self._reader.read_text(asked.tenant, citation.document_id, principals)
            if text is None or text[citation.start : citation.end] != citation.quote:
                return False
        return bool(numbers) and carries_marks(answer.text, numbers)


def carries_marks(text: str, numbers: set[int]) -> bool:
    """Whether each stretch of words is followed by a mark, and each mark has a citation."""
    for line in text.splitlines():
        *_, rest = pieces = _MARK.split(line)
        if any(character.isalnum() for character in rest):
            return False
        if not {int(mark) for mark in pieces[1::2]} <= numbers:
            return False
    return bool(text.strip())


def judge_wrong(gold: GoldQuestion, answer: Answer, *, in_gold: bool, documents_known: bool) -> bool | None:
    """Whether an answer is wrong; None when it abstained, or when nobody said what is right.

    An answer to an unanswerable question is wrong. Else, where gold answers or gold sentences are known, it is wrong
    when neither its text nor its quotes contain one of them. Else, where only gold documents are known, it is wrong
    when no citation lies in one of them.
    """
    if answer.abstained:
        return None
    if gold.can_be_answered is False:
        return True
    if gold.answers or gold.sentences:
        return not contains_answer(_list_said(answer), (*gold.answers, *gold.sentences))
    return not in_gold if documents_known else None


def name_outcome(gold: GoldQuestion, answer: Answer, *, wrong: bool | None) -> Outcome:
    """The one word for a result."""
    if answer.abstained:
        refused: dict[bool | None, Outcome] = {True: "refused wrongly", False: "refused rightly"}
        return refused.get(gold.can_be_answered, "not judged")
    if wrong is None:
        return "not judged"
    return "wrong" if wrong else "right"


def score_answer(gold: GoldQuestion, answer: Answer) -> dict[str, Share]:
    """Metrics of what was said and what was not; an abstained answer to an answerable question says nothing right."""
    scores = {"answered_share": Share(float(not answer.abstained), 1)}
    possible = gold.can_be_answered
    if possible is not None:
        refused = float(answer.abstained)
        scores["refusal_precision"] = Share(float(not possible) * refused, refused)
        scores["answered_of_answerable" if possible else "refusal_recall"] = (
            Share(1 - refused, 1) if possible else Share(refused, 1)
        )
    if possible and gold.answers:
        scores |= _score_words(answer, gold.answers)
    if possible and gold.sentences:
        scores["quotes_gold_sentence"] = Share(float(contains_answer(_list_said(answer), gold.sentences)), 1)
    return scores


def _score_words(answer: Answer, answers: Sequence[str]) -> dict[str, Share]:
    """Metrics of words against gold answers; the refusal of an abstained answer says none of them."""
    text = "" if answer.abstained else answer.text
    return {
        "em": Share(float(bool(text) and is_exact(text, answers)), 1),
        "f1": Share(measure_f1(text, answers) if text else 0.0, 1),
        "contains_gold": Share(float(contains_answer(_list_said(answer), answers)), 1),
        "text_contains_gold": Share(float(contains_answer([text], answers)), 1),
    }


def score_effort(answer: Answer) -> dict[str, Share]:
    """How the answer was made, and what it took."""
    return {
        "generated_share": Share(float(answer.mode == "generated"), 1),
        "extractive_share": Share(float(answer.mode == "extractive"), 1),
        "none_share": Share(float(answer.mode == "none"), 1),
        "prompt_tokens": Share(answer.prompt_tokens, 1),
        "completion_tokens": Share(answer.completion_tokens, 1),
        "seconds": Share(answer.timings.total_seconds, 1),
    }


def _score_citations(answer: Answer, in_gold: Sequence[bool], *, judged: bool) -> dict[str, Share]:
    """Citations in gold documents among all, and answers with one such citation among the answered."""
    if not judged or answer.abstained:
        return {}
    return {
        "citation_precision": Share(sum(in_gold), len(in_gold)),
        "citation_recall": Share(float(any(in_gold)), 1),
    }


def _list_said(answer: Answer) -> list[str]:
    """What was said: the text and each quote; nothing when it abstained."""
    return [] if answer.abstained else [answer.text, *(citation.quote for citation in answer.citations)]
