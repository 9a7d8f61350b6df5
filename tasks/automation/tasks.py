"""The automation room over the wired application: what flows ask and say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from prefect import task

from tasks.automation.events import (
    describe_blocked_prune,
    describe_candidate,
    describe_promotion,
    describe_threshold,
)
from tasks.automation_models import Readiness
from tasks.errors import DeviceBusy
from tasks.retries import touches_backends
from tasks.wiring import application

logger = logging.getLogger(__name__)

RETRAIN = "retrain-when-ready/retrain-on-event"


@contextmanager
def hold_training(scope: str) -> Iterator[bool]:
    """Hold the scope's training while the block runs; whether we got it, since another may train for it."""
    with ExitStack() as held:
        try:
            held.enter_context(application().hold_training(scope))
        except DeviceBusy as busy:
            logger.info("training not started scope=%s reason=%s", scope, busy.message)
            yield False
            return
        yield True


@task(**touches_backends())
def check_readiness(scope: str) -> Readiness:
    """Whether a training may start, by the database as it is now."""
    readiness = application().read_readiness(scope)
    logger.info("readiness scope=%s ready=%s reason=%s", scope, readiness.ready, readiness.reason)
    return readiness


@task(**touches_backends())
def announce_readiness(scope: str | None = None) -> bool:
    """Say that enough pairs are new, when they are; returns whether that was said."""
    app = application()
    readiness = app.read_readiness(scope or app.settings.scope)
    if readiness.ready:
        app.events.emit(describe_threshold(app.settings.tenant, readiness))
    return readiness.ready


@task(**touches_backends())
def announce_candidate(adapter_id: str, decision: str) -> None:
    """Say that a candidate was judged."""
    application().events.emit(describe_candidate(adapter_id, decision))


@task(**touches_backends())
def announce_promotion(adapter_id: str) -> None:
    """Say that there is a new champion."""
    application().events.emit(describe_promotion(adapter_id))


@task(**touches_backends())
def announce_blocked_prune(source: str, documents: int) -> None:
    """Say that a person must confirm a prune."""
    application().events.emit(describe_blocked_prune(source, documents))


@task(**touches_backends())
def start_missed_training(scope: str | None = None) -> bool:
    """Start the training whose event was lost, once an hour at most; returns whether one was asked for."""
    app = application()
    readiness = app.read_readiness(scope or app.settings.scope)
    if not readiness.ready or app.flow_server is None:
        return False
    key = f"{app.settings.tenant} {readiness.scope} {datetime.now(UTC):%Y-%m-%dT%H}"
    app.flow_server.start_run(RETRAIN, {"scope": readiness.scope}, key=key)
    return True
