"""Random users, documents and questions: never a passage that its asker may not read."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.answer_models import Question
from tasks.models import EVERYONE, CollectionSpec
from tasks.ports import IndexRow
from tasks.retrieval.analysis import analyse_text
from tasks.retrieval.search import HybridSearcher
from tests.fakes.embedder import DIMENSION, FakeEmbedder
from tests.fakes.passage_reader import FakePassageReader
from tests.fakes.vector_index import FakeIndex

COLLECTION = "Chunks_access"
GROUPS = (EVERYONE, "hr", "service", "board")
WORDS = ("pump", "leave", "price", "valve", "Frist", "Vertrag")

groups = st.lists(st.sampled_from(GROUPS), unique=True, max_size=3)
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)


class Written(NamedTuple):
    """A document as it was when the index was written, and its readers now."""

    chunks: list[str]
    tenant: str
    readers_then: list[str]
    readers_now: list[str]
    is_deleted: bool


documents = st.lists(
    st.builds(
        Written,
        chunks=st.lists(sentences, min_size=1, max_size=3),
        tenant=st.sampled_from(("default", "other")),
        readers_then=groups,
        readers_now=groups,
        is_deleted=st.booleans(),
    ),
    max_size=6,
)
questions = st.lists(
    st.builds(
        Question,
        text=sentences,
        principals=groups.map(frozenset),
        tenant=st.sampled_from(("default", "other")),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
@given(documents, questions)
def test_no_passage_reaches_an_asker_who_may_not_read_it(written: list[Written], asked: list[Question]) -> None:
    embedder, index, reader = FakeEmbedder(), FakeIndex(), FakePassageReader()
    index.ensure_collection(CollectionSpec(name=COLLECTION, dimension=DIMENSION))
    for number, document in enumerate(written):
        _write(f"{number}.md", document, embedder, index, reader)
    searcher = HybridSearcher(COLLECTION, embedder=embedder, index=index, reader=reader)
    for question, hits in zip(asked, searcher.search(asked, limit=4), strict=True):
        allowed = question.principals | {EVERYONE}
        for hit in hits:
            for document_id in (hit.passage.document_id, *hit.duplicates):
                stored = reader.documents[document_id]
                assert stored.tenant == question.tenant
                assert reader.readers[document_id] & allowed
            chunk = hit.passage.chunk
            assert reader.documents[hit.passage.document_id].text[chunk.start : chunk.end] == chunk.text


def _write(path: str, document: Written, embedder: FakeEmbedder, index: FakeIndex, reader: FakePassageReader) -> None:
    passages = reader.add_document(path, document.chunks, readers=document.readers_now, tenant=document.tenant)
    vectors = embedder.embed_documents([passage.chunk.text for passage in passages])
    rows = [
        IndexRow(
            chunk_id=passage.chunk_id,
            document_id=passage.document_id,
            tenant=document.tenant,
            vector=vector,
            keywords=analyse_text(passage.chunk.text, "en"),
            source=passage.source,
            language="en",
            document_type="md",
            modified=None,
            readers=tuple(document.readers_then),
        )
        for passage, vector in zip(passages, vectors, strict=True)
    ]
    index.upsert_rows(COLLECTION, rows)
    if document.is_deleted:
        del reader.documents[passages[0].document_id]
