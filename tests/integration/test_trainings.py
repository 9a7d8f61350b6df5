"""Turns over a real database: what may go away leaves a training waiting, what does not ends it; `status` tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from expertloop.learning import list_stuck, read_learning
from tasks.automation.tasks import take_turn
from tasks.automation_models import QueuedTraining, Readiness, derive_training_id
from tasks.case_models import Case
from tasks.errors import BackendUnavailable, DatasetRejected
from tasks.integrations.database.cases_schema import cases
from tasks.settings import Settings
from tasks.training_models import RetrainRequest
from tasks.wiring import use_application
from tests.integration.world import World

REQUEST = RetrainRequest()


class ReadyWorld(World):
    """There is always enough to train on, and it is always the same."""

    def read_readiness(self, scope: str) -> Readiness:
        return Readiness(scope=scope, ready=True, new_pairs=7, needed_pairs=10, reason="told")

    def begin_training(self, request: RetrainRequest) -> QueuedTraining | None:
        tenant, now = self.settings.tenant, datetime.now(UTC)
        asked = QueuedTraining(
            training_id=derive_training_id(tenant, "data", request),
            tenant=tenant,
            scope=request.scope,
            dataset_id="data",
            request=request,
            asked_at=now,
        )
        self.trainings.add_training(asked)
        return self.trainings.start_training(asked.training_id, now)


@pytest.fixture
def world(home: Path) -> Iterator[ReadyWorld]:
    made = ReadyWorld(Settings())
    use_application(made)
    yield made
    made.database.close()


def states(world: ReadyWorld) -> list[tuple[str, str]]:
    return [(one.state.value, one.reason) for one in world.trainings.list_trainings("default")]


def test_what_may_go_away_by_itself_leaves_the_training_waiting(world: ReadyWorld) -> None:
    with pytest.raises(BackendUnavailable), take_turn(REQUEST):
        raise BackendUnavailable("the index is down")
    assert states(world) == [("waiting", "the index is down")]
    assert world.list_due_scopes() == ["everyone"]


def test_what_trying_again_does_not_change_ends_the_training(world: ReadyWorld) -> None:
    with pytest.raises(DatasetRejected), take_turn(REQUEST):
        raise DatasetRejected("nothing to learn from")
    assert states(world) == [("failed", "nothing to learn from")]


def test_who_comes_second_has_nothing_to_do_and_nothing_is_due_meanwhile(world: ReadyWorld) -> None:
    with take_turn(REQUEST) as first:
        assert first is not None
        with take_turn(REQUEST) as second:
            assert second is None
        assert world.list_due_scopes() == []
        assert list_stuck(world) == []
    assert states(world) == [("running", "")]


def test_status_counts_what_waits_and_names_what_is_stuck(world: ReadyWorld) -> None:
    with take_turn(REQUEST):
        pass  # as a process that was killed leaves it: running, without its lease
    old, new = (Case(case_id=f"id-{n}", tenant="default", process="p", id=n, body="?") for n in ("old", "new"))
    world.cases.receive_cases([old, new], datetime.now(UTC))
    assert read_learning(world)["cases_waiting"] == 2
    with world.database.write() as connection:
        earlier = sa.update(cases).where(cases.c.case_id == "id-old")
        connection.execute(earlier.values(received_at=datetime.now(UTC) - timedelta(hours=2)))
    record = read_learning(world)
    assert record["scopes"]["everyone"]["missing_pairs"] == 3
    assert record["trainings"] == {"waiting": 0, "running": 1}
    training, waiting = record["stuck"]
    assert "its process is gone" in training
    assert waiting.startswith("1 cases wait")
