"""From the store's proposals to one ranking: fused by language, steadied by the rest of the document and its twins.

Six steps; docs/decisions has the measurements of the first five:

- keyword scores of short chunks are damped: BM25's usual length normalisation is made for documents, and lets a heading
  that stands alone outdo the section below it;
- both kinds of scores are divided by their standard deviation among the candidates, not by their range: the range
  hangs on one outlier and on how many candidates there are;
- they are weighed by the languages of question and chunk: between languages keywords are only names and numbers;
- a chunk is steadied by the second best of its document, when that was found too;
- and a document by its twins, the same text in other formats: each of them was cut differently, and the mean of five
  cuts is surer than the luckiest one;
- and every chunk counts as much as its source is trusted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.language import UNDETERMINED
from tasks.models import Passage, Trust
from tasks.ports import IndexHit
from tasks.retrieval.passages import list_names, read_shingles

Scores: TypeAlias = NDArray[np.float64]

SAME_LANGUAGE_ALPHA = {"de": 0.4}
OTHER_SAME_LANGUAGE_ALPHA = 0.5
ACROSS_LANGUAGES_ALPHA = 0.7
"""Weight of the vectors by the languages of question and chunk. Within German, where compounds and endings carry much,
stems and grams are the stronger side; between languages they only know names, numbers and loan words."""

STORE_NORMALISATION = 0.75
NORMALISATION = 0.4
"""BM25's b, which every store has, and the one that suits chunks: their lengths differ by where they were cut."""

_SATURATION = 1.2
"""BM25's k1, the same in every store."""

SECOND_SHARE = 0.25
"""Weight of a document's second best chunk against its best."""

TWIN_SHARE = 0.5
"""Documents of one name are twins when this much of the shorter one's found text is in the other."""

TWINS_SHARE = 0.8
"""Weight of the twins' mean against a document's own worth, which still tells the better of two."""


TRUST_WEIGHTS: Mapping[Trust, float] = {"high": 1.15, "normal": 1.0, "low": 0.5}
"""What a passage's score counts by its source: of two that say as much the more trusted one comes first, and a little
trusted one only where nothing else says half as much."""


class Candidate(NamedTuple):
    """A proposal of the store that the database confirmed."""

    passage: Passage
    score: float
    dense_score: float | None
    keyword_score: float | None


def choose_alpha(question_language: str, chunk_language: str) -> float:
    """Weight of the dense score, 0 to 1."""
    same = question_language == chunk_language or UNDETERMINED in (question_language, chunk_language)
    return SAME_LANGUAGE_ALPHA.get(question_language, OTHER_SAME_LANGUAGE_ALPHA) if same else ACROSS_LANGUAGES_ALPHA


def rank_candidates(
    found: Sequence[IndexHit], passages: Mapping[str, Passage], weigh: Callable[[str], float]
) -> list[Candidate]:
    """Rank what the database confirmed.

    Args:
        found: The store's proposals.
        passages: The confirmed ones by chunk_id.
        weigh: Weight of the dense score by a chunk's language.

    Returns:
        Scores from 0 to 1, best first, equal scores by chunk_id.
    """
    confirmed = [hit for hit in found if hit.chunk_id in passages]
    chunks = [passages[hit.chunk_id] for hit in confirmed]
    trust = np.array([TRUST_WEIGHTS[chunk.trust] for chunk in chunks])
    scores = (steady(chunks, fuse(confirmed, chunks, weigh)) * trust).tolist()
    candidates = [
        Candidate(chunk, score, hit.dense_score, hit.keyword_score)
        for hit, chunk, score in zip(confirmed, chunks, scores, strict=True)
    ]
    return sorted(candidates, key=lambda candidate: (-candidate.score, candidate.passage.chunk_id))


