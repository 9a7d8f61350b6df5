"""Automations on a Prefect server: events that start deployments, runs that died, people who are told.

Those named "expertloop: …" are ours: what no file asks for any more is taken away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import ValidationError

from tasks.deployment_models import AutomationSpec, Change, DeploymentSpec
from tasks.errors import ConfigurationError
from tasks.integrations.prefect_notices import describe_notice, keep_notifier

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import Automation, AutomationCore
    from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger

OURS = "expertloop: "


class AutomationDeployer:
    """Compares and writes automations.

    Args:
        client: Of the server.
        dry: Change nothing.
    """

    def __init__(self, client: SyncPrefectClient, *, dry: bool) -> None:
        self._client = client
        self._dry = dry
        self._there = {one.name: one for one in _read_ours(client)}
        self._wished: set[str] = set()

    def deploy_triggers(
        self, triggers: Sequence[DeploymentEventTrigger], deployment_id: UUID | None
    ) -> Iterator[Change]:
        """The automations that start a deployment.

        Args:
            triggers: As `check_triggers` gives them.
            deployment_id: None where the deployment would only now be made.
        """
        for trigger in triggers:
            trigger.set_deployment_id(deployment_id or UUID(int=0))
            yield from self._deploy(trigger.as_automation())

    def deploy_all(self, automations: Sequence[AutomationCore], notify_url: str | None) -> Iterator[Change]:
        """The automations of the file, the notice of failed runs; what is ours and not wished any more goes."""
        for automation in automations:
            yield from self._deploy(automation)
        if notify_url:
            block_id, changes = keep_notifier(self._client, notify_url, dry=self._dry)
            yield from changes
            yield from self._deploy(describe_notice(block_id))
        yield from self._remove_rest()

    def _deploy(self, wished: AutomationCore) -> Iterator[Change]:
        self._wished.add(wished.name)
        there = self._there.get(wished.name)
        if there is None:
            if not self._dry:
                self._client.create_automation(wished)
            yield Change(what=f"automation {wished.name!r}", kind="created")
        elif differing := _list_differing(there, wished):
            if not self._dry:
                # Whether it is switched on stays as a person left it.
                self._client.update_automation(there.id, wished.model_copy(update={"enabled": there.enabled}))
            yield Change(what=f"automation {wished.name!r}", kind="changed", details=tuple(differing))

    def _remove_rest(self) -> Iterator[Change]:
        for name in sorted(self._there.keys() - self._wished):
            if not self._dry:
                self._client.delete_automation(self._there[name].id)
            yield Change(what=f"automation {name!r}", kind="removed")


def check_triggers(spec: DeploymentSpec) -> list[DeploymentEventTrigger]:
    """The triggers of a deployment, as Prefect understands them.

    Raises:
        ConfigurationError: It does not.
    """
    from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger

    checked = []
    for number, trigger in enumerate(spec.triggers, 1):
        named = {"name": f"{OURS}{spec.name} {number}", **trigger}
        with _told(f"deployment {spec.name}, trigger {number}", str(named["name"])):
            checked.append(DeploymentEventTrigger.model_validate(named))
    return checked


def check_automation(spec: AutomationSpec) -> AutomationCore:
    """An automation of the file, as Prefect understands it.

    Raises:
        ConfigurationError: It does not.
    """
    from prefect.events.schemas.automations import AutomationCore

    with _told(f"automation {spec.name!r}", spec.name):
        return AutomationCore.model_validate(spec.model_dump())


def _read_ours(client: SyncPrefectClient) -> list[Automation]:
    return [one for one in client.read_automations() if one.name.startswith(OURS)]


def _list_differing(there: Automation, wished: AutomationCore) -> list[str]:
    fields = ("description", "trigger", "actions")
    was, becomes = ({name: _plain(one, name) for name in fields} for one in (there, wished))
    return [f"{name} is another" for name in fields if was[name] != becomes[name]]


def _plain(automation: AutomationCore, field: str) -> Any:
    """Comparable: what the server adds is left out, and what is a set has an order."""
    return _sort(automation.model_dump(mode="json", include={field})[field])


def _sort(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sort(inner) for key, inner in value.items() if key != "id"}
    if isinstance(value, list):
        return sorted((_sort(inner) for inner in value), key=lambda one: json.dumps(one, sort_keys=True))
    return value


@contextmanager
def _told(what: str, name: str) -> Iterator[None]:
    """A fault of the file in two lines."""
    if not name.startswith(OURS):
        raise ConfigurationError(
            f"{what}: its name does not begin with {OURS!r}",
            advice="rename it in prefect.yaml; by their names a deploy knows which ones to take away",
        )
    try:
        yield
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigurationError(
            f"{what}: {told}",
            advice="correct it in prefect.yaml, as Prefect's documentation of automations describes it",
        ) from error
