"""Hourly: pairs follow their documents, and readers' corrections become candidates."""

from __future__ import annotations

from prefect import flow

from tasks.automation.tasks import announce_readiness
from tasks.curation.tasks import refresh_pairs


@flow(name="curate", persist_result=False)
def curate() -> tuple[int, int]:
    """Send pairs back to review whose documents changed, take in corrections, and say when enough is new to learn.

    Returns:
        How many pairs became stale, and how many corrections became candidates.
    """
    refreshed = refresh_pairs()
    announce_readiness()
    return refreshed
