"""Runs that died while the Prefect server was away: the automations that look for them never heard of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tasks.integrations.prefect_client import connect
from tasks.integrations.prefect_status import TAG

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

HEARTBEAT = "prefect.flow-run.heartbeat"


def end_lost_runs(silence: timedelta) -> list[str]:
    """See `FlowServer.end_lost_runs`."""
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
        FlowRunFilterTags,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.states import Crashed

    open_ = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING]))
    with connect() as client:
        runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(state=open_, tags=FlowRunFilterTags(all_=[TAG])))
        latest = datetime.now(UTC) - silence
        lost = [(run, sign) for run in runs if (sign := _find_last_sign(client, run)) and sign < latest]
        for run, sign in lost:
            client.set_flow_run_state(run.id, Crashed(message=f"Nothing heard of it since {sign:%Y-%m-%d %H:%M %Z}."))
    return [run.name for run, _ in lost]


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
