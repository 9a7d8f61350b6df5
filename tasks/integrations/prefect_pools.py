"""Work pools: where runs go, and what a worker starts for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.deployment_models import Change, PoolSpec
from tasks.errors import ConfigurationError
from tasks.integrations.prefect_fields import compare_fields

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


def deploy_pool(client: SyncPrefectClient, pool: PoolSpec, template: dict[str, Any], *, dry: bool) -> Iterator[Change]:
    """Make the pool, or make it what the file says.

    Args:
        client: Of the server.
        pool: What is wished.
        template: Of its jobs, by `find_template`.
        dry: Change nothing.

    Raises:
        ConfigurationError: The pool is there with another type.
    """
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectNotFound

    fields: dict[str, Any] = {"description": pool.description, "concurrency_limit": pool.concurrency_limit}
    try:
        there = client.read_work_pool(pool.name)
    except ObjectNotFound:
        if not dry:
            client.create_work_pool(
                WorkPoolCreate(name=pool.name, type=pool.type, base_job_template=template, **fields)
            )
        yield Change(what=f"work pool {pool.name}", kind="created", details=(f"type: {pool.type}",))
        return
    if there.type != pool.type:
        raise ConfigurationError(
            f"work pool {pool.name} is of type {there.type} on the server, not {pool.type}",
            advice=f"take another name, or delete it there: prefect work-pool delete {pool.name}",
        )
    if pool.job_configuration:
        fields["base_job_template"] = template
    details = compare_fields({name: getattr(there, name) for name in fields}, fields)
    if details and not dry:
        client.update_work_pool(pool.name, WorkPoolUpdate(**fields))
    if details:
        yield Change(what=f"work pool {pool.name}", kind="changed", details=details)


def find_template(pool: PoolSpec) -> dict[str, Any]:
    """The default of the pool's type, with what the file lays over it.

    Raises:
        ConfigurationError: Prefect knows no such type.
    """
    known = read_worker_types()
    if pool.type not in known:
        raise ConfigurationError(
            f"work pool {pool.name}: Prefect knows no type {pool.type!r}", advice=f"take one of {', '.join(known)}"
        )
    template: dict[str, Any] = known[pool.type]["default_base_job_configuration"]
    return {**template, "job_configuration": lay_over(template["job_configuration"], pool.job_configuration)}


def lay_over(under: Any, over: Any) -> Any:
    """`over` where it says something, `under` elsewhere; lists are laid over each other item by item."""
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        return {
            key: lay_over(under[key], over[key]) if key in under and key in over else over.get(key, under.get(key))
            for key in {**under, **over}
        }
    if isinstance(under, list) and isinstance(over, list):
        both = [lay_over(*pair) for pair in zip(under, over, strict=False)]
        return [*both, *under[len(both) :], *over[len(both) :]]
    return over


def read_worker_types() -> dict[str, dict[str, Any]]:
    """What Prefect knows of each type of worker, from the copy in its package: a server would ask the internet."""
    import prefect

    place = Path(prefect.__file__).parent / "server/api/collections_data/views/aggregate-worker-metadata.json"
    metadata = json.loads(place.read_text(encoding="utf-8"))
    return {kind: worker for kinds in metadata.values() for kind, worker in kinds.items()}
