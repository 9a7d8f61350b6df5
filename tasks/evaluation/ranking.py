"""Retrieval metrics at document level: at which place does a document stand that answers?

A place is a work (all formats of a document are one) together with the works that hold the very same text, which a
search shows once (`Hit.duplicates`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from tasks.evaluation.gold import Library
from tasks.evaluation_models import Share
from tasks.models import Hit

RANKING_METRICS = ("hit@1", "hit@5", "mrr", "ndcg@10")


def list_places(hits: Sequence[Hit], library: Library) -> list[frozenset[str]]:
    """The works at each place, best first; a work that stood at an earlier place is not counted again."""
    places: list[frozenset[str]] = []
    seen: set[str] = set()
    for hit in hits:
        work = library.work_of(hit.passage.document_id)
        works = frozenset({work, *map(library.work_of, hit.duplicates)})
        if work not in seen:
            places.append(works - seen)
        elif places:
            # The text is in a known document; who else holds it shares that place.
            place = next(number for number, one in enumerate(places) if work in one)
            places[place] |= works - seen
        seen |= works
    return places


def score_ranking(places: Sequence[Collection[str]], gold: Collection[str], *, depth: int) -> dict[str, Share]:
    """The metrics of one question.

    Args:
        places: Works at each place, best first.
        gold: Works that answer; any of them is right. Empty: none of them is in the collection, all metrics are 0.
        depth: Places that the reciprocal rank looks at.

    Returns:
        hit@1 and hit@5: whether a gold work is among the first one or five. mrr: 1 over the first gold work's place, 0
        beyond `depth`. ndcg@10: gain 1 for each gold work at the first place it stands at, discounted by log2(place +
        1), over that of all gold works in a row (Järvelin and Kekäläinen 2002).
    """
    ranks = sorted(rank for rank in (_find(places, work) for work in set(gold)) if rank)
    first = ranks[0] if ranks else math.inf
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(set(gold)), 10) + 1))
    gained = sum(1 / math.log2(rank + 1) for rank in ranks if rank <= 10)
    return {
        "hit@1": Share(float(first <= 1), 1),
        "hit@5": Share(float(first <= 5), 1),
        "mrr": Share(1 / first if first <= depth else 0.0, 1),
        "ndcg@10": Share(min(gained / ideal, 1.0) if ideal else 0.0, 1),
    }


def _find(places: Sequence[Collection[str]], work: str) -> int | None:
    return next((rank for rank, place in enumerate(places, start=1) if work in place), None)
