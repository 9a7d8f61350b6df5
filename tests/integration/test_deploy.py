"""A deploy on a real Prefect API: everything is made once, told, kept, and put right again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.automation.deployments import read_deployments
from tasks.deployment_models import Change, DeploymentFile
from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.prefect_flow_server import PrefectFlowServer

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
NIGHTLY = "ingest/ingest-nightly"


def read(text: str | None = None, *, folder: Path | None = None) -> DeploymentFile:
    place = REPOSITORY / "prefect.yaml"
    if text is not None:
        assert folder is not None
        place = folder / "prefect.yaml"
        place.write_text(text)
    return read_deployments(place, time_zone="Europe/Berlin")


@pytest.fixture(scope="module")
def deployed(prefect_api: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder from which everything is deployed."""
    folder = tmp_path_factory.mktemp("deployed")
    planned = PrefectFlowServer(None).deploy(read(), folder, dry=True)
    made = PrefectFlowServer(None).deploy(read(), folder)
    assert [one.what for one in planned] == [one.what for one in made]
    assert {one.kind for one in made} == {"created"}
    return folder


def deploy(folder: Path, file: DeploymentFile | None = None, notify_url: str | None = None) -> list[Change]:
    return PrefectFlowServer(notify_url).deploy(file or read(), folder)


def edit(name: str, **fields: Any) -> None:
    """As a person does in Prefect's pages."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        there = client.read_deployment_by_name(name)
        client.request("PATCH", "/deployments/{id}", path_params={"id": there.id}, json=fields)


def test_the_second_deploy_changes_nothing(deployed: Path) -> None:
    assert deploy(deployed) == []


def test_what_was_edited_by_hand_is_told_with_what_was_there_and_put_right(deployed: Path) -> None:
    edit(NIGHTLY, description="My own words.", parameters={"confirm_prune": True})
    (change,) = deploy(deployed)
    assert (change.what, change.kind) == (f"deployment {NIGHTLY}", "edited")
    assert change.details == (
        "description: My own words. → Reads what changed in every source of sources.yaml.",
        'parameters: {"confirm_prune": true} → {"confirm_prune": false}',
    )
    assert deploy(deployed) == []


def test_a_deployment_that_a_person_paused_stays_paused(deployed: Path) -> None:
    edit(NIGHTLY, paused=True, description="Paused by me.")
    deploy(deployed)
    paused = {one.name: one.paused for one in PrefectFlowServer(None).list_deployments()}
    assert paused[NIGHTLY]
    assert not paused["curate/curate-hourly"]
    edit(NIGHTLY, paused=False)


def test_what_the_file_says_otherwise_is_changed_and_what_it_does_not_say_is_removed(
    deployed: Path, tmp_path: Path
) -> None:
    text = (REPOSITORY / "prefect.yaml").read_text()
    first = text.replace("0 2 * * *", "30 3 * * *").replace("within: 600", "within: 900")
    changed = first.replace('name: "expertloop: cases arrived"', 'name: "expertloop: there are cases"')
    told = {one.what: one for one in deploy(deployed, read(changed, folder=tmp_path))}
    assert told[f"deployment {NIGHTLY}"].kind == "changed"
    assert "30 3 * * *" in told[f"deployment {NIGHTLY}"].details[0]
    assert told["automation 'expertloop: a silent run has crashed'"].details == ("trigger is another",)
    assert told["automation 'expertloop: there are cases'"].kind == "created"
    assert told["automation 'expertloop: cases arrived'"].kind == "removed"
    assert deploy(deployed, read(changed, folder=tmp_path)) == []
    deploy(deployed)


def test_who_is_told_of_failed_runs_is_set_by_one_address_which_nobody_sees(deployed: Path) -> None:
    address = "jsons://token@hooks.example/failed"
    told = deploy(deployed, notify_url=address)
    assert [one.what for one in told] == [
        "notification block expertloop-notify",
        "automation 'expertloop: a failed run is told'",
    ]
    assert deploy(deployed, notify_url=address) == []
    (moved,) = deploy(deployed, notify_url="mailtos://user:secret@mail.example?to=ops@example.com")
    assert moved.kind == "changed"
    assert "secret@" not in str(moved)
    (gone,) = deploy(deployed)
    assert (gone.what, gone.kind) == ("automation 'expertloop: a failed run is told'", "removed")
    with pytest.raises(ConfigurationError, match="EXPERTLOOP_NOTIFY_URL"):
        deploy(deployed, notify_url="carrier-pigeon")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("confirm_prune: false", "confirm_prune: perhaps", "ingest-nightly.*confirm_prune"),
        ("process: tickets", "proces: tickets", "handle-cases.*proces"),
        ("expect: [expertloop.cases.arrived]", "expect: {some: thing}", "handle-cases, trigger 1"),
        ("state: CRASHED", "state: DEAD", "a silent run has crashed"),
        ("type: process", "type: balloon", "no type 'balloon'"),
        ("type: process", "type: docker", "of type process on the server, not docker"),
    ],
)
def test_what_a_flow_or_prefect_does_not_take_is_refused(
    deployed: Path, tmp_path: Path, old: str, new: str, told: str
) -> None:
    text = (REPOSITORY / "prefect.yaml").read_text()
    assert old in text
    with pytest.raises(ConfigurationError, match=told) as refused:
        deploy(deployed, read(text.replace(old, new), folder=tmp_path))
    assert refused.value.advice
    assert deploy(deployed) == []


def test_the_list_says_how_the_last_run_ended_and_when_the_next_begins(deployed: Path) -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Completed, Running

    with get_client(sync_client=True) as client:
        there = client.read_deployment_by_name("curate/curate-hourly")
        run = client.create_flow_run_from_deployment(there.id)
        client.set_flow_run_state(run.id, Running())
        client.set_flow_run_state(run.id, Completed())
        later = client.create_flow_run_from_deployment(there.id)
    (hourly,) = (one for one in PrefectFlowServer(None).list_deployments() if one.name == "curate/curate-hourly")
    assert hourly.last_state == "Completed"
    assert hourly.last_run is not None
    assert hourly.next_run == later.expected_start_time


def test_a_run_with_a_parameter_of_a_wrong_type_is_refused_by_the_server(deployed: Path) -> None:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    with get_client(sync_client=True) as client:
        there = client.read_deployment_by_name(NIGHTLY)
        with pytest.raises(PrefectHTTPStatusError, match="confirm_prune"):
            client.create_flow_run_from_deployment(there.id, parameters={"confirm_prune": "perhaps"})


def test_a_server_that_does_not_answer_is_told_as_that(tmp_path: Path) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        for ask in (lambda: deploy(tmp_path), PrefectFlowServer(None).list_deployments):
            with pytest.raises(BackendUnavailable, match=r"no Prefect server answers at http://127\.0\.0\.1:9/api"):
                ask()
