"""Hybrid search: what the vector store proposes, the database confirms, and what is left is fused, collapsed, merged.

The store is asked for candidates of both kinds; the join with the database drops what is not live or not readable at
this moment, and more is asked for until enough is left. Then, best first: texts that say the same are shown once, and
neighbouring chunks of one page become one longer passage.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.answer_models import Question
from tasks.fusion import scale_scores
from tasks.language import detect_language
from tasks.models import EVERYONE, Hit, Passage
from tasks.ports import Embedder, IndexHit, IndexQuery, PassageReader, Reranker, VectorIndex, Vectors
from tasks.retrieval.analysis import analyse_question
from tasks.retrieval.overview import SummarySearch, lead_to_chunks, scale_to
from tasks.retrieval.passages import Gathering
from tasks.retrieval.ranking import Candidate, choose_alpha, join_readings, rank_candidates
from tasks.retrieval.topic import find_topic

logger = logging.getLogger(__name__)

FIRST_WIDTH = 400
"""Candidates asked of the store at first: of a document in five formats that is eighty texts."""

LAST_WIDTH = 3200
"""Candidates after which a search gives up on finding more that the asker may read."""

RERANKED = 30
"""Passages that a reranker reads."""

_MOST_CHARACTERS = 10_000
"""Of a question; the rest of a pasted document would only cost time."""


class _Readers(NamedTuple):
    """Who asks: of all that ask alike the database is asked once."""

    tenant: str
    principals: frozenset[str]


class _Reading(NamedTuple):
    """One way to say a question, as a store takes it."""

    vector: Vectors
    keywords: str


@dataclass
class _Asked:
    """One question on its way through the rounds."""

    question: Question
    language: str
    readings: Sequence[_Reading]
    """As it was asked; where abbreviations were expanded, also with their other forms beside them."""
    width: int
    is_overview: bool
    """Whether it asks what something is about; its readings are then that alone."""
    hits: list[Hit] = field(default_factory=list)

    @property
    def readers(self) -> _Readers:
        return _Readers(self.question.tenant, self.question.principals | {EVERYONE})


class HybridSearcher:
    """The `Searcher` port over one collection.

    Args:
        collection: Where the store holds the chunks, embedded by `embedder` and analysed by `analysis`.
        embedder: Embeds the questions.
        index: Proposes chunks.
        reader: Says what of them is live and readable now.
        alpha: Weight of the vectors for all questions, 0 to 1; None: by language.
        reranker: Reads question and passage together and has the last word on the order.
        merged_tokens: Longest passage made of neighbouring chunks, in the embedder's tokens; 0 merges nothing.
        summaries: Where questions for an overview look, too; None: all questions are alike.
    """

    def __init__(
        self,
        collection: str,
        *,
        embedder: Embedder,
        index: VectorIndex,
        reader: PassageReader,
        alpha: float | None = None,
        reranker: Reranker | None = None,
        merged_tokens: int = 400,
        summaries: SummarySearch | None = None,
    ) -> None:
        self._collection = collection
        self._embedder = embedder
        self._index = index
        self._reader = reader
        self._alpha = alpha
        self._reranker = reranker
        self._merged_tokens = merged_tokens
        self._summaries = summaries

    def search(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        """The hits of each question, best first, readable by the asker at this moment.

        Args:
            questions: Of any length; one without words finds nothing.
            limit: Most hits a question.

        Returns:
            A list a question, in their order; scores within a list fall from at most 1 to at least 0.
        """
        asked = self._prepare(questions, limit)
        waiting = [one for one in asked if one is not None and limit > 0]
        while waiting:
            queries = [self._query(one, reading) for one in waiting for reading in one.readings]
            rows = iter(self._index.search_rows(self._collection, queries))
            proposed = [[next(rows) for _ in one.readings] for one in waiting]
            confirmed = self._confirm(waiting, proposed)
            for one, found in zip(waiting, proposed, strict=True):
                one.hits = self._finish(one, found, confirmed[one.readers], limit)
            waiting = [
                one
                for one, found in zip(waiting, proposed, strict=True)
                if len(one.hits) < limit and max(map(len, found)) >= one.width and one.width < LAST_WIDTH
            ]
            for one in waiting:
                one.width = min(2 * one.width, LAST_WIDTH)
        return [one.hits if one is not None else [] for one in asked]

    def _prepare(self, questions: Sequence[Question], limit: int) -> list[_Asked | None]:
        """One batch of vectors for all questions that say something."""
        overviews = [self._summaries is not None and find_topic(question.text) is not None for question in questions]
        texts = [
            [(is_overview and find_topic(text)) or text.strip()[:_MOST_CHARACTERS] for text in question.searched]
            for question, is_overview in zip(questions, overviews, strict=True)
        ]
        saying = [text for readings in texts for text in readings if any(map(str.isalnum, text))]
        vectors = iter(self._embedder.embed_queries(saying) if saying else ())
        width = min(max(FIRST_WIDTH, 4 * limit), LAST_WIDTH)
        asked: list[_Asked | None] = []
        for question, is_overview, (text, *others) in zip(questions, overviews, texts, strict=True):
            if any(map(str.isalnum, text)):
                readings = [_Reading(next(vectors), analyse_question(one)) for one in (text, *others)]
                language = detect_language(question.text.strip()[:_MOST_CHARACTERS])
                asked.append(_Asked(question, language, readings, width, is_overview))
            else:
                asked.append(None)
        return asked

    def _query(self, asked: _Asked, reading: _Reading) -> IndexQuery:
        alpha = self._alpha if self._alpha is not None else choose_alpha(asked.language, asked.language)
        return IndexQuery(
            tenant=asked.question.tenant,
            principals=asked.readers.principals,
            vector=reading.vector,
            keywords=reading.keywords,
            alpha=alpha,
            limit=asked.width,
            filter=asked.question.filter,
        )

    def _confirm(
        self, asked: Sequence[_Asked], proposed: Sequence[Sequence[Sequence[IndexHit]]]
    ) -> dict[_Readers, dict[str, Passage]]:
        """What each kind of asker may read of what was proposed to any of its kind: one question to the database."""
        wanted: defaultdict[_Readers, dict[str, None]] = defaultdict(dict)
        for one, found in zip(asked, proposed, strict=True):
            wanted[one.readers].update(dict.fromkeys(hit.chunk_id for hits in found for hit in hits))
        return {
            readers: self._reader.read_passages(readers.tenant, list(chunk_ids), readers.principals)
            for readers, chunk_ids in wanted.items()
        }

    def _finish(
        self, asked: _Asked, found: Sequence[Sequence[IndexHit]], passages: Mapping[str, Passage], limit: int
    ) -> list[Hit]:
        """From proposals to hits: those confirmed are fused, reranked, collapsed and merged."""
        tenant, principals = asked.readers
        candidates = self._rank(asked, found, passages)
        if asked.is_overview and self._summaries is not None:
            queries = [self._query(asked, reading) for reading in asked.readings]
            widened = self._summaries.widen(queries, found, passages)
            together = lead_to_chunks(self._rank(asked, widened.found, widened.passages), widened)
            candidates = scale_to(together, candidates)
        if self._reranker is not None:
            candidates = rerank(asked.question.readings, candidates, self._reranker)
        gathering = Gathering(
            limit=limit,
            merged_tokens=self._merged_tokens,
            count_tokens=self._embedder.count_tokens,
            read_text=lambda document_id: self._reader.read_text(tenant, document_id, principals),
        )
        for candidate in candidates:
            if not gathering.add(candidate):
                break
        hits = gathering.finish()
        logger.info(
            "search language=%s candidates=%s confirmed=%s hits=%s",
            asked.language,
            sum(map(len, found)),
            len(candidates),
            len(hits),
        )
        return hits

    def _rank(
        self, asked: _Asked, found: Sequence[Sequence[IndexHit]], passages: Mapping[str, Passage]
    ) -> list[Candidate]:
        def weigh(chunk_language: str) -> float:
            return self._weigh(asked.language, chunk_language)

        return join_readings([rank_candidates(hits, passages, weigh) for hits in found])

    def _weigh(self, question_language: str, chunk_language: str) -> float:
        return self._alpha if self._alpha is not None else choose_alpha(question_language, chunk_language)


def rerank(readings: Sequence[str], candidates: Sequence[Candidate], reranker: Reranker) -> list[Candidate]:
    """The best candidates in the reranker's order with its scores scaled to 0..1; the rest falls away.

    Args:
        readings: Texts that ask the same; the one that suits a passage best counts.
    """
    best = candidates[:RERANKED]
    shown = [shown_passage(candidate.passage) for candidate in best]
    scores = [max(one) for one in zip(*(reranker.score_passages(text, shown) for text in readings), strict=True)]
    scaled = scale_scores({c.passage.chunk_id: score for c, score in zip(best, scores, strict=True)})
    ordered = [candidate._replace(score=scaled[candidate.passage.chunk_id]) for candidate in best]
    return sorted(ordered, key=lambda candidate: -candidate.score)


def shown_passage(passage: Passage) -> str:
    """Title and headings above the text: what was embedded, and what a reranker reads."""
    place = " > ".join((passage.title, *passage.chunk.heading_path))
    return f"{place}\n{passage.chunk.shown_text}"
