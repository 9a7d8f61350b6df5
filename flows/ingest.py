"""Nightly: read what changed in each source, index it, show it to readers, take away what is gone."""

from __future__ import annotations

from collections import deque
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.artifacts import show_table
from tasks.automation.tasks import announce_blocked_prune
from tasks.curation.tasks import refresh_pairs
from tasks.documents.tasks import (
    compare_listing,
    finish_run,
    hold_source,
    learn_definitions,
    leave_out_made_up,
    list_changed,
    list_requests,
    list_source,
    prune_documents,
    publish_documents,
    read_documents,
    require_confirmed_prunes,
)
from tasks.models import IngestRequest, Ledger
from tasks.retrieval.tasks import flip_collection, index_documents, summarise_documents, sweep_index, update_readers

BATCHES_IN_FLIGHT = 2
"""One is read while the one before is embedded; more would only hold more on disk."""


def wait_for_batch(futures: list[PrefectFuture[Any]]) -> None:
    """Wait for the steps of one batch; the first that failed speaks, not those that waited for it."""
    for future in futures:
        future.result()


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
        in_flight: deque[list[PrefectFuture[Any]]] = deque()
        read: PrefectFuture[Any] | None = None
        for batch in range(1, batches + 1):
            read = read_documents.submit(run, request, batch, wait_for=[read] if read else [], return_state=False)
            indexed = index_documents.submit(run, batch, wait_for=[read], return_state=False)
            published = publish_documents.submit(run, batch, wait_for=[indexed], return_state=False)
            in_flight.append([read, indexed, published])
            if len(in_flight) == BATCHES_IN_FLIGHT:
                wait_for_batch(in_flight.popleft())
        for futures in in_flight:
            wait_for_batch(futures)
        removed, blocked = prune_documents(run, confirmed=request.confirm_prune)
        retired = flip_collection(run)
        learn_definitions(run)
        summarise_documents(run)
        refresh_pairs(run.tenant)
        sweep_index(run, retired)
        ledger = finish_run(run, removed=removed, blocked=blocked)
    if blocked:
        announce_blocked_prune(ledger.source, blocked)
    show_table("ledger", [ledger.model_dump(mode="json")], ledger.source)
    return ledger


@flow(name="ingest", persist_result=False)
def ingest(sources: list[str] | None = None, confirm_prune: bool = False) -> list[Ledger]:  # noqa: FBT001, FBT002
    """Bring every configured source up to date; one that fails does not keep the others waiting.

    Args:
        sources: Names in sources.yaml; all of them when none are given.
        confirm_prune: A person says that many vanished documents are gone.

    Returns:
        One ledger a source; of nights that the machine slept through only the first run has any.
    """
    return ingest_requests(leave_out_made_up(list_requests(sources, confirm_prune=confirm_prune)))


@flow(name="ingest-changed", persist_result=False)
def ingest_changed(source: str = "", document: str = "") -> list[Ledger]:
    """Bring the one source up to date that an event speaks of.

    Args:
        source: Its name in sources.yaml.
        document: Where no source is named: the source of this document (id, address or file name).

    Returns:
        Its ledger.
    """
    return ingest_requests(list_changed(source, document))


def ingest_requests(requests: list[IngestRequest]) -> list[Ledger]:
    """Each source in a flow run of its own."""
    states = [ingest_source(request, return_state=True) for request in requests]
    ledgers = [state.result() for state in states]
    require_confirmed_prunes(ledgers)
    return ledgers
