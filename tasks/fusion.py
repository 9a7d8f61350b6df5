"""How dense and keyword scores become one: explicit arithmetic, the same for every vector store.

Min-max scaling and a weighted sum ("relative score fusion"): Bruch, Gai, Ingber, "An Analysis of Fusion Functions for
Hybrid Retrieval", ACM TOIS 2023, section 4; it keeps how much better a candidate is, which ranks alone (RRF) forget.
"""

from __future__ import annotations

from collections.abc import Mapping

from tasks.ports import IndexHit, IndexQuery

CANDIDATES = 100
"""Fewest candidates asked of each side: fixed, so that a short result list is the beginning of a longer one."""


def weigh_sides(query: IndexQuery) -> float:
    """The weight of the dense side: 1 without keywords. A side that weighs nothing is not asked at all."""
    return query.alpha if query.keywords.strip() else 1.0


def fuse_candidates(
    dense: Mapping[str, float], keyword: Mapping[str, float], *, alpha: float, limit: int
) -> list[IndexHit]:
    """Merge the two sides' candidates into one ranking.

    Args:
        dense: Similarity by chunk_id, higher is better.
        keyword: BM25 score by chunk_id, higher is better.
        alpha: Weight of the dense side, 0 to 1; the keyword side weighs the rest.
        limit: Longest result.

    Returns:
        Hits with scores from 0 to 1, best first, equal scores by chunk_id; the side that did not find one gives it 0.
    """
    scaled_dense, scaled_keyword = scale_scores(dense), scale_scores(keyword)
    scores = {
        chunk_id: alpha * scaled_dense.get(chunk_id, 0.0) + (1 - alpha) * scaled_keyword.get(chunk_id, 0.0)
        for chunk_id in dense.keys() | keyword.keys()
    }
    best = sorted(scores, key=lambda chunk_id: (-scores[chunk_id], chunk_id))[:limit]
    return [IndexHit(key, scores[key], dense.get(key), keyword.get(key)) for key in best]


def scale_scores(scores: Mapping[str, float]) -> dict[str, float]:
    """Scale to 0 for the worst and 1 for the best; where all are equal, all are 1."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high <= low:
        return dict.fromkeys(scores, 1.0)
    return {key: (score - low) / (high - low) for key, score in scores.items()}
