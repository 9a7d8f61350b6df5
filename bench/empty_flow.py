"""A flow that does nothing: what bench/by_itself.py compares with."""

from __future__ import annotations

from prefect import flow


@flow(name="empty", persist_result=False)
def empty() -> None:
    """Begin and end."""
