"""The one retry rule: transient errors only, a few times, further and further apart, with jitter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

from prefect import Task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from tasks.errors import DeadlineExceeded, TransientError

RETRIES = 3


class TaskOptions(TypedDict):
    """What `prefect.task` takes of it."""

    retries: int
    retry_delay_seconds: Callable[[int], list[float]]
    retry_jitter_factor: float
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State[Any]], bool]
    cache_policy: CachePolicy


def _is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    # Time that is over does not come back.
    return isinstance(state.data, TransientError) and not isinstance(state.data, DeadlineExceeded)


def touches_backends() -> TaskOptions:
    """Options of a task that talks to a store, a server or a model.

    Nothing is cached by Prefect: every task asks the database what is left to do, so doing it twice changes nothing.
    """
    return {
        "retries": RETRIES,
        "retry_delay_seconds": exponential_backoff(backoff_factor=2),
        "retry_jitter_factor": 0.5,
        "retry_condition_fn": _is_transient,
        "cache_policy": NO_CACHE,
    }
