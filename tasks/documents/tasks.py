"""Prefect tasks over the documents room: settings and ports in, ids and counts out."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from prefect import task
from prefect.runtime import flow_run

from tasks.documents.definitions import RULES_VERSION, find_definitions
from tasks.documents.manifest import prune_is_suspicious
from tasks.documents.read import ChunkPlan, DocumentReader
from tasks.errors import ConfigurationError, ProductError, PruneBlocked
from tasks.models import IngestRequest, Ledger, Run
from tasks.retries import touches_backends
from tasks.wiring import application

logger = logging.getLogger(__name__)

LISTING_PAGE = 1000
READINGS_PAGE = 64
SCHEDULED = "auto-scheduled"
"""Prefect's own tag of runs that a schedule made."""


@contextmanager
def hold_source(request: IngestRequest) -> Iterator[Run]:
    """Hold the source's lease and one run of it while the block runs.

    Raises:
        DeviceBusy: Another ingest of this source is at work.
    """
    app = application()
    source = app.find_source(request)
    pipeline = app.open_pipeline()
    with app.hold_source(request.tenant, source.name) as token:
        run = app.runs.begin_run(
            tenant=request.tenant,
            source=source.name,
            trust=source.trust,
            lease_token=token,
            fingerprint=pipeline.fingerprint,
        )
        app.scratch(run, emptied=True)
        try:
            yield run
        except ProductError as error:
            app.runs.fail_run(run, error.message)
            raise


@task(**touches_backends())
def list_source(run: Run, request: IngestRequest) -> None:
    """Stream the source's listing into the database; nothing may be pruned unless this ends well."""
    app = application()
    app.runs.clear_listing(run)
    page = []
    for document in app.open_source(run, request).list_documents():
        page.append(document)
        if len(page) == LISTING_PAGE:
            app.manifest.add_listing(run, page)
            page = []
    if page:
        app.manifest.add_listing(run, page)


@task(**touches_backends())
def compare_listing(run: Run) -> int:
    """Settle what needs no reading; returns how many batches are left to read."""
    app = application()
    batches = app.manifest.compare_listing(
        run,
        capabilities=app.partitioner.capabilities,
        supplied=app.partitioner.supplied,
        batch_documents=app.settings.batch_documents,
    )
    logger.info("listing compared run_id=%s batches=%s", run.run_id, batches)
    return batches


@task(**touches_backends())
def read_documents(run: Run, request: IngestRequest, batch: int) -> int:
    """Partition and chunk one batch into versions that nobody sees yet; returns the batch's number."""
    app = application()
    candidates = app.manifest.read_candidates(
        run, batch, capabilities=app.partitioner.capabilities, supplied=app.partitioner.supplied
    )
    with tempfile.TemporaryDirectory(prefix="batch-", dir=app.scratch(run)) as scratch:
        reader = DocumentReader(
            run,
            source=app.open_source(run, request),
            manifest=app.manifest,
            partitioner=app.partitioner,
            plans=[
                ChunkPlan(p.fingerprint, app.embedder(p.embedder_spec), p.chunk_tokens) for p in app.written_pipelines()
            ],
            scratch=Path(scratch),
            max_bytes=int(app.settings.max_file_mb * 1e6),
        )
        page = []
        for reading in reader.read_documents(candidates):
            page.append(reading)
            if len(page) == READINGS_PAGE:
                app.manifest.record_readings(run, page)
                page = []
        app.manifest.record_readings(run, page)
    return batch


@task(**touches_backends())
def publish_documents(run: Run, batch: int) -> None:
    """Make one batch visible in one commit, in the collection that serves by now."""
    app = application()
    while waiting := app.manifest.publish_batch(run, batch, capabilities=app.partitioner.capabilities):
        logger.info("batch follows a flip run_id=%s batch=%s versions=%s", run.run_id, batch, len(waiting))
        app.index_versions(run, waiting)


