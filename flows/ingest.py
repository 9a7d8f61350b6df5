"""Nightly: read what changed in each source, index it, show it to readers, take away what is gone."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.documents.tasks import (
    compare_listing,
    finish_run,
    hold_source,
    list_source,
    prune_documents,
    publish_documents,
    read_documents,
)
from tasks.models import IngestRequest, Ledger
from tasks.retrieval.tasks import flip_collection, index_documents, sweep_index, update_readers

BATCHES_IN_FLIGHT = 2
"""One is read while the one before is embedded; more would only hold more on disk."""


@flow(
    name="ingest-source",
    flow_run_name="ingest-{request.label}",
    task_runner=ThreadPoolTaskRunner(max_workers=4),  # type: ignore[arg-type]
    persist_result=False,
)
def ingest_source(request: IngestRequest) -> Ledger:
    """Bring one source's documents up to date.

    Args:
        request: Which source, and whether a large prune is confirmed.

    Returns:
        The ledger, which balances; `prune_blocked` in it asks for a person.
    """
    with hold_source(request) as run:
        index_documents(run, None)
        list_source(run, request)
        batches = compare_listing(run)
        update_readers(run)
        published = []
        for batch in range(1, batches + 1):
            read = read_documents.submit(run, request, batch)
            indexed = index_documents.submit(run, read)
            published.append(publish_documents.submit(run, indexed))
            if len(published) >= BATCHES_IN_FLIGHT:
                published[-BATCHES_IN_FLIGHT].result()
        for future in published:
            future.result()
        removed, blocked = prune_documents(run, confirmed=request.confirm_prune)
        retired = flip_collection(run)
        sweep_index(run, retired)
        ledger = finish_run(run, removed=removed, blocked=blocked)
    create_table_artifact(key="ledger", table=[ledger.model_dump(mode="json")], description=ledger.source)
    return ledger
