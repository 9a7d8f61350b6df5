"""On request: a document's text leaves every store."""

from __future__ import annotations

from prefect import flow

from tasks.registry.tasks import erase_document


@flow(name="erase", persist_result=False)
def erase(document_id: str) -> str:
    """Erase a document.

    People are erased by `expertloop erase --author`, not from here: Prefect keeps parameters in the clear, and what is
    to be forgotten would be remembered by the order to forget it.

    Args:
        document_id: As `expertloop documents --json` shows it.

    Returns:
        The certificate_id, which `expertloop erasures` shows.
    """
    return erase_document(document_id)
