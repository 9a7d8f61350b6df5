"""Little trusted sources answer only where no other speaks of the subject."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.answer_models import Question
from tasks.answering.trust import TrustedFirst
from tasks.models import Hit, SearchFilter
from tests.fakes.passage_reader import FakePassageReader

SIMILARITY = {"handbook": 0.6, "inbox": 0.9}


class FilteringSearcher:
    """One passage a source, as the filter allows; similar to the question as `similarity` says."""

    def __init__(self, similarity: dict[str, float]) -> None:
        self.similarity = similarity
        self.asked: list[tuple[str, ...] | None] = []

    def search(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        """Hits of the allowed sources, the most similar first."""
        self.asked += [question.filter.sources for question in questions]
        return [self._find(question.filter.sources) for question in questions]

    def _find(self, allowed: tuple[str, ...] | None) -> list[Hit]:
        sources = [name for name in self.similarity if allowed is None or name in allowed]
        hits = []
        for rank, name in enumerate(sorted(sources, key=lambda one: -self.similarity[one]), start=1):
            (passage,) = FakePassageReader().add_document(f"{name}.md", ["The pump needs oil."])
            found = passage.model_copy(update={"source": name})
            hits.append(Hit(rank=rank, score=1 / rank, dense_score=self.similarity[name], passage=found))
        return hits


def find_sources(
    searcher: FilteringSearcher, *, believed: tuple[str, ...] | None, wished: tuple[str, ...] | None = None
) -> list[str]:
    """Names of the sources that a question is answered from."""
    question = Question(text="Does the pump need oil?", filter=SearchFilter(sources=wished))
    (hits,) = TrustedFirst(searcher, list_believed=lambda _: believed).search([question], limit=10)
    return [hit.passage.source for hit in hits]


def test_where_another_source_speaks_of_it_the_little_trusted_is_silent() -> None:
    assert find_sources(FilteringSearcher(SIMILARITY), believed=("handbook",)) == ["handbook"]


def test_of_what_no_other_speaks_the_little_trusted_answers() -> None:
    searcher = FilteringSearcher({"handbook": 0.05, "inbox": 0.9})
    assert find_sources(searcher, believed=("handbook",)) == ["inbox", "handbook"]
    assert searcher.asked == [("handbook",), None]


def test_where_all_are_believed_nothing_is_searched_twice() -> None:
    searcher = FilteringSearcher(SIMILARITY)
    assert find_sources(searcher, believed=None) == ["inbox", "handbook"]
    assert searcher.asked == [None]


def test_who_asks_for_the_little_trusted_source_gets_it() -> None:
    searcher = FilteringSearcher(SIMILARITY)
    assert find_sources(searcher, believed=("handbook",), wished=("inbox",)) == ["inbox"]
    assert searcher.asked == [(), ("inbox",)]
