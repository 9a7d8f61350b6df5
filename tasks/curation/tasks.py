"""Prefect tasks over the curation room."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from prefect import task

from tasks.curation.review import Editor, reanchor_pairs
from tasks.models import Run
from tasks.retries import touches_backends
from tasks.wiring import application

logger = logging.getLogger(__name__)


@task(**touches_backends())
def reanchor_quotes(run: Run) -> int:
    """Look again at pairs whose documents changed; returns how many went back to review."""
    app = application()
    if not app.pairs.find_moved(run.tenant):
        return 0
    counts = reanchor_pairs(app.open_desk(run.tenant), Editor("ingest", datetime.now(UTC)))
    logger.info("pairs looked at again run_id=%s kept=%s stale=%s", run.run_id, counts["kept"], counts["stale"])
    return counts["stale"]
