"""Searches for an overview: summaries are ranked among the chunks, and then give way to the chunks they stand for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tasks.fusion import CANDIDATES
from tasks.models import Passage
from tasks.ports import IndexHit, IndexQuery, PassageReader, VectorIndex
from tasks.retrieval.ranking import Candidate, best_known
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
        languages = queries[0].filter.languages
        readable = {
            chunk_id: passage
            for chunk_id, passage in self._reader.read_passages(
                queries[0].tenant, wanted, queries[0].principals
            ).items()
            # All else that a search is narrowed to holds for a whole document.
            if languages is None or passage.chunk.language in languages
        }
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
    Their similarities are the best of their document, too: those of what led to them, by which it is judged whether
    the question has to do with these documents at all.

    Args:
        candidates: Chunks and summaries, best first.
        widened: Says which are which.

    Returns:
        Chunks, best first.
    """
    members: defaultdict[str, list[Candidate]] = defaultdict(list)
    for one in candidates:
        members[one.passage.document_id].append(one)
    leading = {one.passage.chunk_id: one for same in members.values() for one in _list_leads(same, widened)}
    rest = [one for one in candidates if one.passage.chunk_id not in leading.keys() | widened.summaries.keys()]
    return sorted([*leading.values(), *rest], key=lambda one: -one.score)


def _list_leads(same: Sequence[Candidate], widened: Widened) -> Iterator[Candidate]:
    """The chunks that the best summary of one document stands for, those that the asker may read."""
    summary = next((one.passage.chunk_id for one in same if one.passage.chunk_id in widened.summaries), None)
    own = {one.passage.chunk_id: one.score for one in same}
    score = same[0].score
    for chunk_id in widened.summaries[summary].chunk_ids if summary else ():
        if chunk_id in widened.passages:
            yield Candidate(
                widened.passages[chunk_id],
                max(score, own.get(chunk_id, 0.0)),
                best_known(one.dense_score for one in same),
                best_known(one.keyword_score for one in same),
            )
            score *= FALL


def scale_to(candidates: Sequence[Candidate], chunks: Sequence[Candidate]) -> list[Candidate]:
    """The scores as high as they would be without summaries: a confidence is fitted on those.

    Args:
        candidates: Best first; their order stays.
        chunks: What is found without summaries, best first.
    """
    highest, wanted = (one[0].score if one else 0.0 for one in (candidates, chunks))
    factor = wanted / highest if highest and wanted else 1.0
    return [one._replace(score=one.score * factor) for one in candidates]
