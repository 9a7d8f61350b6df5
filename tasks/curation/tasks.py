"""Prefect tasks over the curation room."""

from __future__ import annotations

import logging

from prefect import task

from tasks.retries import touches_backends
from tasks.wiring import application

logger = logging.getLogger(__name__)


@task(**touches_backends())
def refresh_pairs(tenant: str | None = None) -> tuple[int, int]:
    """Look again at pairs whose documents changed, and take in readers' corrections; returns (stale, corrections)."""
    refreshed = application().refresh_pairs("expertloop", tenant)
    logger.info("pairs refreshed stale=%s corrections=%s", refreshed.stale, refreshed.corrections)
    return refreshed.stale, refreshed.corrections


@task(**touches_backends())
def snapshot_pairs(scope: str) -> str:
    """Freeze the approved pairs that everyone of the scope may read; returns the dataset_id."""
    taken = application().freeze_pairs(scope)
    logger.info("dataset taken dataset_id=%s new=%s", taken.dataset.dataset_id, taken.is_new)
    return taken.dataset.dataset_id
