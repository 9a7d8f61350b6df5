"""A searcher that finds what the test says, in the order it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.answer_models import Question
from tasks.models import Hit, Passage


class FakeSearcher:
    """Remembers what it was asked.

    Args:
        found: Passages by question, best first; the n-th of them scores 1/n.
    """

    def __init__(self, found: Mapping[str, Sequence[Passage]]) -> None:
        self.found = found
        self.asked: list[list[str]] = []

    def search(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        self.asked.append([question.text for question in questions])
        return [
            [
                Hit(rank=rank, score=1 / rank, passage=passage)
                for rank, passage in enumerate(self.found.get(question.text, ())[:limit], start=1)
            ]
            for question in questions
        ]
