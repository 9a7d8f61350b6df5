from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from tasks.answer_models import Expansion, Question
from tasks.models import EVERYONE, CollectionSpec, Hit, Passage, SearchFilter
from tasks.ports import IndexHit, IndexQuery, IndexRow, Vectors
from tasks.retrieval.analysis import analyse_text
from tasks.retrieval.ranking import choose_alpha, rank_candidates
from tasks.retrieval.search import FIRST_WIDTH, LAST_WIDTH, HybridSearcher
from tests.fakes.embedder import DIMENSION, FakeEmbedder
from tests.fakes.passage_reader import FakePassageReader
from tests.fakes.vector_index import FakeIndex

COLLECTION = "Chunks_test"


class CountingIndex(FakeIndex):
    def __init__(self) -> None:
        super().__init__()
        self.widths: list[int] = []

    def search_rows(self, collection: str, queries: Sequence[IndexQuery]) -> list[list[IndexHit]]:
        self.widths += [query.limit for query in queries]
        return super().search_rows(collection, queries)


class Library:
    """Documents in the database and the index, and a searcher over both."""

    def __init__(self) -> None:
        self.reader, self.index, self.embedder = FakePassageReader(), CountingIndex(), FakeEmbedder()
        self.index.ensure_collection(CollectionSpec(name=COLLECTION, dimension=DIMENSION))

    def add(
        self,
        path: str,
        *chunks: str,
        readers: Sequence[str] = (EVERYONE,),
        tenant: str = "default",
        language: str = "en",
        pages: Sequence[int] | None = None,
        headings: Sequence[tuple[str, ...]] | None = None,
    ) -> str:
        passages = self.reader.add_document(
            path, chunks, readers=readers, tenant=tenant, language=language, pages=pages, headings=headings
        )
        self.index.upsert_rows(COLLECTION, [self._row(passage, tenant, readers) for passage in passages])
        return passages[0].document_id

    def _row(self, passage: Passage, tenant: str, readers: Sequence[str]) -> IndexRow:
        return IndexRow(
            chunk_id=passage.chunk_id,
            document_id=passage.document_id,
            tenant=tenant,
            vector=self.embedder.embed_documents([passage.chunk.text])[0],
            keywords=analyse_text(passage.chunk.text, passage.chunk.language),
            source=passage.source,
            language=passage.chunk.language,
            document_type=passage.document_type,
            modified=None,
            readers=tuple(readers),
        )

    def search(self, text: str, *groups: str, limit: int = 5, types: tuple[str, ...] | None = None) -> list[Hit]:
        question = Question(text=text, principals=frozenset(groups), filter=SearchFilter(types=types))
        return self.searcher().search([question], limit=limit)[0]

    def searcher(self, **options: object) -> HybridSearcher:
        return HybridSearcher(
            COLLECTION,
            embedder=self.embedder,
            index=self.index,
            reader=self.reader,
            **options,  # type: ignore[arg-type]
        )


@pytest.fixture
def library() -> Library:
    return Library()


def titles(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.title for hit in hits]


def test_the_passage_that_answers_comes_first(library: Library) -> None:
    library.add("pump.md", "The pump is primed before it starts.")
    library.add("leave.md", "Leave is requested three weeks ahead.")
    hits = library.search("How many weeks ahead do I request leave?")
    assert titles(hits)[0] == "leave.md"
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]


def test_questions_are_answered_in_their_order_and_in_one_batch(library: Library) -> None:
    library.add("pump.md", "The pump is primed before it starts.")
    library.add("leave.md", "Leave is requested three weeks ahead.")
    questions = [Question(text=text) for text in ("leave weeks", "", "pump starts")]
    leave, nothing, pump = library.searcher().search(questions, limit=1)
    assert (titles(leave), nothing, titles(pump)) == (["leave.md"], [], ["pump.md"])