def join_readings(ranked: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """One ranking of those of several texts that ask the same: the mean of the scores, a missing one being 0.

    The mean of several searches and not one search for all words: a long form has more words than its abbreviation, and
    documents that spell it out would outdo those that do not (Fox and Shaw, "Combination of Multiple Searches", TREC-2,
    1994).

    Args:
        ranked: A ranking a text, at least one; a single one stays as it is.

    Returns:
        Best first; the parts of a score are the best of their kind.
    """
    if len(ranked) == 1:
        return list(ranked[0])
    members: defaultdict[str, list[Candidate]] = defaultdict(list)
    for candidate in (one for candidates in ranked for one in candidates):
        members[candidate.passage.chunk_id].append(candidate)
    joined = [
        Candidate(
            same[0].passage,
            sum(one.score for one in same) / len(ranked),
            best_known(one.dense_score for one in same),
            best_known(one.keyword_score for one in same),
        )
        for same in members.values()
    ]
    return sorted(joined, key=lambda candidate: (-candidate.score, candidate.passage.chunk_id))


def best_known(scores: Iterable[float | None]) -> float | None:
    """The highest; None where none is known."""
    return max((score for score in scores if score is not None), default=None)


def fuse(found: Sequence[IndexHit], chunks: Sequence[Passage], weigh: Callable[[str], float]) -> Scores:
    """Fuse again, now that every chunk's language is known; a store that tells no parts keeps its own score.

    Returns:
        [n] a score a proposal, at most 1.
    """
    dense = _standardise(_read_scores(hit.dense_score for hit in found))
    keyword = _standardise(_damp_short(_read_scores(hit.keyword_score for hit in found), chunks))
    if np.isnan(dense).all() and np.isnan(keyword).all():
        return np.array([hit.score for hit in found])
    dense, keyword = np.nan_to_num(dense), np.nan_to_num(keyword)
    highest = max(dense.max(), keyword.max()) or 1.0
    alphas = {language: weigh(language) for language in {chunk.chunk.language for chunk in chunks}}
    alpha = np.array([alphas[chunk.chunk.language] for chunk in chunks])
    return (alpha * dense + (1 - alpha) * keyword) / highest


def _read_scores(scores: Iterable[float | None]) -> Scores:
    """[n], NaN where one side of the store did not find the chunk."""
    return np.array([np.nan if score is None else score for score in scores], dtype=np.float64)


def _damp_short(scores: Scores, chunks: Sequence[Passage]) -> Scores:
    """Keyword scores as if BM25 had been computed with NORMALISATION instead of STORE_NORMALISATION.

    Exact for words that a chunk holds once (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009,
    section 3.4); the mean length is that of the proposals.
    """
    lengths = np.array([_indexed_length(chunk) for chunk in chunks], dtype=np.float64)
    relative = lengths / (lengths.mean() if lengths.size else 1.0)
    return scores * _normalise(relative, STORE_NORMALISATION) / _normalise(relative, NORMALISATION)


def _normalise(relative_lengths: Scores, b: float) -> Scores:
    return 1 + _SATURATION * (1 - b + b * relative_lengths)


def _indexed_length(passage: Passage) -> int:
    """Characters of what was indexed, which grow as its tokens do."""
    chunk = passage.chunk
    header = len(chunk.repeated_header) + 1 if chunk.repeated_header else 0
    return len(passage.title) + sum(map(len, chunk.heading_path)) + header + len(chunk.text)


def _standardise(scores: Scores) -> Scores:
    """Distance from the worst, in standard deviations; where all are equal, all are 1. NaN stays."""
    known = scores[~np.isnan(scores)]
    if not known.size:
        return scores
    lowest, deviation = known.min(), known.std()
    if deviation == 0 or lowest == known.max():  # rounding makes a deviation of equal scores
        return np.where(np.isnan(scores), scores, 1.0)
    standardised: Scores = (scores - lowest) / deviation
    return standardised


def steady(chunks: Sequence[Passage], scores: Scores) -> Scores:
    """Move every chunk by what the rest of its document, and its twins, say about the document; [n], at least 0."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for place, chunk in enumerate(chunks):
        members[chunk.document_id].append(place)
    best = {document: scores[places].max() for document, places in members.items()}
    worth = {document: _worth(scores[places].tolist()) for document, places in members.items()}
    for twins in _find_twins({document: [chunks[place] for place in places] for document, places in members.items()}):
        mean = fmean(worth[document] for document in twins)
        worth |= {document: TWINS_SHARE * mean + (1 - TWINS_SHARE) * worth[document] for document in twins}
    moves = np.array([worth[chunk.document_id] - best[chunk.document_id] for chunk in chunks])
    steadied: Scores = np.maximum(0.0, scores + moves)
    return steadied


def _worth(scores: list[float]) -> float:
    """The best score, pulled towards the second best; a document of one found chunk is not punished for it."""
    first, *others = sorted(scores, reverse=True)
    second = others[0] if others else first
    return (first + SECOND_SHARE * second) / (1 + SECOND_SHARE)


def _find_twins(by_document: Mapping[str, Sequence[Passage]]) -> list[list[str]]:
    """Groups of documents of one name whose found chunks say mostly the same.

    Each document joins the first group whose first document is its twin, so that likeness never chains.
    """
    groups: list[list[str]] = []
    named: defaultdict[str, list[list[str]]] = defaultdict(list)
    for document, chunks in by_document.items():
        names = list_names(chunks[0])
        known = (group for name in names for group in named[name])
        group = next((one for one in known if _overlap(chunks, by_document[one[0]]) >= TWIN_SHARE), None)
        if group is None:
            group = []
            groups.append(group)
            for name in names:
                named[name].append(group)
        group.append(document)
    return [group for group in groups if len(group) > 1]


def _overlap(one: Sequence[Passage], other: Sequence[Passage]) -> float:
    """Share of what the shorter one says that the other says too; 0 where one says nothing."""
    first, second = (
        frozenset[int]().union(*(read_shingles(passage.chunk.text) for passage in chunks)) for chunks in (one, other)
    )
    return len(first & second) / min(len(first), len(second)) if first and second else 0.0
