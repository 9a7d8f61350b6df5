"""Runs that died while the Prefect server was away: the automations that look for them never heard of it.

A server that has just come back heard nothing of anybody, the living included. So whoever seems lost is looked at
twice, and the server must have answered all the time between: so long that a living run's heartbeat would be there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tasks.integrations.prefect_client import connect
from tasks.integrations.prefect_status import TAG

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

logger = logging.getLogger(__name__)

HEARTBEAT = "prefect.flow-run.heartbeat"
LOOK_SECONDS = 5.0
"""Between two looks whether the server is still there, and the longest that it may take to say so."""


def end_lost_runs(silence: timedelta, listening: timedelta) -> list[str]:
    """See `FlowServer.end_lost_runs`."""
    from prefect.states import Crashed

    with connect() as client:
        latest = datetime.now(UTC) - silence
        suspects = {run.id: sign for run, sign in _list_open_runs(client) if sign < latest}
        if not suspects or not _listens(client, listening):
            return []
        lost = [(run, sign) for run, sign in _list_open_runs(client) if suspects.get(run.id) == sign]
        for run, sign in lost:
            client.set_flow_run_state(run.id, Crashed(message=f"Nothing heard of it since {sign:%Y-%m-%d %H:%M %Z}."))
    return [run.name for run, _ in lost]


def _listens(client: SyncPrefectClient, period: timedelta) -> bool:
    """Whether the server is there, and answers readily, for the whole period: the client itself bridges a restart."""
    logger.warning("runs are silent, listening seconds=%d", period.total_seconds())
    end = time.monotonic() + period.total_seconds()
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(LOOK_SECONDS, left))
        asked = time.monotonic()
        client.hello()
        if time.monotonic() - asked > LOOK_SECONDS:
            logger.warning("the Prefect server was away, no silent run is given up")
            return False
    return True


def _list_open_runs(client: SyncPrefectClient) -> Iterator[tuple[FlowRun, datetime]]:
    """Ours that are about to begin or at work, and when each was last heard of."""
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
        FlowRunFilterTags,
    )
    from prefect.client.schemas.objects import StateType

    open_ = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING]))
    for run in client.read_flow_runs(flow_run_filter=FlowRunFilter(state=open_, tags=FlowRunFilterTags(all_=[TAG]))):
        if sign := _find_last_sign(client, run):
            yield run, sign


def _find_last_sign(client: SyncPrefectClient, run: FlowRun) -> datetime | None:
    """When it was last heard of; None: it is at work and sends no heartbeats, so that silence says nothing."""
    from prefect.client.schemas.objects import StateType
    from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter

    assert run.state is not None, "it was asked for by its state"
    if run.state.type is StateType.PENDING:
        return run.state.timestamp
    its = EventResourceFilter(id=[f"prefect.flow-run.{run.id}"])
    beats = client.read_events(EventFilter(event=EventNameFilter(name=[HEARTBEAT]), resource=its), limit=1).events
    return max(run.state.timestamp, beats[0].occurred) if beats else None
