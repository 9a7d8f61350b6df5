"""Makes a Prefect server what prefect.yaml says: pools, deployments, automations, each compared before it is written.

A deployment keeps the fingerprint of what was last deployed as its `version`. Where a field is no longer that though
the fingerprint still is, somebody changed it on the server by hand; that is told, with what was there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.deployment_models import Change, DeploymentFile, DeploymentSpec
from tasks.errors import ConfigurationError
from tasks.integrations.prefect_automations import AutomationDeployer, check_automation, check_triggers
from tasks.integrations.prefect_client import connect
from tasks.integrations.prefect_fields import compare_fields
from tasks.integrations.prefect_pools import deploy_pool, find_template
from tasks.models import hash_text

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse


def deploy(file: DeploymentFile, directory: Path, *, notify_url: str | None = None, dry: bool = False) -> list[Change]:
    """See `FlowServer.deploy`.

    Args:
        file: What is wished.
        directory: Where runs work.
        notify_url: Who is told of runs that failed; None: nobody.
        dry: Change nothing.
    """
    with connect() as client:
        return list(_deploy(client, file, directory, notify_url=notify_url, dry=dry))


def _deploy(
    client: SyncPrefectClient, file: DeploymentFile, directory: Path, *, notify_url: str | None, dry: bool
) -> Iterator[Change]:
    # Everything is checked before anything is written.
    pools = [(pool, find_template(pool)) for pool in file.work_pools]
    wished = [(spec, _describe(spec, directory), check_triggers(spec)) for spec in file.deployments]
    automations = [check_automation(spec) for spec in file.automations]
    for pool, template in pools:
        yield from deploy_pool(client, pool, template, dry=dry)
    deployer = AutomationDeployer(client, dry=dry)
    for spec, fields, triggers in wished:
        deployment_id, changes = _deploy_one(client, spec, fields, dry=dry)
        yield from changes
        yield from deployer.deploy_triggers(triggers, deployment_id)
    yield from deployer.deploy_all(automations, notify_url)


def _describe(spec: DeploymentSpec, directory: Path) -> dict[str, Any]:
    """The fields of a deployment as the API writes them, and its flow's name.

    Raises:
        ConfigurationError: The flow does not take the parameters.
    """
    from prefect.exceptions import ParameterTypeError
    from prefect.flows import load_flow_from_entrypoint
    from prefect.utilities.callables import parameter_schema

    flow: Flow[..., Any] = load_flow_from_entrypoint(spec.entrypoint, use_placeholder_flow=False)
    required = dict.fromkeys(flow.parameters.required or [], "given when it is started")
    try:
        flow.validate_parameters({**required, **spec.parameters})
    except (ParameterTypeError, TypeError) as error:
        told = " ".join(str(error).split())
        raise ConfigurationError(
            f"deployment {spec.name}: flow {flow.name} does not take its parameters: {told}",
            advice=f"correct its `parameters` in prefect.yaml; {spec.entrypoint} says what it takes",
        ) from error
    limit = spec.concurrency_limit
    return {
        "flow_name": flow.name,
        "entrypoint": spec.entrypoint,
        "description": spec.description,
        "tags": sorted(spec.tags),
        "parameters": spec.parameters,
        "parameter_openapi_schema": parameter_schema(flow).model_dump(mode="json"),
        "enforce_parameter_schema": True,
        "schedules": [{"cron": one.cron, "timezone": one.timezone} for one in spec.schedules],
        "concurrency_limit": limit.limit if limit else None,
        "collision_strategy": limit.collision_strategy if limit else None,
        "work_pool_name": spec.work_pool.name,
        "job_variables": spec.work_pool.job_variables,
        "pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": str(directory)}}],
    }


def _deploy_one(
    client: SyncPrefectClient, spec: DeploymentSpec, wished: dict[str, Any], *, dry: bool
) -> tuple[Any, list[Change]]:
    """The deployment's id (None when it is not there yet, and nothing may be written), and what changed."""
    from prefect.exceptions import ObjectNotFound

    name = f"{wished['flow_name']}/{spec.name}"
    fields = {key: value for key, value in wished.items() if key != "flow_name"}
    fingerprint = hash_text(json.dumps(fields, sort_keys=True))[:12]
    try:
        there = client.read_deployment_by_name(name)
    except ObjectNotFound:
        made = None if dry else _create(client, wished["flow_name"], spec.name, fields, fingerprint)
        return made, [Change(what=f"deployment {name}", kind="created")]
    details = compare_fields(_read_fields(there), fields)
    if not details:
        return there.id, []
    if not dry:
        _update(client, there, fields, fingerprint)
    kind = "edited" if there.version == fingerprint else "changed"
    return there.id, [Change(what=f"deployment {name}", kind=kind, details=details)]


def _read_fields(there: DeploymentResponse) -> dict[str, Any]:
    limit, options = there.global_concurrency_limit, there.concurrency_options
    return {
        "entrypoint": there.entrypoint,
        "description": there.description,
        "tags": sorted(there.tags),
        "parameters": there.parameters,
        "parameter_openapi_schema": there.parameter_openapi_schema,
        "enforce_parameter_schema": there.enforce_parameter_schema,
        "schedules": [one.schedule.model_dump(mode="json", include={"cron", "timezone"}) for one in there.schedules],
        "concurrency_limit": limit.limit if limit else None,
        "collision_strategy": options.collision_strategy.value if limit and options else None,
        "work_pool_name": there.work_pool_name,
        "job_variables": there.job_variables,
        "pull_steps": there.pull_steps,
    }


def _create(client: SyncPrefectClient, flow_name: str, name: str, fields: dict[str, Any], fingerprint: str) -> Any:
    flow_id = client.create_flow_from_name(flow_name)
    return client.create_deployment(flow_id=flow_id, name=name, version=fingerprint, **_as_sent(fields))


def _update(client: SyncPrefectClient, there: DeploymentResponse, fields: dict[str, Any], fingerprint: str) -> None:
    """Whether it is paused stays as a person left it; schedules are replaced only where they differ."""
    from prefect.client.schemas.actions import DeploymentScheduleUpdate, DeploymentUpdate

    sent = _as_sent(fields)
    schedules = sent.pop("schedules")
    if _read_fields(there)["schedules"] != fields["schedules"]:
        sent["schedules"] = [DeploymentScheduleUpdate(**one.model_dump(exclude_unset=True)) for one in schedules]
    client.update_deployment(there.id, DeploymentUpdate(version=fingerprint, **sent))


def _as_sent(fields: Mapping[str, Any]) -> dict[str, Any]:
    """As Prefect's client takes them."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.objects import ConcurrencyOptions
    from prefect.client.schemas.schedules import CronSchedule

    sent = dict(fields)
    strategy = sent.pop("collision_strategy")
    sent["concurrency_options"] = ConcurrencyOptions(collision_strategy=strategy) if strategy else None
    sent["schedules"] = [DeploymentScheduleCreate(schedule=CronSchedule(**one)) for one in sent["schedules"]]
    return sent