def test_another_form_of_a_question_is_searched_by_words_and_by_meaning_beside_it(library: Library) -> None:
    library.add("lye.md", "Die Betriebsanweisung liegt aus.", language="de")
    library.add("acid.md", "Jede BA liegt aus.", language="de")
    library.add("leave.md", "Leave is requested three weeks ahead.")
    expansion = Expansion(said="BA", added=("Betriebsanweisung",))
    plain, question = Question(text="Welche BA?"), Question(text="Welche BA?", expansions=(expansion,))
    embedded: list[str] = []

    class Embedder(FakeEmbedder):
        def embed_queries(self, questions: Sequence[str]) -> Vectors:
            embedded.extend(questions)
            return super().embed_queries(questions)

    library.embedder = Embedder()
    before, hits = library.searcher(alpha=0.0).search([plain, question], limit=3)
    assert embedded == ["Welche BA?", "Welche BA?", "Welche BA (Betriebsanweisung)?"]
    assert (titles(before), sorted(titles(hits))) == (["acid.md"], ["acid.md", "lye.md"])
    assert before == library.searcher(alpha=0.0).search([plain], limit=3)[0]


@pytest.mark.parametrize("text", ["", "   ", "?!", "\x00", "😀"])
def test_a_question_without_words_finds_nothing(library: Library, text: str) -> None:
    library.add("pump.md", "The pump is primed before it starts.")
    assert library.search(text) == []


def test_a_question_of_ten_thousand_characters_finds_something(library: Library) -> None:
    library.add("pump.md", "The pump is primed before it starts.")
    assert titles(library.search("Why is the pump not primed? " * 400)) == ["pump.md"]


def test_an_empty_index_has_no_answer(library: Library) -> None:
    assert library.search("Where is the pump?") == []


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_there_are_never_more_hits_than_asked_for(library: Library, limit: int) -> None:
    for number in range(10):
        library.add(f"{number}.md", f"Pump number {number} stands in hall {number}.")
    assert len(library.search("Which pump?", limit=limit)) == limit


def test_a_shorter_result_is_the_beginning_of_a_longer_one(library: Library) -> None:
    for number in range(20):
        library.add(f"{number}.md", f"Pump number {number} stands in hall {number % 7}.")
    longer = library.search("Which pump is in hall 3?", limit=12)
    assert [hit.passage.chunk_id for hit in library.search("Which pump is in hall 3?", limit=4)] == [
        hit.passage.chunk_id for hit in longer[:4]
    ]


def test_filters_reach_the_store(library: Library) -> None:
    library.add("pump.md", "The pump is primed before it starts.")
    library.add("pump.pdf", "A pump that is not primed stays dry.")
    assert titles(library.search("pump", types=("pdf",))) == ["pump.pdf"]


# --- who may read it -----------------------------------------------------------------------------------------------


def test_everyone_is_a_principal_of_every_asker(library: Library) -> None:
    library.add("pump.md", "The pump is primed before it starts.")
    assert titles(library.search("pump", "service")) == titles(library.search("pump")) == ["pump.md"]


def test_a_withdrawn_group_counts_at_the_next_search_although_the_index_is_stale(library: Library) -> None:
    document = library.add("salaries.md", "The salary of the board.", readers=["hr"])
    assert titles(library.search("salary", "hr")) == ["salaries.md"]
    library.reader.readers[document] = frozenset({"board"})
    assert library.search("salary", "hr") == []


def test_a_deleted_document_is_gone_although_the_index_still_has_it(library: Library) -> None:
    document = library.add("pump.md", "The pump is primed before it starts.")
    del library.reader.documents[document]
    assert library.search("pump") == []


def test_another_tenant_s_documents_do_not_exist(library: Library) -> None:
    library.add("pump.md", "The pump is primed before it starts.", tenant="other")
    assert library.search("pump") == []


