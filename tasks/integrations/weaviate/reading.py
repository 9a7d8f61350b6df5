"""What a tenant holds, and what it finds.

One question is one call: dense and keyword side, filter and fusion are all Weaviate's, under weights that we state.

Its relative score fusion is the port's: each side's candidates scaled from 0 to 1, then weighed by alpha. What it found
on each side is in the explanation of the score, from which the ranking after us needs it back; the numbers there are
written out in full.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from weaviate.classes.query import HybridFusion, MetadataQuery

from tasks.fusion import weigh_sides
from tasks.integrations.store_values import clean_text
from tasks.integrations.weaviate.rows import to_filter
from tasks.ports import IndexHit, IndexQuery

_SIDE = re.compile(r"Result Set (keyword|vector)[^)]*\) Document [^:]+: original score ([^,\s]+),")


def search_tenant(place: Any, query: IndexQuery) -> list[IndexHit]:
    """The hits of one query in its tenant.

    Args:
        place: The client's collection with the query's tenant chosen.
        query: With at least one principal, and a limit above 0.
    """
    alpha = weigh_sides(query)
    found = place.query.hybrid(
        query=clean_text(query.keywords) if alpha < 1 else None,
        vector=query.vector.tolist(),
        alpha=alpha,
        fusion_type=HybridFusion.RELATIVE_SCORE,
        query_properties=["keywords"],
        filters=to_filter(query),
        limit=query.limit,
        return_metadata=MetadataQuery(score=True, explain_score=True),
        return_properties=["chunk_id"],
    )
    hits = [_to_hit(found_object) for found_object in found.objects]
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))


def _to_hit(found: Any) -> IndexHit:
    sides = {side: float(score) for side, score in _SIDE.findall(found.metadata.explain_score or "")}
    dense = sides.get("vector")
    return IndexHit(
        chunk_id=found.properties["chunk_id"],
        score=min(1.0, max(0.0, found.metadata.score)),
        dense_score=None if dense is None else dense - 1,  # 1 - distance, and the distance is minus the dot product
        keyword_score=sides.get("keyword"),
    )


def fetch_vectors(place: Any, object_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Vectors by chunk_id, as they were written."""
    found = place.query.fetch_objects_by_ids(
        object_ids, limit=len(object_ids), include_vector=True, return_properties=["chunk_id"]
    )
    return {one.properties["chunk_id"]: np.asarray(one.vector["default"], dtype=np.float32) for one in found.objects}


def fetch_page(place: Any, after: str | None, limit: int) -> tuple[list[str], str | None]:
    """The chunk_ids that follow an object, in the order of objects, and the last object's id; None: that was all."""
    found = place.query.fetch_objects(limit=limit, after=after, return_properties=["chunk_id"]).objects
    return [one.properties["chunk_id"] for one in found], str(found[-1].uuid) if found else None
