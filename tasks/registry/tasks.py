"""Prefect tasks over the registry room."""

from __future__ import annotations

from prefect import task

from tasks.errors import ConfigurationError
from tasks.retries import touches_backends
from tasks.training_models import ArmsReport, GateDecision, TrainedAdapter
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


@task(**touches_backends())
def register_candidate(trained: TrainedAdapter, report: ArmsReport, decision: GateDecision) -> str:
    """Keep what was trained with what was measured and decided; returns its adapter_id."""
    app = application()
    scope = app.find_dataset(trained.dataset_id).scope
    measured = app.describe_arms(report, decision)
    return app.register_adapter(trained, scope=scope, measured=measured, decision=decision).adapter_id


@task(**touches_backends())
def promote_or_ask(adapter_id: str) -> str | None:
    """Let it serve from the next answer on, or ask those who may decide; returns the approval's id when one waits."""
    app = application()
    if app.approvers:
        return app.ask_approval(adapter_id).approval_id
    app.promote_adapter(adapter_id, author="gate")
    return None
