"""Exactly one training a dataset: begun once, taken up again when its process was killed, ended once."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psutil
import pytest

from tasks.automation.trainings import MAX_ATTEMPTS, begin_training
from tasks.automation_models import QueuedTraining, Readiness, TrainingState, derive_training_id, name_turn
from tasks.errors import DeviceBusy
from tasks.integrations.database.engine import Database
from tasks.integrations.database.leases import Leases
from tasks.integrations.database.trainings import DatabaseTrainings
from tasks.training.presets import make_config
from tasks.training_models import RetrainRequest

NOW = datetime(2026, 11, 26, 4, 0, tzinfo=UTC)
REQUEST = RetrainRequest()


def readiness(*, ready: bool) -> Readiness:
    return Readiness(scope="everyone", ready=ready, new_pairs=3, needed_pairs=2, reason="told")


def begin(
    queue: DatabaseTrainings, *, ready: bool = True, dataset: str = "data-1", request: RetrainRequest = REQUEST
) -> QueuedTraining | None:
    return begin_training(
        queue, "default", request, judge=lambda: readiness(ready=ready), freeze=lambda: dataset, now=NOW
    )


@pytest.fixture
def queue(database: Database) -> DatabaseTrainings:
    return DatabaseTrainings(database)


def test_what_is_ready_becomes_a_running_training_of_a_frozen_dataset(queue: DatabaseTrainings) -> None:
    training = begin(queue)
    assert training is not None
    assert (training.state, training.attempts, training.started_at) == (TrainingState.RUNNING, 1, NOW)
    assert queue.list_trainings("default") == [training]
    assert queue.list_trainings("elsewhere") == []


def test_what_is_not_ready_is_not_even_frozen(queue: DatabaseTrainings) -> None:
    def refuse() -> str:
        raise AssertionError("nothing is to be frozen")

    judge = lambda: readiness(ready=False)  # noqa: E731
    assert begin_training(queue, "default", REQUEST, judge=judge, freeze=refuse, now=NOW) is None
    assert queue.list_trainings("default") == []


def test_what_was_left_open_goes_on_as_it_was_begun_whatever_is_ready_now(queue: DatabaseTrainings) -> None:
    first = begin(queue)
    assert first is not None
    other = RetrainRequest(config=make_config(values={"rank": 4}))
    again = begin(queue, ready=False, dataset="data-2", request=other)
    assert again is not None
    assert (again.training_id, again.dataset_id, again.request) == (first.training_id, "data-1", REQUEST)
    assert again.attempts == 2


def test_a_dataset_is_trained_on_once(queue: DatabaseTrainings) -> None:
    first = begin(queue)
    assert first is not None
    assert queue.end_training(first.training_id, TrainingState.DONE, NOW, reason="reject", adapter_id="a")
    assert begin(queue) is None
    assert begin(queue, dataset="data-2") is not None


def test_a_training_ends_once_and_what_has_ended_does_not_wait_again(queue: DatabaseTrainings) -> None:
    training = begin(queue)
    assert training is not None
    assert queue.end_training(training.training_id, TrainingState.DONE, NOW, reason="promote", adapter_id="a")
    assert not queue.end_training(training.training_id, TrainingState.FAILED, NOW, reason="late")
    queue.postpone_training(training.training_id, "later")
    assert queue.start_training(training.training_id, NOW) is None
    (kept,) = queue.list_trainings("default")
    assert (kept.state, kept.reason, kept.adapter_id) == (TrainingState.DONE, "promote", "a")


def test_what_waits_for_a_device_is_taken_up_by_the_next(queue: DatabaseTrainings) -> None:
    training = begin(queue)
    assert training is not None
    queue.postpone_training(training.training_id, "the device is busy")
    (waiting,) = queue.list_trainings("default", [TrainingState.WAITING])
    assert waiting.reason == "the device is busy"
    assert begin(queue, ready=False) is not None


def test_a_training_that_never_ends_is_given_up_and_says_so(queue: DatabaseTrainings) -> None:
    assert all(begin(queue) for _ in range(MAX_ATTEMPTS))
    assert begin(queue) is None
    (failed,) = queue.list_trainings("default", [TrainingState.FAILED])
    assert f"begun {MAX_ATTEMPTS} times" in failed.reason


def test_what_changes_no_weights_makes_no_second_training() -> None:
    def name(**values: object) -> str:
        return derive_training_id("default", "data", RetrainRequest(config=make_config(values=values)))

    assert name() == name(micro_batch_examples=2)
    assert name() != name(rank=4)
    assert name() != derive_training_id("other", "data", RetrainRequest(config=make_config()))


def work(open_database: Callable[[], Database], done: list[str]) -> str:
    """What a flow does with an event: take the scope's lease, look, train, end."""
    database = open_database()
    queue = DatabaseTrainings(database)
    try:
        with Leases(database, lease_seconds=60).hold(name_turn("default", "everyone")):
            training = begin(queue)
            if training is None:
                return "nothing to do"
            done.append(training.training_id)
            queue.end_training(training.training_id, TrainingState.DONE, NOW, reason="reject")
            return "trained"
    except DeviceBusy:
        return "busy"


def test_ten_events_at_once_are_one_training(queue: DatabaseTrainings, open_database: Callable[[], Database]) -> None:
    done: list[str] = []
    with ThreadPoolExecutor(10) as pool:
        said = list(pool.map(lambda _: work(open_database, done), range(10)))
    assert said.count("trained") == 1, said
    assert len(done) == 1
    (training,) = queue.list_trainings("default")
    assert (training.state, training.attempts) == (TrainingState.DONE, 1)


def _die_training(url: str) -> None:
    database = Database(url)
    Leases(database, lease_seconds=60).hold(name_turn("default", "everyone")).__enter__()
    assert begin(DatabaseTrainings(database))
    psutil.Process().kill()


def test_a_killed_workers_training_is_stuck_until_the_next_takes_it_up(database: Database, database_url: str) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_die_training, args=(database_url,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    queue, leases = DatabaseTrainings(database), Leases(database, lease_seconds=3600)
    assert [one.state for one in queue.list_trainings("default")] == [TrainingState.RUNNING]
    assert not leases.is_held(name_turn("default", "everyone"))
    with leases.hold(name_turn("default", "everyone")):
        assert leases.is_held(name_turn("default", "everyone"))
        again = begin(queue, ready=False)
    assert again is not None
    assert again.attempts == 2
