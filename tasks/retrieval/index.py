"""From written versions to rows in the vector store, and out of it again."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.models import CollectionSpec, Run, name_summaries
from tasks.ports import Embedder, IndexRow, StoredVersion, VectorCache, VectorIndex, VersionReader, VersionStore
from tasks.summary_ports import Summary, SummaryMaker, SummaryStore, derive_summary_id

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 2048
"""Chunks embedded and written together: bounds memory, and large enough that the store's cost per write vanishes."""


class Space(NamedTuple):
    """One collection and what writes into it."""

    collection: str
    embedder: Embedder
    embedded_text: Callable[[StoredVersion, int], str]
    analyse_text: Callable[[str, str], str]


def index_versions(
    run: Run,
    version_ids: Sequence[str],
    *,
    spaces: Mapping[str, Space],
    versions: VersionStore,
    cache: VectorCache,
    index: VectorIndex,
) -> int:
    """Embed and write the chunks of versions; they stay invisible until they are published.

    Args:
        run: Holds the lease.
        version_ids: Versions in state "writing"; those of a pipeline without a space (its collection was given up
            meanwhile) are left to the sweep.
        spaces: By pipeline fingerprint.
        versions: Where they are stored.
        cache: Vectors of texts that were embedded before.
        index: The vector store.

    Returns:
        How many vectors had to be computed.
    """
    embedded = 0
    for group in group_versions([v for v in versions.read_versions(version_ids) if v.fingerprint in spaces]):
        computed = write_group(group, spaces[group[0].fingerprint], versions=versions, cache=cache, index=index)
        versions.mark_ready(run, [version.version_id for version in group])
        embedded += computed
    logger.info("versions indexed run_id=%s versions=%s embedded=%s", run.run_id, len(version_ids), embedded)
    return embedded


def write_group(
    group: Sequence[StoredVersion], space: Space, *, versions: VersionReader, cache: VectorCache, index: VectorIndex
) -> int:
    """Write the chunks of versions of one pipeline; returns how many vectors had to be computed."""
    vectors, computed = _vectors(group, space, cache=cache, index=index, versions=versions)
    index.upsert_rows(space.collection, list(_rows(group, space, vectors)))
    return computed


def summarise_versions(
    run: Run,
    *,
    maker: SummaryMaker,
    spaces: Mapping[str, Space],
    versions: VersionReader,
    summaries: SummaryStore,
    cache: VectorCache,
    index: VectorIndex,
) -> int:
    """Summarise what is indexed and was not summarised by these rules; returns how many summaries were written.

    From the database, not from the source: a document that was there before is summarised without being read again.

    Args:
        run: Holds the lease.
        maker: Makes them.
        spaces: Of summaries, by pipeline fingerprint; what is written into them is there when this ends.
        versions: The documents' chunks.
        summaries: Keeps them.
        cache: Vectors of texts that were embedded before.
        index: The vector store.
    """
    written, accepted = 0, maker.accepted
    for page in summaries.find_unsummarised(run, accepted):
        by_space: defaultdict[str, dict[str, list[Summary]]] = defaultdict(dict)
        for version in versions.read_versions(page):
            by_space[version.fingerprint][version.version_id] = maker.summarise(version)
        for fingerprint in by_space.keys() & spaces.keys():
            written += _write_summaries(
                run, by_space[fingerprint], spaces[fingerprint], summaries=summaries, cache=cache, index=index
            )
        summaries.mark_summarised(run, page, maker.rules)
        if maker.accepted != accepted:
            rest = summarise_versions(
                run, maker=maker, spaces=spaces, versions=versions, summaries=summaries, cache=cache, index=index
            )
            return written + rest
    logger.info("versions summarised run_id=%s summaries=%s", run.run_id, written)
    return written


def _write_summaries(
    run: Run,
    made: Mapping[str, Sequence[Summary]],
    space: Space,
    *,
    summaries: SummaryStore,
    cache: VectorCache,
    index: VectorIndex,
) -> int:
    """In an order that leaves no row of which the database knows nothing, wherever it is killed."""
    fresh = {derive_summary_id(key, one.position, one.text) for key, found in made.items() for one in found}
    former = summaries.list_summary_ids(list(made))
    if fresh or former:
        dimension = space.embedder.identity.dimension
        index.ensure_collection(CollectionSpec(name=space.collection, dimension=dimension))
        index.delete_rows(space.collection, run.tenant, sorted(set(former) - fresh))
        summaries.write_summaries(run, made)
        for group in group_versions(summaries.read_versions(list(made))):
            write_group(group, space, versions=summaries, cache=cache, index=index)
    return len(fresh)


