"""Hourly: pairs follow their documents, and readers' corrections become candidates."""

from __future__ import annotations

from prefect import flow

from tasks.curation.tasks import refresh_pairs


@flow(name="curate", persist_result=False)
def curate() -> tuple[int, int]:
    """Send pairs back to review whose documents changed, and take in corrections.

    Returns:
        How many pairs became stale, and how many corrections became candidates.
    """
    return refresh_pairs()
