"""Exactly one training a dataset: whoever holds the scope's lease takes up what is open, or begins what is ready."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from tasks.automation_models import (
    OPEN,
    QueuedTraining,
    Readiness,
    TrainingState,
    derive_training_id,
)
from tasks.automation_ports import TrainingQueue
from tasks.training_models import RetrainRequest

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""A training that was begun so often without an end does not end: a person must look."""


def begin_training(
    queue: TrainingQueue,
    tenant: str,
    request: RetrainRequest,
    *,
    judge: Callable[[], Readiness],
    freeze: Callable[[], str],
    now: datetime,
) -> QueuedTraining | None:
    """Take up what was left open, else begin what is ready; to be called with the scope's lease held.

    Args:
        queue: The trainings.
        tenant: Whose.
        request: How to train what is new; what was left open goes on as it was begun.
        judge: Whether a training may start.
        freeze: Makes a dataset of the approved pairs; returns its id.
        now: The time.

    Returns:
        What is to be worked on; None when it is not the time.

    Raises:
        DatasetRejected: The approved pairs cannot become a dataset.
    """
    left = queue.find_open(tenant, request.scope)
    if left is None:
        readiness = judge()
        if not readiness.ready:
            logger.info("no training scope=%s reason=%s", request.scope, readiness.reason)
            return None
        left = queue.add_training(_ask(tenant, freeze(), request, now))
    if left.state not in OPEN:
        logger.info("no training dataset_id=%s reason=it was trained on before", left.dataset_id)
        return None
    return _start(queue, left, now)


def _ask(tenant: str, dataset_id: str, request: RetrainRequest, now: datetime) -> QueuedTraining:
    return QueuedTraining(
        training_id=derive_training_id(tenant, dataset_id, request),
        tenant=tenant,
        scope=request.scope,
        dataset_id=dataset_id,
        request=request,
        asked_at=now,
    )


def _start(queue: TrainingQueue, training: QueuedTraining, now: datetime) -> QueuedTraining | None:
    if training.attempts >= MAX_ATTEMPTS:
        reason = f"it was begun {training.attempts} times and never ended; {training.reason}".rstrip("; ")
        queue.end_training(training.training_id, TrainingState.FAILED, now, reason=reason)
        logger.warning("training given up training_id=%s attempts=%s", training.training_id, training.attempts)
        return None
    return queue.start_training(training.training_id, now)