def test_more_is_asked_for_until_enough_is_readable(library: Library) -> None:
    for number in range(2 * FIRST_WIDTH):
        document = library.add(f"{number}.md", f"pump {number}")
        library.reader.readers[document] = frozenset({"board"})
    library.add("other.md", "Somewhere far away there may also stand an old and rusty pump that nobody has seen.")
    assert titles(library.search("pump", limit=1)) == ["other.md"]
    assert library.index.widths == [FIRST_WIDTH, 2 * FIRST_WIDTH, 4 * FIRST_WIDTH]


def test_asking_for_more_ends(library: Library) -> None:
    class Endless(CountingIndex):
        def search_rows(self, collection: str, queries: Sequence[IndexQuery]) -> list[list[IndexHit]]:
            self.widths += [query.limit for query in queries]
            return [[IndexHit(str(i), 0.5, 0.5, None) for i in range(query.limit)] for query in queries]

    library.index = Endless()
    assert library.search("pump") == []
    assert library.index.widths[-1] == LAST_WIDTH


# --- fusion --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "chunk", "alpha"),
    [
        ("en", "en", 0.5),
        ("de", "de", 0.4),
        ("de", "en", 0.7),
        ("en", "de", 0.7),
        ("und", "de", 0.5),
        ("de", "und", 0.4),
    ],
)
def test_keywords_count_less_between_languages(question: str, chunk: str, alpha: float) -> None:
    assert choose_alpha(question, chunk) == alpha


def test_chunks_of_two_languages_are_weighed_differently_in_one_list(library: Library) -> None:
    german, english = (
        library.reader.add_document(name, [name], language=language)[0] for name, language in (("a", "de"), ("b", "en"))
    )
    found = [IndexHit(german.chunk_id, 0.0, 0.2, 9.0), IndexHit(english.chunk_id, 0.0, 0.8, 1.0)]
    passages = {passage.chunk_id: passage for passage in (german, english)}
    ranked = rank_candidates(found, passages, lambda language: choose_alpha("de", language))
    assert [(c.passage.title, round(c.score, 6)) for c in ranked] == [("b", 0.7), ("a", 0.6)]


def test_a_store_that_tells_no_parts_keeps_its_own_order(library: Library) -> None:
    passages = [library.reader.add_document(name, [name])[0] for name in "ab"]
    found = [IndexHit(p.chunk_id, score, None, None) for p, score in zip(passages, (0.2, 0.9), strict=True)]
    ranked = rank_candidates(found, {p.chunk_id: p for p in passages}, lambda _: 0.5)
    assert [c.score for c in ranked] == pytest.approx([0.9, 0.2])


def test_a_reranker_has_the_last_word(library: Library) -> None:
    class Shortest:
        name = "shortest"

        def score_passages(self, question: str, passages: Sequence[str]) -> list[float]:
            return [-float(len(passage)) for passage in passages]

    library.add("long.md", "pump pump pump pump and a long explanation of everything that a pump is")
    library.add("short.md", "a pump")
    hits = library.searcher(reranker=Shortest()).search([Question(text="pump")], limit=5)[0]
    assert [(hit.passage.title, hit.score) for hit in hits] == [("short.md", 1.0), ("long.md", 0.0)]


# --- the same text once, neighbours joined -------------------------------------------------------------------------

POLICY = (
    "Employees request leave three weeks ahead in the portal. The manager answers within five working days. "
    "Leave that is not taken by the end of March expires, unless illness was the reason."
)


def test_the_same_text_in_another_format_is_shown_once(library: Library) -> None:
    library.add("leave.md", POLICY)
    library.add("leave.pdf", POLICY.replace(". ", ".\n\n• "))
    (hit,) = library.search("When do I request leave?")
    others = {hit.passage.document_id, *hit.duplicates}
    assert others == set(library.reader.documents)


def test_a_piece_of_a_shown_text_is_the_same_text(library: Library) -> None:
    library.add("leave.md", POLICY)
    library.add("leave.pptx", POLICY.split(". ")[0])
    hits = library.search("When do I request leave in the portal?")
    if hits[0].passage.title == "leave.md":
        assert len(hits) == 1


