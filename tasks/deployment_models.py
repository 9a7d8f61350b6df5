"""The nouns of deployments: what prefect.yaml says, what changed on the server, what runs there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.models import Noun


class _Closed(BaseModel):
    """Unknown keys are faults; what Prefect checks itself stays a plain dict."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PoolSpec(_Closed):
    """A work pool: where runs of some deployments go."""

    name: str = Field(min_length=1)
    type: str = "process"
    description: str = ""
    concurrency_limit: int | None = Field(default=None, ge=1, description="runs at once, over all workers")
    job_configuration: dict[str, Any] = Field(
        default_factory=dict, description="laid over the default of the pool's type, such as a request for a GPU"
    )


class LimitSpec(_Closed):
    """How many runs of one deployment may be at work, and what becomes of one more."""

    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]


class ScheduleSpec(_Closed):
    """When a deployment runs by itself."""

    cron: str
    timezone: str


class WorkSpec(_Closed):
    """Where a deployment's runs go."""

    name: str
    job_variables: dict[str, Any] = Field(default_factory=dict)


class DeploymentSpec(_Closed):
    """A flow that can be started by schedule, event or hand."""

    name: str = Field(min_length=1)
    entrypoint: str = Field(pattern=r"^flows(\.[a-z_]+){2}$", description="module and function")
    description: str = Field(min_length=1)
    tags: tuple[str, ...] = ()
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: tuple[ScheduleSpec, ...] = ()
    concurrency_limit: LimitSpec | None = None
    work_pool: WorkSpec
    triggers: tuple[dict[str, Any], ...] = Field(default=(), description="Prefect's event triggers")


class AutomationSpec(_Closed):
    """What Prefect does by itself when events come, or fail to come."""

    name: str = Field(min_length=1)
    description: str = ""
    trigger: dict[str, Any]
    actions: tuple[dict[str, Any], ...] = Field(min_length=1)


class DeploymentFile(BaseModel):
    """What prefect.yaml may say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["expertloop"]
    work_pools: tuple[PoolSpec, ...] = Field(min_length=1)
    deployments: tuple[DeploymentSpec, ...] = Field(min_length=1)
    automations: tuple[AutomationSpec, ...] = ()


class Change(Noun):
    """One thing that a deploy makes, alters or takes away on the Prefect server."""

    what: str = Field(description="such as: deployment ingest/ingest-nightly")
    kind: Literal["created", "changed", "edited", "removed"] = Field(
        description="edited: by hand, on the server, since the last deploy; that edit is overwritten"
    )
    details: tuple[str, ...] = Field(default=(), description="a line a field: what it was, what it becomes")


class DeploymentStatus(Noun):
    """How a deployment fares."""

    name: str = Field(description="flow and deployment")
    paused: bool
    last_state: str | None = Field(default=None, description="of the newest run that has begun")
    last_run: datetime | None = None
    next_run: datetime | None = None


class ProcessEvent(Noun):
    """Something that happened, in few words and without any text of documents."""

    name: str
    resource_id: str
    payload: Mapping[str, str] = Field(default_factory=dict)