@task(**touches_backends())
def learn_definitions(run: Run) -> int:
    """Read what abbreviations stand for from texts that are not read for it yet; returns how many texts that were.

    From the database, not from the source: a document that was there before is learnt from without being read again.
    """
    definitions = application().definitions
    read = found = 0
    for page in definitions.find_unlearnt(run, RULES_VERSION):
        learnt = {one.version_id: find_definitions(one.text) for one in page}
        definitions.write_definitions(run, learnt, RULES_VERSION)
        read, found = read + len(page), found + sum(map(len, learnt.values()))
    logger.info("definitions learnt run_id=%s texts=%s definitions=%s", run.run_id, read, found)
    return read


@task(**touches_backends())
def prune_documents(run: Run, *, confirmed: bool) -> tuple[int, int]:
    """Remove documents that the complete listing does not name; returns (removed, blocked)."""
    app = application()
    gone = app.manifest.count_gone(run)
    suspicious = prune_is_suspicious(gone, share=app.settings.prune_share, minimum=app.settings.prune_minimum)
    if suspicious and not confirmed:
        logger.warning("prune stopped run_id=%s gone=%s live=%s", run.run_id, gone.gone, gone.live)
        return 0, gone.gone
    return app.manifest.remove_gone(run), 0


@task(**touches_backends())
def finish_run(run: Run, *, removed: int, blocked: int) -> Ledger:
    """Balance and store the ledger."""
    return application().runs.finish_run(run, removed=removed, prune_blocked=blocked)


def list_requests(sources: Sequence[str] | None, *, confirm_prune: bool) -> list[IngestRequest]:
    """One request a configured source, or a named one.

    Raises:
        ConfigurationError: sources.yaml is wrong, or does not name one of them.
    """
    app = application()
    configured = app.configured_sources()
    unknown = set(sources or ()) - {request.source for request in configured}
    if unknown:
        raise ConfigurationError(
            f"{app.settings.sources} names no source {', '.join(sorted(unknown))}",
            advice=f"it names: {', '.join(request.label for request in configured) or 'none'}",
        )
    wanted = [request for request in configured if not sources or request.source in sources]
    return [request.model_copy(update={"confirm_prune": confirm_prune}) for request in wanted]


def leave_out_made_up(requests: Sequence[IngestRequest]) -> list[IngestRequest]:
    """Without the sources that were read to the end since the schedule wanted this run.

    A machine that slept over seven nights finds several of them late: the first makes up for all. A run that a person
    asked for is never left out.
    """
    due = _find_due_time()
    runs = application().runs
    wanted = [one for one in requests if due is None or not runs.was_read_since(one.tenant, one.label, due)]
    if len(wanted) < len(requests):
        logger.info("sources read since left_out=%s due=%s", len(requests) - len(wanted), due)
    return wanted


def _find_due_time() -> datetime | None:
    """When the schedule wanted the run in which this is called; None: no schedule made it."""
    due: datetime | None = flow_run.scheduled_start_time if SCHEDULED in flow_run.tags else None
    return due


def list_changed(source: str, document: str) -> list[IngestRequest]:
    """The request for a source, or for that of a document.

    Raises:
        ConfigurationError: Neither is named, or there is none of that name.
    """
    if not source and not document:
        raise ConfigurationError("the event names no source and no document", advice="send one of them with it")
    found = source or application().find_subject(document).documents[0].source
    return list_requests([found], confirm_prune=False)


def require_confirmed_prunes(ledgers: Sequence[Ledger]) -> None:
    """Turn a stopped prune into an error, once everything else is done.

    Raises:
        PruneBlocked: So many documents of a source vanished at once that a person must say yes.
    """
    blocked = [ledger for ledger in ledgers if ledger.prune_blocked]
    if blocked:
        what = "; ".join(f"{b.source}: {b.prune_blocked} of {b.live_after}" for b in blocked)
        raise PruneBlocked(
            f"documents are no longer listed ({what}); none of them was removed",
            advice="look at the source; if they are really gone: expertloop ingest --confirm-prune",
        )
