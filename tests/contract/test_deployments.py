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
from tasks.errors import (
    BackendUnavailable,
    ConfigurationError,
    DeviceBusy,
    DocumentRejected,
    ProductError,
    RateLimited,
    TransientError,
)
from tasks.retries import RETRIES, touches_backends

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


def read_deployments() -> list[dict[str, Any]]:
    return list(yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"])


def named(deployment: dict[str, Any]) -> str:
    return str(deployment["name"])


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


@pytest.mark.parametrize("deployment", read_deployments(), ids=named)
def test_the_entrypoint_of_a_deployment_takes_its_parameters(
    deployment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    loaded: Flow[..., Any] = load_flow_from_entrypoint(deployment["entrypoint"])
    parameters = deployment.get("parameters", {})
    known = inspect.signature(loaded.fn).parameters
    assert set(parameters) <= set(known)
    # What has no default is given by who starts the run: `answer` takes the id of a stored question.
    given = {name: "an id" for name, one in known.items() if one.default is one.empty and name not in parameters}
    validated = loaded.validate_parameters(parameters | given)
    assert {name: validated[name] for name in parameters} == parameters


def test_the_nightly_ingest_runs_once_at_a_time_in_a_named_time_zone() -> None:
    (nightly,) = (each for each in read_deployments() if each["name"] == "ingest-nightly")
    (schedule,) = nightly["schedules"]
    assert {"cron", "timezone"} <= set(schedule)
    assert nightly["concurrency_limit"]["limit"] == 1
    assert nightly["work_pool"]["name"]


def test_names_of_deployments_flows_and_tasks_are_unique() -> None:
    assert list_flows()
    assert list_tasks()
    for names in ([each.name for each in list_flows()], [each.name for each in list_tasks()]):
        assert len(set(names)) == len(names), names
    deployments = [named(each) for each in read_deployments()]
    assert len(set(deployments)) == len(deployments)


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