def test_an_older_version_with_another_number_is_another_text(library: Library) -> None:
    library.add("leave.md", POLICY)
    library.add("leave-2019.md", POLICY.replace("three weeks", "four weeks"))
    assert sorted(titles(library.search("When do I request leave?"))) == ["leave-2019.md", "leave.md"]


def test_one_inserted_word_makes_another_text(library: Library) -> None:
    library.add("leave.md", POLICY, "Some things are not allowed.")
    library.add("leave-draft.md", POLICY.replace("request leave", "do not request leave"))
    assert {"leave.md", "leave-draft.md"} <= set(titles(library.search("When do I request leave?")))


def test_another_format_s_chunks_may_begin_and_end_elsewhere(library: Library) -> None:
    first, second, third = (f"{sentence}." for sentence in POLICY.rstrip(".").split(". "))
    library.add("leave.docx", first, f"{second}\n{third}", pages=[1, 2])
    library.add("leave.pdf", f"{first}\n{second}", third, pages=[1, 2])
    hits = library.search("When do I request leave, and who answers?")
    assert len({hit.passage.title for hit in hits}) == 1


def test_numbers_of_list_items_are_no_difference(library: Library) -> None:
    steps = ["Open the valve slowly", "Wait until the pressure is steady", "Close the drain"]
    library.add("a.md", "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1)))
    library.add("a.docx", "\n".join(steps))
    assert len(library.search("When do I open the valve?")) == 1


def test_a_duplicate_that_the_asker_may_not_read_is_not_named(library: Library) -> None:
    library.add("leave.md", POLICY)
    library.add("leave-board.md", POLICY, readers=["board"])
    (hit,) = library.search("When do I request leave?")
    assert hit.duplicates == ()


def test_neighbouring_chunks_become_one_passage_whose_span_is_true(library: Library) -> None:
    document = library.add("pump.md", "The pump is primed first.", "Then the pump is started.", "Leave is elsewhere.")
    hit = next(hit for hit in library.search("pump primed started") if "primed" in hit.passage.chunk.text)
    chunk = hit.passage.chunk
    assert chunk.text.startswith("The pump is primed first.\n\nThen the pump is started.")
    assert library.reader.documents[document].text[chunk.start : chunk.end] == chunk.text
    assert hit.passage.chunk_id in {passage.chunk_id for passage in library.reader.documents[document].passages}


def test_a_passage_of_several_sections_knows_where_each_begins(library: Library) -> None:
    headings = [("Pump", "Priming"), ("Pump", "Priming"), ("Pump", "Starting")]
    library.add("pump.md", "Prime the pump.", "The pump is primed wet.", "The pump is started.", headings=headings)
    (hit,) = library.search("pump primed started")
    passage = hit.passage
    assert passage.chunk.heading_path == ("Pump",)
    assert [(path[-1], passage.chunk.text[start:][:8]) for start, path in passage.list_sections()] == [
        ("Priming", "Prime th"),
        ("Starting", "The pump"),
    ]


def test_chunks_of_two_pages_stay_apart_because_a_citation_opens_one(library: Library) -> None:
    library.add("pump.pdf", "The pump is primed first.", "Then the pump is started.", pages=[1, 2])
    assert len(library.search("pump primed started")) == 2


def test_a_merged_passage_keeps_the_token_budget(library: Library) -> None:
    library.add("pump.md", *(f"pump {number} runs" for number in range(20)))
    hits = library.searcher(merged_tokens=9).search([Question(text="pump runs")], limit=20)[0]
    assert max(len(hit.passage.chunk.text.split()) for hit in hits) == 9
    assert sum(len(hit.passage.chunk.text.split()) for hit in hits) == 60


def test_no_question_is_logged(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    library.add("pump.md", "The pump is primed before it starts.")
    with caplog.at_level(logging.DEBUG):
        library.search("secretword pump")
    assert "secretword" not in caplog.text
    assert "primed" not in caplog.text