def sweep_superseded(run: Run, *, collections: Mapping[str, str], versions: VersionStore, index: VectorIndex) -> int:
    """Delete from the vector store what no reader sees or will see; returns how many chunks went.

    Args:
        run: Holds the lease.
        collections: Collection names by fingerprint; versions of dropped collections only leave the database.
        versions: Says what is superseded.
        index: The vector store.
    """
    swept = 0
    for page in versions.find_superseded(run):
        for fingerprint, collection in collections.items():
            mine = [superseded for superseded in page if superseded.fingerprint == fingerprint]
            chunk_ids = [row_id for superseded in mine for row_id in superseded.chunk_ids]
            summary_ids = [row_id for superseded in mine for row_id in superseded.summary_ids]
            if chunk_ids:
                index.delete_rows(collection, run.tenant, chunk_ids)
            if summary_ids:
                index.delete_rows(name_summaries(collection), run.tenant, summary_ids)
        versions.mark_swept(run, [superseded.version_id for superseded in page])
        swept += sum(len(superseded.chunk_ids) for superseded in page)
    return swept


def write_stale_readers(run: Run, *, collections: Sequence[str], versions: VersionStore, index: VectorIndex) -> int:
    """Tell the vector store about readers that changed in the database; returns of how many documents."""
    readers = versions.read_stale_readers(run)
    if readers:
        for collection in collections:
            index.set_readers(collection, run.tenant, readers)
        versions.mark_readers_written(run, list(readers))
    return len(readers)


def group_versions(stored: Sequence[StoredVersion]) -> Iterator[list[StoredVersion]]:
    """Versions of one pipeline together, about ROWS_AT_ONCE chunks a group."""
    group: list[StoredVersion] = []
    rows = 0
    for version in sorted(stored, key=lambda version: (version.fingerprint, version.version_id)):
        if group and (version.fingerprint != group[0].fingerprint or rows + len(version.chunks) > ROWS_AT_ONCE):
            yield group
            group, rows = [], 0
        group.append(version)
        rows += len(version.chunks)
    if group:
        yield group


def _vectors(
    group: Sequence[StoredVersion],
    space: Space,
    *,
    cache: VectorCache,
    index: VectorIndex,
    versions: VersionReader,
) -> tuple[dict[str, NDArray[np.float32]], int]:
    """Vectors by embedding key: from the cache, from the version a rename copied, else computed."""
    texts = {
        chunk.embedding_key: space.embedded_text(version, number)
        for version in group
        for number, chunk in enumerate(version.chunks)
    }
    vectors = cache.read_vectors(space.embedder.identity, list(texts))
    vectors |= _copied_vectors(group, space, index=index, versions=versions, known=vectors)
    missing = [key for key in texts if key not in vectors]
    if missing:
        computed = space.embedder.embed_documents([texts[key] for key in missing])
        # Rounded as the cache keeps them, so that a vector is the same whether it was computed or remembered.
        rounded = computed.astype(np.float16).astype(np.float32)
        fresh = dict(zip(missing, rounded, strict=True))
        cache.write_vectors(space.embedder.identity, fresh)
        vectors |= fresh
    return vectors, len(missing)


def _copied_vectors(
    group: Sequence[StoredVersion],
    space: Space,
    *,
    index: VectorIndex,
    versions: VersionReader,
    known: Mapping[str, NDArray[np.float32]],
) -> dict[str, NDArray[np.float32]]:
    wanted = [
        version.copied_from
        for version in group
        if version.copied_from and any(chunk.embedding_key not in known for chunk in version.chunks)
    ]
    found: dict[str, NDArray[np.float32]] = {}
    for original in versions.read_versions(wanted):
        keys = {chunk.chunk_id: chunk.embedding_key for chunk in original.chunks}
        stored = index.fetch_vectors(space.collection, original.tenant, list(keys))
        found |= {keys[chunk_id]: vector for chunk_id, vector in stored.items()}
    return found


def _rows(
    group: Sequence[StoredVersion], space: Space, vectors: Mapping[str, NDArray[np.float32]]
) -> Iterator[IndexRow]:
    for version in group:
        for number, indexed in enumerate(version.chunks):
            yield IndexRow(
                chunk_id=indexed.chunk_id,
                document_id=version.document_id,
                tenant=version.tenant,
                vector=vectors[indexed.embedding_key],
                keywords=space.analyse_text(space.embedded_text(version, number), indexed.chunk.language),
                source=version.source,
                language=indexed.chunk.language,
                document_type=version.document_type,
                modified=version.modified,
                readers=version.groups,
            )
