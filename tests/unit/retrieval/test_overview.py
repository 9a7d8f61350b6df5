"""Searches for an overview: summaries lead to chunks, and to nothing that the asker may not read."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from tasks.answer_models import Question
from tasks.models import EVERYONE, CollectionSpec, Hit, SearchFilter
from tasks.ports import IndexRow
from tasks.retrieval.analysis import analyse_text
from tasks.retrieval.overview import SummarySearch
from tasks.retrieval.search import HybridSearcher
from tasks.summary_ports import FoundSummary, Summary
from tests.fakes.embedder import DIMENSION, FakeEmbedder
from tests.fakes.passage_reader import FakePassageReader
from tests.fakes.vector_index import FakeIndex

CHUNKS, SUMMARIES = "Chunks_test", "Chunks_test_summaries"
ABOUT_PUMPS = "What is the pump manual about?"


class Library:
    """Documents with summaries in the database and the index."""

    def __init__(self) -> None:
        self.reader, self.index, self.embedder = FakePassageReader(), FakeIndex(), FakeEmbedder()
        self.summaries: dict[str, FoundSummary] = {}
        for name in (CHUNKS, SUMMARIES):
            self.index.ensure_collection(CollectionSpec(name=name, dimension=DIMENSION))

    def read_summaries(self, summary_ids: Collection[str]) -> dict[str, FoundSummary]:
        return {key: self.summaries[key] for key in summary_ids if key in self.summaries}

    def add(
        self,
        path: str,
        *chunks: str,
        summary: str = "",
        leads: Sequence[int] = (0,),
        readers: Sequence[str] = (EVERYONE,),
        language: str = "en",
    ) -> str:
        passages = self.reader.add_document(path, chunks, readers=readers, pages=range(1, len(chunks) + 1))
        document_id = passages[0].document_id
        texts = [(CHUNKS, one.chunk_id, one.chunk.text, "en") for one in passages]
        if summary:
            found = Summary(0, summary, (), tuple(leads), (), language, "key")
            self.summaries[path] = FoundSummary(found.as_chunk, tuple(passages[lead].chunk_id for lead in leads))
            texts.append((SUMMARIES, path, summary, language))
        for collection, row_id, text, spoken in texts:
            row = IndexRow(
                chunk_id=row_id,
                document_id=document_id,
                tenant="default",
                vector=self.embedder.embed_documents([text])[0],
                keywords=analyse_text(text, spoken),
                source="test",
                language=spoken,
                document_type="md",
                modified=None,
                readers=tuple(readers),
            )
            self.index.upsert_rows(collection, [row])
        return document_id

    def search(
        self, text: str, *, summaries: bool = True, languages: tuple[str, ...] | None = None, limit: int = 5
    ) -> list[Hit]:
        searcher = HybridSearcher(
            CHUNKS,
            embedder=self.embedder,
            index=self.index,
            reader=self.reader,
            summaries=SummarySearch(SUMMARIES, index=self.index, summaries=self, reader=self.reader)
            if summaries
            else None,
        )
        return searcher.search([Question(text=text, filter=SearchFilter(languages=languages))], limit=limit)[0]


@pytest.fixture
def library() -> Library:
    library = Library()
    library.add("leave.md", "Leave is requested three weeks ahead.", "Sick leave is reported at once.")
    return library


def places(hits: Sequence[Hit]) -> list[tuple[str, int]]:
    return [(hit.passage.title, hit.passage.chunk.position) for hit in hits]


def test_the_chunks_of_the_summary_come_first_and_the_summary_is_not_among_them(library: Library) -> None:
    library.add(
        "pump.md",
        "Contents and safety.",
        "The pump manual names the pump on page nine.",
        "Vent it before use.",
        summary="This pump manual is about venting.",
        leads=(0, 2),
    )
    hits = library.search(ABOUT_PUMPS)
    assert places(hits)[:3] == [("pump.md", 0), ("pump.md", 1), ("pump.md", 2)]
    assert all(hit.passage.chunk_id not in library.summaries for hit in hits)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]
    # By the similarity it is judged whether the question has to do with these documents.
    assert hits[0].dense_score == max(hit.dense_score or 0 for hit in hits)


def test_an_ordinary_question_does_not_look_there(library: Library) -> None:
    library.add("pump.md", "Contents.", "Vent it before use.", summary="This pump manual is about venting pumps.")
    for text in ("What does the pump manual say about venting?", "pump manual", "venting"):
        assert library.search(text) == library.search(text, summaries=False)


def test_a_document_that_only_its_summary_suits_is_found(library: Library) -> None:
    for number in range(500):
        library.add(f"pumps{number}.md", f"Pump {number} and its manual.")
    library.add("lye.md", "Contents.", "Its seal.", summary="zirconium", leads=(1,))
    assert ("lye.md", 1) in places(library.search("Give me an overview of zirconium"))


def test_a_short_document_without_summary_keeps_its_place(library: Library) -> None:
    library.add("pump.md", "The pump manual.")
    library.add("other.md", "Contents.", "A seal.", "A pump.", summary="A seal of the pump.")
    assert places(library.search(ABOUT_PUMPS))[0] == ("pump.md", 0)


def test_what_one_may_not_read_leads_nowhere_and_changes_nothing(library: Library) -> None:
    library.add("pump.md", "The pump manual.")
    before = library.search(ABOUT_PUMPS)
    secret = library.add("secret.md", "Contents.", "Pumps.", summary="The secret pump manual.")
    assert ("secret.md", 0) in places(library.search(ABOUT_PUMPS))
    # The store still has the former readers.
    library.reader.readers[secret] = frozenset({"board"})
    found = library.search(ABOUT_PUMPS)
    assert places(found) == places(before)
    del library.summaries["secret.md"]
    assert library.search(ABOUT_PUMPS) == found


def test_a_summary_leads_to_no_chunk_in_another_language_than_was_asked_for(library: Library) -> None:
    library.add("pumpe.md", "Contents.", summary="Das pump manual.", language="de")
    assert library.search(ABOUT_PUMPS, languages=("de",)) == []
    assert library.search(ABOUT_PUMPS, languages=("en",)) != []
