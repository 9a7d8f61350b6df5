"""What flows do by themselves: say when enough is new, train once, make a lost event good, check before a deploy."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from expertloop.deploy import SHIPPED, deploy_file
from flows.curate import curate
from flows.reconcile import reconcile
from flows.retrain import retrain_when_ready
from tasks.automation_models import QueuedTraining, Readiness, TrainingState, derive_training_id
from tasks.errors import ConfigurationError
from tasks.settings import Settings
from tasks.training_models import RetrainRequest
from tasks.wiring import use_application
from tests.fakes.flow_server import FakeFlowServer
from tests.integration.world import World

PROCESSES = SHIPPED.parent / "data" / "processes"


class AutomaticWorld(World):
    """A world whose readiness the test says."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.ready = False
        self.asked: list[str] = []
        self.fake_flow_server: FakeFlowServer | None = FakeFlowServer()

    @property
    def flow_server(self) -> FakeFlowServer | None:
        return self.fake_flow_server

    @property
    def told_server(self) -> FakeFlowServer:
        assert self.fake_flow_server
        return self.fake_flow_server

    def read_readiness(self, scope: str) -> Readiness:
        self.asked.append(scope)
        return Readiness(scope=scope, ready=self.ready, new_pairs=250, needed_pairs=200, reason="as the test says")


@pytest.fixture
def world(home: Path, prefect_api: None) -> AutomaticWorld:
    world = AutomaticWorld(Settings())
    use_application(world)
    return world


def test_curate_says_when_enough_is_new_and_only_then(world: AutomaticWorld) -> None:
    curate()
    assert world.told_server.told == []
    world.ready = True
    curate()
    (event,) = world.told_server.told
    assert (event.name, event.resource_id) == (
        "expertloop.pairs.threshold-reached",
        "expertloop.scope.default.everyone",
    )
    assert event.payload == {"scope": "everyone", "new_pairs": "250"}


def test_an_event_is_a_hint_the_run_asks_the_database_and_does_nothing_when_it_says_no(world: AutomaticWorld) -> None:
    assert retrain_when_ready("hr") is None
    assert world.asked == ["hr"]


def test_a_run_does_nothing_while_another_trains_for_the_scope(world: AutomaticWorld) -> None:
    world.ready = True
    with world.hold_training("everyone"):
        assert retrain_when_ready() is None
    assert world.asked == [], "it did not even look"


def test_a_lost_event_is_made_good_once_an_hour(world: AutomaticWorld) -> None:
    assert not reconcile()
    world.ready = True
    assert reconcile()
    assert reconcile()
    assert world.fake_flow_server
    assert 1 <= len(world.fake_flow_server.started) <= 2, "two only when the hour ended between them"
    for deployment, parameters in world.fake_flow_server.started.values():
        assert deployment == "retrain-when-ready/retrain-on-event"
        assert parameters == {"scope": "everyone"}


def test_what_became_due_after_a_training_is_not_kept_waiting_for_the_next_hour(world: AutomaticWorld) -> None:
    world.ready = True
    reconcile()
    request, now = RetrainRequest(), datetime.now(UTC)
    done = QueuedTraining(
        training_id=derive_training_id("default", "data", request),
        tenant="default",
        scope="everyone",
        dataset_id="data",
        request=request,
        asked_at=now,
    )
    world.trainings.add_training(done)
    world.trainings.end_training(done.training_id, TrainingState.DONE, now, reason="rejected", adapter_id="adapter")
    before = set(world.told_server.started)
    reconcile()
    assert set(world.told_server.started) > before


def test_readiness_of_an_empty_company_is_zero_of_what_is_needed(home: Path) -> None:
    readiness = World(Settings()).read_readiness("everyone")
    assert (readiness.ready, readiness.new_pairs, readiness.needed_pairs) == (False, 0, 200)


def test_a_process_with_an_unknown_key_is_refused_at_deploy_with_its_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(PROCESSES, tmp_path / "processes")
    place = tmp_path / "processes" / "tickets" / "process.yaml"
    place.write_text(place.read_text() + "colour: red\n")
    monkeypatch.setenv("EXPERTLOOP_PROCESSES", str(tmp_path / "processes"))
    world = AutomaticWorld(Settings())
    line = place.read_text().count("\n")
    with pytest.raises(ConfigurationError, match=rf"line {line}: colour"):
        deploy_file(world, SHIPPED)
    assert world.told_server.deployed == []


def test_without_processes_their_deployment_is_left_out(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPERTLOOP_PROCESSES", str(tmp_path / "none"))
    world = AutomaticWorld(Settings())
    deploy_file(world, SHIPPED)
    assert "handle-cases" not in world.told_server.deployed
    assert "ingest-nightly" in world.told_server.deployed


def test_without_a_server_it_says_what_to_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPERTLOOP_PROCESSES", str(PROCESSES))
    world = AutomaticWorld(Settings())
    world.fake_flow_server = None
    with pytest.raises(ConfigurationError, match="PREFECT_API_URL") as refused:
        deploy_file(world, SHIPPED)
    assert "expertloop up" in refused.value.advice
