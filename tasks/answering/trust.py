"""Who may write into a little trusted source must not answer for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasks.answer_models import Question
from tasks.answering.extract import are_relevant
from tasks.models import Hit
from tasks.ports import Searcher


class TrustedFirst:
    """The `Searcher` port: little trusted sources are searched only for subjects of which no other speaks.

    To rank them lower would not do: passages that are planted for a question repeat it, outdo every honest one, and a
    hundred of them leave no place for it.

    Args:
        searcher: Searches.
        list_believed: The sources of a tenant that are not little trusted; None: all of them.
    """

    def __init__(self, searcher: Searcher, *, list_believed: Callable[[str], tuple[str, ...] | None]) -> None:
        self._searcher = searcher
        self._list_believed = list_believed

    def search(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        """The hits of each question, best first."""
        believed = {tenant: self._list_believed(tenant) for tenant in {question.tenant for question in questions}}
        narrowed = [_narrow(question, believed[question.tenant]) for question in questions]
        found = self._searcher.search(narrowed, limit=limit)
        unanswered = [
            place
            for place, (question, asked) in enumerate(zip(questions, narrowed, strict=True))
            if asked != question and not are_relevant(found[place], [])
        ]
        if unanswered:
            again = self._searcher.search([questions[place] for place in unanswered], limit=limit)
            for place, hits in zip(unanswered, again, strict=True):
                found[place] = hits
        return found


def _narrow(question: Question, believed: tuple[str, ...] | None) -> Question:
    """The question asked of believed sources alone; itself where all of them are."""
    if believed is None:
        return question
    wished = question.filter.sources
    sources = believed if wished is None else tuple(source for source in wished if source in believed)
    return question.model_copy(update={"filter": question.filter.model_copy(update={"sources": sources})})
