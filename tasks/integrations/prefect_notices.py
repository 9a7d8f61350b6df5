"""Who is told of a run that failed: any address that Apprise knows, a webhook or a mailbox among them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from tasks.deployment_models import Change
from tasks.errors import ConfigurationError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import AutomationCore

NOTICE = "expertloop: a failed run is told"
_BLOCK = "expertloop-notify"
_SLUG = "slack-webhook"
"""Of the one kind of block in Prefect's core that passes every address on to Apprise, Slack's or not."""

_SUBJECT = "expertloop: {{ flow.name }} is {{ flow_run.state.name }}"
_BODY = "Run {{ flow_run.name }} of {{ flow.name }} is {{ flow_run.state.name }}. Its log: {{ flow_run|ui_url }}"
"""Without the state's message: what an unexpected error says may hold anything."""


def keep_notifier(client: SyncPrefectClient, address: str, *, dry: bool) -> tuple[UUID, list[Change]]:
    """The block that sends to the address; returns its id, and what changed.

    Raises:
        ConfigurationError: Apprise knows no such address.
    """
    from apprise import Apprise
    from prefect.blocks.notifications import SlackWebhook
    from prefect.exceptions import ObjectNotFound
    from pydantic import SecretStr

    if not Apprise().add(address):
        raise ConfigurationError(
            "EXPERTLOOP_NOTIFY_URL is no address that Apprise knows",
            advice="such as jsons://host/path for a webhook, mailtos://user:password@host?to=ops@example.com for mail",
        )
    what = f"notification block {_BLOCK}"
    try:
        there = client.read_block_document_by_name(_BLOCK, _SLUG, include_secrets=True)
    except ObjectNotFound:
        change = Change(what=what, kind="created")
    else:
        if there.data.get("url") == address:
            return there.id, []
        change = Change(what=what, kind="changed", details=("url: another address (a secret, not shown)",))
    if dry:
        return UUID(int=0), [change]
    saved = SlackWebhook(url=SecretStr(address)).save(_BLOCK, overwrite=True)
    assert isinstance(saved, UUID)  # called without an event loop, it does not return a coroutine
    return saved, [change]


def describe_notice(block_id: UUID) -> AutomationCore:
    """The automation that sends, once a run."""
    from prefect.events.actions import SendNotification
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

    return AutomationCore(
        name=NOTICE,
        description="To EXPERTLOOP_NOTIFY_URL.",
        trigger=EventTrigger.model_validate(
            {
                "match": {"prefect.resource.id": "prefect.flow-run.*"},
                "match_related": {"prefect.resource.id": "prefect.tag.expertloop", "prefect.resource.role": "tag"},
                "expect": ["prefect.flow-run.Failed", "prefect.flow-run.Crashed"],
                "for_each": ["prefect.resource.id"],
                "posture": "Reactive",
            }
        ),
        actions=[SendNotification(block_document_id=block_id, subject=_SUBJECT, body=_BODY)],
    )
