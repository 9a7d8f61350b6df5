"""The automation room over the wired application: what flows ask and say."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.automation_models import QueuedTraining, TrainingState
from tasks.errors import DeviceBusy, TerminalError, TransientError
from tasks.events import (
    describe_blocked_prune,
    describe_candidate,
    describe_threshold,
)
from tasks.retries import touches_backends
from tasks.training_models import RetrainRequest, RetrainResult
from tasks.wiring import Application, application

logger = logging.getLogger(__name__)

RETRAIN = "retrain-when-ready/retrain-on-event"


@contextmanager
def take_turn(request: RetrainRequest) -> Iterator[QueuedTraining | None]:
    """The training that is to be worked on now, held for the block; None: it is not the time, or another trains.

    No task, since the lease belongs to the block. A process that is killed in it leaves its training open: the lease
    dies with the process, and whoever comes next takes the training up again.
    """
    app = application()
    with ExitStack() as held:
        try:
            held.enter_context(app.hold_training(request.scope))
        except DeviceBusy as busy:
            logger.info("no training scope=%s reason=%s", request.scope, busy.message)
            yield None
            return
        training = app.begin_training(request)
        with _noting_failure(app, training):
            yield training


@contextmanager
def _noting_failure(app: Application, training: QueuedTraining | None) -> Iterator[None]:
    """What may go away by itself leaves the training waiting; what does not ends it."""
    try:
        yield
    except TransientError as error:
        if training:
            app.trainings.postpone_training(training.training_id, error.message)
        raise
    except TerminalError as error:
        if training:
            now = datetime.now(UTC)
            app.trainings.end_training(training.training_id, TrainingState.FAILED, now, reason=error.message)
        raise


@task(**touches_backends())
def end_turn(training_id: str, result: RetrainResult) -> None:
    """The training is done, whatever the gate decided."""
    application().trainings.end_training(
        training_id,
        TrainingState.DONE,
        datetime.now(UTC),
        reason=f"{result.decision.decision}: {'; '.join(result.decision.reasons)}",
        adapter_id=result.trained.adapter_id,
    )


@task(**touches_backends())
def announce_readiness() -> list[str]:
    """Say for which scopes enough pairs are new; returns them."""
    app = application()
    ready = [one for one in map(app.read_readiness, app.list_scopes()) if one.ready]
    for one in ready:
        app.announce(describe_threshold(app.settings.tenant, one))
    return [one.scope for one in ready]


@task(**touches_backends())
def announce_candidate(adapter_id: str, decision: str, approval_id: str | None = None) -> None:
    """Say that a candidate was judged, and whether people are asked about it."""
    application().announce(describe_candidate(adapter_id, decision, approval_id))


@task(**touches_backends())
def announce_blocked_prune(source: str, documents: int) -> None:
    """Say that a person must confirm a prune."""
    application().announce(describe_blocked_prune(source, documents))


@task(**touches_backends())
def start_missed_trainings() -> list[str]:
    """Start what an event was lost for or a killed worker left; returns the scopes.

    The same work is asked for once an hour at most; what became due after the last training is other work.

    Raises:
        BackendUnavailable: The Prefect server does not answer.
    """
    app = application()
    server = app.flow_server
    if server is None:
        return []
    tenant, due = app.settings.tenant, app.list_due_scopes()
    begun = Counter(one.scope for one in app.trainings.list_trainings(tenant))
    for scope in due:
        key = f"{tenant} {scope} {begun[scope]} {datetime.now(UTC):%Y-%m-%dT%H}"
        server.start_run(RETRAIN, {"scope": scope}, key=key)
    return due


@task(**touches_backends())
def end_lost_runs(silent_minutes: int, listen_seconds: int) -> list[str]:
    """Crash runs that died while the Prefect server was away; returns their names.

    Raises:
        BackendUnavailable: The Prefect server does not answer.
    """
    server = application().flow_server
    lost = server.end_lost_runs(timedelta(minutes=silent_minutes), timedelta(seconds=listen_seconds)) if server else []
    if lost:
        logger.warning("runs were lost names=%s", lost)
    return lost


@task(**touches_backends())
def end_overdue_approvals() -> int:
    """Do what was said for candidates that nobody decided about in time; returns how many."""
    return len(application().end_overdue_approvals())
