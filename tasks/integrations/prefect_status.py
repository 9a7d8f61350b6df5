"""What a Prefect server says of our deployments, and how it is told of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tasks.deployment_models import DeploymentStatus, ProcessEvent
from tasks.integrations.prefect_client import connect

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import DeploymentResponse

TAG = "expertloop"


def list_deployments() -> list[DeploymentStatus]:
    """See `FlowServer.list_deployments`."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    with connect() as client:
        ours = client.read_deployments(deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])))
        flows = {flow.id: flow.name for flow in client.read_flows()}
        return sorted(
            (_describe(client, f"{flows[one.flow_id]}/{one.name}", one) for one in ours), key=lambda one: one.name
        )


def _describe(client: SyncPrefectClient, name: str, deployment: DeploymentResponse) -> DeploymentStatus:
    last, next_ = _find_run(client, deployment, begun=True), _find_run(client, deployment, begun=False)
    return DeploymentStatus(
        name=name,
        paused=deployment.paused,
        last_state=last.state_name if last else None,
        last_run=last.start_time if last else None,
        next_run=next_.expected_start_time if next_ else None,
    )


def _find_run(client: SyncPrefectClient, deployment: DeploymentResponse, *, begun: bool) -> FlowRun | None:
    """The newest run that has begun, or the next that will."""
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterId,
        FlowRunFilter,
        FlowRunFilterStartTime,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    wanted = (
        FlowRunFilter(start_time=FlowRunFilterStartTime(is_null_=False))
        if begun
        else FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])))
    )
    runs = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=wanted,
        sort=FlowRunSort.START_TIME_DESC if begun else FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=1,
    )
    return runs[0] if runs else None


def start_run(deployment: str, parameters: Mapping[str, str], *, key: str) -> None:
    """See `FlowServer.start_run`."""
    with connect() as client:
        there = client.read_deployment_by_name(deployment)
        client.create_flow_run_from_deployment(there.id, parameters=dict(parameters), idempotency_key=key)


def send_events(events: Sequence[ProcessEvent]) -> None:
    """See `FlowServer.send_events`."""
    from prefect.events import Event, Resource

    told = [
        Event(
            event=one.name, resource=Resource({"prefect.resource.id": one.resource_id}), payload=dict(one.payload)
        ).model_dump(mode="json")
        for one in events
    ]
    with connect() as client:
        client.request("POST", "/events", json=told)
