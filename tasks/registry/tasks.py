"""Prefect tasks over the registry room."""

from __future__ import annotations

from prefect import task

from tasks.errors import ConfigurationError
from tasks.retries import touches_backends
from tasks.wiring import application


@task(**touches_backends())
def erase_document(document_id: str) -> str:
    """Erase a document everywhere; returns the id of the certificate. Done twice, the second finds nothing and says so.

    Raises:
        ConfigurationError: The tenant has no document of this id.
    """
    app = application()
    subject = app.find_subject(document_id)
    if document_id not in subject.document_ids:
        raise ConfigurationError(
            f"{document_id} is no document's id", advice="see them with: expertloop documents --json"
        )
    return app.erase(subject).certificate_id
