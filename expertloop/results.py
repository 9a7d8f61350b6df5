"""What programs get: passages of a search with the keys of `expertloop search --json`, and the parts of a stream."""

from __future__ import annotations

from tasks.answer_models import Citation, Expansion
from tasks.models import Hit, Noun


class FoundPassage(Noun):
    """One passage, best rank 1."""

    rank: int
    score: float
    document_id: str
    chunk_id: str
    uri: str
    title: str
    page: int | None
    text: str


class SearchResult(Noun):
    """The passages that a question finds."""

    question: str
    hits: tuple[FoundPassage, ...]
    expansions: tuple[Expansion, ...] = ()


class Sentence(Noun):
    """A verified piece of an answer that is still being written; all of them one after the other are its text."""

    text: str
    citations: tuple[Citation, ...]


class Retraction(Noun):
    """The sentences so far do not hold any more; the answer begins anew."""


def describe_hit(hit: Hit) -> FoundPassage:
    """A hit as programs see it."""
    passage = hit.passage
    return FoundPassage(
        rank=hit.rank,
        score=round(hit.score, 6),
        document_id=passage.document_id,
        chunk_id=passage.chunk_id,
        uri=passage.uri,
        title=passage.title,
        page=passage.chunk.page,
        text=passage.chunk.shown_text,
    )
