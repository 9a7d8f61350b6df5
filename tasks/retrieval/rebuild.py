"""A vector store made good from the database: filled, compared, repaired, without reading a document.

Rows are derived from the database alone and have derived ids, so writing one that is there changes nothing. Filling
therefore never deletes before it writes: a store that serves has no holes while it is repaired, and one that was killed
half-way goes on where it was. docs/decisions/0012 says why there is no second copy and no flip inside one store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import sha256
from heapq import nsmallest
from typing import NamedTuple

from tasks.ports import IndexHit, IndexQuery, IndexTruth, VectorCache, VectorIndex, VersionReader
from tasks.retrieval.index import ROWS_AT_ONCE, Space, group_versions, write_group

logger = logging.getLogger(__name__)

SAMPLE = 200
"""Chunks of a tenant whose vectors are searched for: one lost in two hundred is noticed by two checks in three."""

TWINS = 50
"""Chunks of one text have one vector; so many of them may come before the one that is looked for."""

_EQUAL = 1e-3
"""Similarities that differ by this share are equal: vectors are rounded to 16 bits, which changes their lengths, so
that a near twin may come out a little nearer than itself."""


class Place(NamedTuple):
    """One tenant's part of one collection, and all that is needed to fill it; of summaries, they are its chunks."""

    fingerprint: str
    tenant: str
    space: Space
    truth: IndexTruth
    versions: VersionReader
    cache: VectorCache
    store: VectorIndex


class Filled(NamedTuple):
    """What filling did, in chunks."""

    written: int = 0
    embedded: int = 0
    removed: int = 0


class Comparison(NamedTuple):
    """What a store holds against what it must hold."""

    expected: int
    missing: list[str]
    extra: list[str]
    unfound: list[str]
    """Of the sample: chunks that a search for their own vector does not find first."""
    sampled: int


def fill_place(place: Place, report: Callable[[int], None], *, again: bool = False) -> Filled:
    """Write every version that is not there whole, then remove what should not be there.

    Args:
        place: Whose sources nobody else ingests meanwhile.
        report: Told of how many more chunks are done.
        again: Write also what is there.
    """
    present = set(place.store.list_chunk_ids(place.space.collection, place.tenant))
    written = embedded = 0
    for page in place.truth.list_versions(place.fingerprint, place.tenant):
        stored = place.versions.read_versions(page)
        lacking = [one for one in stored if again or any(chunk.chunk_id not in present for chunk in one.chunks)]
        chunks = sum(len(one.chunks) for one in lacking)
        report(sum(len(one.chunks) for one in stored) - chunks)
        for group in group_versions(lacking):
            embedded += write_group(group, place.space, versions=place.versions, cache=place.cache, index=place.store)
            report(sum(len(one.chunks) for one in group))
        written += chunks
    removed = _remove(place, _find_extra(place, present))
    place.store.optimize(place.space.collection)
    logger.info("index filled tenant=%s written=%s embedded=%s removed=%s", place.tenant, written, embedded, removed)
    return Filled(written, embedded, removed)


def compare_place(place: Place, *, sample: int | None = SAMPLE) -> Comparison:
    """Compare ids, and search for the vectors of a sample: after a crash a graph may have lost what a count shows.

    Args:
        sample: How many chunks are searched for; None: all.
    """
    present = set(place.store.list_chunk_ids(place.space.collection, place.tenant))
    expected, missing = 0, []
    for chunk_id in place.truth.list_chunk_ids(place.fingerprint, place.tenant):
        expected += 1
        if chunk_id not in present:
            missing.append(chunk_id)
    extra = _find_extra(place, set(present))
    kept = present.difference(extra)
    sampled = _choose_sample(kept, len(kept) if sample is None else sample)
    lost = [chunk_id for some in _batches(sampled) for chunk_id in _find_lost(place, some)]
    return Comparison(expected, missing, extra, lost, len(sampled))


def repair_place(place: Place, found: Comparison) -> int:
    """Write again what is missing or not found, remove what is too much; returns how many chunks that are.

    What is not found is deleted first: Weaviate leaves its graph alone when an equal row is written again, and the
    graph is what lost the chunk. Nobody misses it meanwhile, since no search for its meaning found it.
    """
    wrong = [*found.missing, *found.unfound]
    _remove(place, found.unfound)
    for some in _batches(place.truth.find_versions(wrong)):
        for group in group_versions(place.versions.read_versions(some)):
            write_group(group, place.space, versions=place.versions, cache=place.cache, index=place.store)
    return len(wrong) + _remove(place, found.extra)


def _find_extra(place: Place, present: set[str]) -> list[str]:
    """What is present and should not be; empties the set of all else."""
    for chunk_id in place.truth.list_chunk_ids(place.fingerprint, place.tenant):
        present.discard(chunk_id)
    return sorted(present)


def _remove(place: Place, extra: Sequence[str]) -> int:
    for some in _batches(extra):
        place.store.delete_rows(place.space.collection, place.tenant, some)
    return len(extra)


def _choose_sample(chunk_ids: Collection[str], size: int) -> list[str]:
    """Spread evenly, and the same chunks whenever it is asked."""
    return nsmallest(size, chunk_ids, key=lambda chunk_id: sha256(chunk_id.encode()).digest())


def _find_lost(place: Place, sampled: Sequence[str]) -> list[str]:
    collection = place.space.collection
    readers = {
        chunk.chunk_id: frozenset(version.groups)
        for some in _batches(place.truth.find_versions(sampled))
        for version in place.versions.read_versions(some)
        for chunk in version.chunks
    }
    vectors = place.store.fetch_vectors(collection, place.tenant, sampled)
    asked = [chunk_id for chunk_id in sampled if chunk_id in vectors and readers[chunk_id]]
    queries = [
        IndexQuery(place.tenant, readers[key], vectors[key], keywords="", alpha=1.0, limit=TWINS) for key in asked
    ]
    lost = [key for key in sampled if key not in vectors]
    for query, chunk_id, hits in zip(queries, asked, place.store.search_rows(collection, queries), strict=True):
        if not _comes_first(chunk_id, float(query.vector @ query.vector), hits):
            lost.append(chunk_id)
    return lost


def _comes_first(chunk_id: str, own_score: float, hits: Sequence[IndexHit]) -> bool:
    """Whether nothing is nearer than itself; among more twins than were asked for it may be one of those cut off."""
    scores = {hit.chunk_id: hit.dense_score or 0.0 for hit in hits}
    if chunk_id in scores:
        return scores[chunk_id] >= max(scores.values()) - _EQUAL * own_score
    return len(hits) == TWINS and min(scores.values()) >= own_score * (1 - _EQUAL)


def _batches(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + ROWS_AT_ONCE] for start in range(0, len(items), ROWS_AT_ONCE))
