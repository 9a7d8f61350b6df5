"""Searches for an overview: summaries are ranked among the chunks, and then give way to the chunks they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tasks.fusion import CANDIDATES
from tasks.models import Passage
from tasks.ports import IndexHit, IndexQuery, PassageReader, VectorIndex
from tasks.retrieval.ranking import Candidate
from tasks.summary_ports import FoundSummary, SummaryReader

FALL = 0.9
"""What each further chunk of a summary counts against the one before: other documents must be seen, too."""


class Widened(NamedTuple):
    """What was found for one question, summaries included."""

    found: list[list[IndexHit]]
    passages: dict[str, Passage]
    """Of chunks and summaries; a summary's is that of its document, with itself in the place of a chunk."""
    summaries: dict[str, FoundSummary]


class SummarySearch:
    """Summaries of the documents of one collection.

    Args:
        collection: Where the store holds them.
        index: The store.
        summaries: What they lead to.
        reader: Says which chunks are live and readable now; a summary counts where one of its chunks is.
    """

    def __init__(self, collection: str, *, index: VectorIndex, summaries: SummaryReader, reader: PassageReader) -> None:
        self._collection = collection
        self._index = index
        self._summaries = summaries
        self._reader = reader

    def widen(
        self, queries: Sequence[IndexQuery], found: Sequence[Sequence[IndexHit]], passages: Mapping[str, Passage]
    ) -> Widened:
        """Add the summaries that suit a question, and the chunks they lead to.

        Args:
            queries: One a reading of the question, all of one asker.
            found: Chunks for each of them.
            passages: Those of them that the asker may read.
        """
        narrowed = [query._replace(limit=CANDIDATES) for query in queries]
        hits = self._index.search_rows(self._collection, narrowed)
        known = self._summaries.read_summaries({hit.chunk_id for some in hits for hit in some})
        wanted = list(dict.fromkeys(chunk_id for one in known.values() for chunk_id in one.chunk_ids))
        readable = self._reader.read_passages(queries[0].tenant, wanted, queries[0].principals)
        ranked = {key: shown for key, one in known.items() if (shown := _show(key, one, readable))}
        return Widened(
            [
                [*chunks, *(hit for hit in some if hit.chunk_id in ranked)]
                for chunks, some in zip(found, hits, strict=True)
            ],
            {**passages, **readable, **ranked},
            {key: known[key] for key in ranked},
        )


def _show(summary_id: str, summary: FoundSummary, readable: Mapping[str, Passage]) -> Passage | None:
    led = next((readable[chunk_id] for chunk_id in summary.chunk_ids if chunk_id in readable), None)
    return led and led.model_copy(update={"chunk_id": summary_id, "chunk": summary.chunk})


def lead_to_chunks(candidates: Sequence[Candidate], widened: Widened) -> list[Candidate]:
    """Put chunks in the place of summaries.

    Of a document with a summary, the chunks that its best one stands for come before the others: the first with the
    score of the document's best candidate, so that documents keep their order and one without summaries its chance.

    Args:
        candidates: Chunks and summaries, best first.
        widened: Says which are which.

    Returns:
        Chunks, best first.
    """
    highest: dict[str, Candidate] = {}
    best: dict[str, Candidate] = {}
    for one in candidates:
        highest.setdefault(one.passage.document_id, one)
        if one.passage.chunk_id in widened.summaries:
            best.setdefault(one.passage.document_id, one)
    leading: dict[str, Candidate] = {}
    for document_id, one in best.items():
        score = highest[document_id].score
        for chunk_id in widened.summaries[one.passage.chunk_id].chunk_ids:
            if chunk_id in widened.passages:
                leading[chunk_id] = one._replace(passage=widened.passages[chunk_id], score=score)
                score *= FALL
    chunks = {one.passage.chunk_id: one for one in candidates if one.passage.chunk_id not in widened.summaries}
    scored = [_better(one, chunks[chunk_id]) if chunk_id in chunks else one for chunk_id, one in leading.items()]
    rest = [one for chunk_id, one in chunks.items() if chunk_id not in leading]
    return sorted([*scored, *rest], key=lambda one: -one.score)


def _better(led: Candidate, found: Candidate) -> Candidate:
    """A chunk that was found by itself, too, keeps the parts of its own score."""
    return found._replace(score=max(led.score, found.score))
