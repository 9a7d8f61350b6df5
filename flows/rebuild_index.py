"""By hand: the vector store is filled from the database."""

from __future__ import annotations

from prefect import flow

from tasks.retrieval.tasks import rebuild_collections


@flow(name="rebuild-index", persist_result=False)
def rebuild_index(again: bool = False) -> int:  # noqa: FBT001, FBT002
    """Write what the store that EXPERTLOOP_INDEX_URL names lacks; no document is read.

    Args:
        again: Write also the chunks that are there, for a store that came back from an old backup.

    Returns:
        How many chunks were written.
    """
    return rebuild_collections(again=again)
