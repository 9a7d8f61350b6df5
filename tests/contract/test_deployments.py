"""What Prefect is told: entrypoints exist, parameters fit, names are unique, tasks say how they cache and retry."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow, Task, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.flows import load_flow_from_entrypoint

import flows
import tasks
from tasks.automation.deployments import read_deployments
from tasks.deployment_models import DeploymentSpec, PoolSpec
from tasks.errors import (
    BackendUnavailable,
    ConfigurationError,
    DeviceBusy,
    DocumentRejected,
    ProductError,
    RateLimited,
    TransientError,
)
from tasks.integrations.prefect_pools import lay_over, read_worker_types
from tasks.retries import RETRIES, touches_backends

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


FILE = read_deployments(REPOSITORY / "prefect.yaml", time_zone="Europe/Berlin")


def named(deployment: DeploymentSpec) -> str:
    return deployment.name


def list_flows() -> list[Flow[..., Any]]:
    return [value for module in _modules(flows) for value in vars(module).values() if isinstance(value, Flow)]


def list_tasks() -> list[Task[..., Any]]:
    found = [value for module in _modules(tasks) for value in vars(module).values() if isinstance(value, Task)]
    return list({id(each): each for each in found}.values())


def _modules(package: Any) -> Iterator[Any]:
    """Modules that hold flows or tasks: all of `flows`, and `tasks.py` of each room."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if package is flows or found.name.endswith(".tasks"):
            yield importlib.import_module(found.name)


@pytest.mark.parametrize("deployment", FILE.deployments, ids=named)
def test_the_entrypoint_of_a_deployment_takes_its_parameters(deployment: DeploymentSpec) -> None:
    loaded: Flow[..., Any] = load_flow_from_entrypoint(deployment.entrypoint)
    parameters = deployment.parameters
    assert {name for trigger in deployment.triggers for name in trigger.get("parameters", {})} <= set(
        inspect.signature(loaded.fn).parameters
    )
    known = inspect.signature(loaded.fn).parameters
    assert set(parameters) <= set(known)
    # What has no default is given by who starts the run: `answer` takes the id of a stored question.
    given = {name: "an id" for name, one in known.items() if one.default is one.empty and name not in parameters}
    validated = loaded.validate_parameters(parameters | given)
    assert {name: validated[name] for name in parameters} == parameters


def test_the_nightly_ingest_runs_once_at_a_time_in_a_named_time_zone() -> None:
    (nightly,) = (each for each in FILE.deployments if each.name == "ingest-nightly")
    (schedule,) = nightly.schedules
    assert schedule.timezone == "Europe/Berlin"
    assert nightly.concurrency_limit
    assert nightly.concurrency_limit.limit == 1


@pytest.mark.parametrize("deployment", FILE.deployments, ids=named)
def test_every_deployment_is_ours_by_its_tag_and_says_what_happens_to_one_run_too_many(
    deployment: DeploymentSpec,
) -> None:
    assert "expertloop" in deployment.tags  # what our automations and `status` look for
    assert deployment.concurrency_limit or deployment.name == "answer"  # any number of people may ask at once


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_the_commented_pools_give_a_gpu_and_fit_what_their_workers_take(kind: str) -> None:
    """Against the schema of the job that Prefect has on its server for workers of the kind."""
    (pool,) = (PoolSpec.model_validate(one) for one in read_commented(kind))
    worker = read_worker_types()[kind]["default_base_job_configuration"]
    laid = lay_over(worker["job_configuration"], pool.job_configuration)
    assert pool.type == kind
    assert {name: laid[name] for name in worker["job_configuration"]} != worker["job_configuration"]
    # What the type's own worker reads beside the variables of its schema: `container_create_kwargs` of prefect-docker.
    strange = laid.keys() - worker["job_configuration"].keys()
    assert strange == ({"container_create_kwargs"} if kind == "docker" else set())
    if kind == "docker":
        (device,) = laid["container_create_kwargs"]["device_requests"]
        assert device == {"count": 1, "capabilities": [["gpu"]]}
    else:
        (container,) = laid["job_manifest"]["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
        assert container["env"] == "{{ env }}", "what the file does not name stays as it is"


def read_commented(kind: str) -> list[dict[str, Any]]:
    """The pools between `# --- KIND` and the next `# ---`, with their comment signs taken away."""
    text = (REPOSITORY / "prefect.yaml").read_text()
    block = text.partition(f"# --- {kind}\n")[2].partition("# ---")[0]
    return list(yaml.safe_load("\n".join(line.removeprefix("#") for line in block.splitlines())))


def test_names_of_flows_and_tasks_are_unique() -> None:
    assert list_flows()
    assert list_tasks()
    for names in ([each.name for each in list_flows()], [each.name for each in list_tasks()]):
        assert len(set(names)) == len(names), names


def test_flows_keep_no_results_in_the_clear() -> None:
    assert [each.name for each in list_flows() if each.persist_result is not False] == []


@pytest.mark.parametrize("each", list_tasks(), ids=lambda each: each.name)
def test_every_task_states_no_cache_and_retries_by_our_rule(each: Task[..., Any]) -> None:
    options = touches_backends()
    assert each.cache_policy == NO_CACHE
    assert not each.persist_result
    assert each.retries == RETRIES
    assert each.retry_condition_fn is options["retry_condition_fn"]


@pytest.mark.parametrize(
    ("error", "runs"),
    [
        (BackendUnavailable("gone"), 1 + RETRIES),
        (RateLimited("later"), 1 + RETRIES),
        (DeviceBusy("held"), 1 + RETRIES),
        (ConfigurationError("wrong"), 1),
        (DocumentRejected("cut", reason="damaged-file"), 1),
        (KeyError("a bug"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_transient_errors_are_retried_and_no_others(error: Exception, runs: int, prefect_api: None) -> None:
    ran = 0
    options = touches_backends()
    options["retry_delay_seconds"] = lambda retries: [0.0] * retries

    @task(**options)
    def fail() -> None:
        nonlocal ran
        ran += 1
        raise error

    @flow(name="fails")
    def fails() -> None:
        fail()

    with pytest.raises(type(error)) as raised:
        fails()
    assert ran == runs
    assert isinstance(error, TransientError) == (runs > 1)
    if isinstance(error, ProductError):
        assert raised.value.args == error.args
