"""Prefect tasks over the retrieval room."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from prefect import task

from tasks.models import Run
from tasks.retries import touches_backends
from tasks.retrieval.index import sweep_superseded, write_stale_readers
from tasks.retrieval.rebuild import fill_place
from tasks.wiring import application

logger = logging.getLogger(__name__)

BATCHES_PER_OPTIMIZE = 20
"""Every write is a version of the table; folded in now and then, a long run stays as fast as it began."""


@task(**touches_backends())
def index_documents(run: Run, batch: int | None) -> int | None:
    """Embed and write what was read and is not in the vector store yet; returns the batch's number."""
    app = application()
    app.index_versions(run, app.versions.find_unindexed(run, batch))
    if batch is not None and batch % BATCHES_PER_OPTIMIZE == 0:
        _optimize_all()
    return batch


@task(**touches_backends())
def update_readers(run: Run) -> int:
    """Write changed readers to the vector store; the database knew them already."""
    app = application()
    return app.with_collections(
        lambda _: write_stale_readers(
            run,
            collections=[one.collection.name for one in app.list_contents()],
            versions=app.versions,
            index=app.index,
        )
    )


@task(**touches_backends())
def flip_collection(run: Run) -> str | None:
    """Let a finished new collection serve, in one commit; returns the retired one's name."""
    app = application()
    building = app.collections.read_building()
    if building is None or building.fingerprint != run.fingerprint:
        return None
    app.collections.carry_over(run)
    index_documents.fn(run, None)
    waiting = app.collections.count_unread(building)
    if waiting:
        logger.warning("new collection waits collection=%s unread=%s", building.collection.name, waiting)
        return None
    retired = app.collections.flip(building)
    logger.info("collection flipped serving=%s retired=%s", building.collection.name, retired)
    return retired


@task(**touches_backends())
def summarise_documents(run: Run) -> int:
    """Say in a few sentences what documents are about that are not summarised yet; returns how many summaries."""
    return application().summarise_versions(run)


@task(**touches_backends())
def sweep_index(run: Run, retired: str | None) -> int:
    """Delete what no reader sees or will see; returns how many chunks went."""
    app = application()
    if retired:
        app.drop_collection(retired)
    swept = app.with_collections(
        lambda names: sweep_superseded(run, collections=names, versions=app.versions, index=app.index)
    )
    _optimize_all()
    return swept


def _optimize_all() -> None:
    app = application()

    def optimize(_: Mapping[str, str]) -> None:
        for one in app.list_contents():
            app.index.optimize(one.collection.name)

    app.with_collections(optimize)


@task(**touches_backends())
def rebuild_collections(*, again: bool) -> int:
    """Write what the store lacks (`again`: everything) from the database; returns how many chunks that were."""
    with application().hold_places() as places:
        filled = [
            fill_place(place, lambda _chunks: None, again=again) for members in places.values() for place in members
        ]
    return sum(one.written for one in filled)
