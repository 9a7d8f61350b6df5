"""What a search returns to programs: the keys of `expertloop search --json`."""

from __future__ import annotations

from tasks.models import Expansion, Hit, Noun


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
