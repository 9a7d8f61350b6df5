"""Registering, promoting and going back: files that are hashed, one row that says who serves, each move kept."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.errors import ArtifactCorrupt, BackendUnavailable, ConfigurationError
from tasks.integrations.artifacts import Artifacts
from tasks.integrations.database.engine import Database
from tasks.settings import Settings
from tasks.training_models import AdapterState, GateDecision, TrainedAdapter, TrainingConfig, TrainingSummary
from tasks.wiring import Application
from tests.databases import on_sqlite_alone
from tests.fakes.flow_server import FakeFlowServer

PROMOTE = GateDecision(decision="promote", reasons=("better",))
REJECT = GateDecision(decision="reject", reasons=("worse",))


def train(app: Application, name: str) -> TrainedAdapter:
    """What training leaves: the registry reads no weights, so these are none."""
    folder = app.settings.home / "trainings" / name
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")
    (folder / "adapter_model.safetensors").write_bytes(name.encode())
    summary = TrainingSummary(
        seconds=1, tokens=1, tokens_per_second=1, peak_memory_bytes=1, final_loss=1, steps=1, examples=1
    )
    return TrainedAdapter(
        adapter_id=name,
        dataset_id=f"data of {name}",
        base_hash="h",
        folder=f"trainings/{name}",
        config=TrainingConfig(),
        summary=summary,
    )


def register(app: Application, name: str, decision: GateDecision | None = PROMOTE) -> None:
    app.register_adapter(train(app, name), scope="everyone", measured="## Arms\n\nF1 0.9", decision=decision)


@on_sqlite_alone
def test_a_registered_adapter_has_a_card_and_its_files_can_be_fetched(app: Application) -> None:
    register(app, "one")
    (found,) = app.adapters.list_adapters("default")
    assert sorted(found.files) == ["README.md", "adapter_config.json", "adapter_model.safetensors"]
    folder = app.artifacts.fetch(found.url, found.files)
    assert (folder / "adapter_model.safetensors").read_bytes() == b"one"
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: peft\n")
    assert "\nlicense: apache-2.0\n---" in card
    assert "F1 0.9" in card


@on_sqlite_alone
def test_measuring_again_replaces_the_decision_and_keeps_what_a_person_did(app: Application) -> None:
    trained = train(app, "one")
    first = app.register_adapter(trained, scope="everyone", decision=REJECT)
    assert first.state is AdapterState.REJECTED
    app.promote_adapter("one", author="anna", override="a pilot")
    again = app.register_adapter(trained, scope="everyone", decision=REJECT)
    assert (again.state, again.created_at) == (AdapterState.PROMOTED, first.created_at)
    assert len(app.adapters.list_adapters("default")) == 1


@on_sqlite_alone
def test_an_adapter_stays_servable_while_it_is_registered_again(app: Application) -> None:
    """A server that read the row before the card was written anew must still find what the row says."""
    trained = train(app, "one")
    before = app.register_adapter(trained, scope="everyone", measured="first", decision=PROMOTE)
    app.register_adapter(trained, scope="everyone", measured="second", decision=PROMOTE)
    folder = app.artifacts.fetch(before.url, before.files)
    assert "first" in (folder / "README.md").read_text(encoding="utf-8")


@on_sqlite_alone
def test_pickled_weights_are_refused(app: Application) -> None:
    trained = train(app, "one")
    (app.settings.home / trained.folder / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(ArtifactCorrupt, match=r"adapter_model\.bin in one may run code"):
        app.register_adapter(trained, scope="everyone")
    assert app.adapters.list_adapters("default") == []


@on_sqlite_alone
def test_missing_weights_are_refused(app: Application) -> None:
    trained = train(app, "one")
    (app.settings.home / trained.folder / "adapter_model.safetensors").unlink()
    with pytest.raises(ArtifactCorrupt, match=r"adapter_model\.safetensors of the adapter in one is missing"):
        app.register_adapter(trained, scope="everyone")


@on_sqlite_alone
def test_an_adapter_whose_files_were_changed_is_not_promoted(app: Application) -> None:
    register(app, "one")
    (found,) = app.adapters.list_adapters("default")
    (app.artifacts.fetch(found.url, found.files) / "adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(ArtifactCorrupt, match="is missing or was changed"):
        app.promote_adapter("one", author="anna")
    assert app.champions.read_champion("default", "everyone") is None


@on_sqlite_alone
def test_a_home_that_was_moved_reads_its_own_files(app: Application, tmp_path: Path) -> None:
    register(app, "one")
    (found,) = app.adapters.list_adapters("default")
    former = app.artifacts.fetch(found.url, found.files)
    shutil.copytree(app.settings.home, tmp_path / "restored")
    (former / "adapter_model.safetensors").write_bytes(b"other")
    restored = Application(Settings(home=tmp_path / "restored")).artifacts
    assert restored.fetch(found.url, found.files).is_relative_to(tmp_path / "restored")
    with pytest.raises(ArtifactCorrupt):
        restored.fetch(former.as_uri(), found.files)  # as rows of former releases name it


@on_sqlite_alone
@pytest.mark.parametrize("decision", [None, REJECT])
def test_what_the_gate_did_not_promote_serves_only_with_a_reason(
    app: Application, decision: GateDecision | None
) -> None:
    register(app, "one", decision)
    with pytest.raises(ConfigurationError, match="the gate said"):
        app.promote_adapter("one", author="anna")
    change = app.promote_adapter("one", author="anna", override="a pilot")
    assert change is not None
    assert (change.author, change.reason) == ("anna", "a pilot")


@on_sqlite_alone
def test_each_promotion_is_told_once_and_happens_while_nobody_can_be_told(app: Application) -> None:
    app.flow_server = server = FakeFlowServer()
    for name in ("one", "two"):
        register(app, name)
    app.promote_adapter("one", author="gate")
    app.promote_adapter("one", author="gate")
    assert [(one.name, one.payload) for one in server.told] == [("expertloop.champion.promoted", {"adapter_id": "one"})]
    server.down = True
    assert app.promote_adapter("two", author="gate")
    assert app.champions.read_champion("default", "everyone") == "two"


def test_moves_are_kept_and_a_rollback_ends_at_the_base_model(app: Application) -> None:
    for name in ("one", "two"):
        register(app, name)
        app.promote_adapter(name, author="gate")
    assert app.promote_adapter("two", author="gate") is None
    assert app.roll_back("everyone", author="anna").adapter_id == "one"
    assert app.roll_back("everyone", author="anna").adapter_id is None
    with pytest.raises(ConfigurationError, match="nothing to go back to"):
        app.roll_back("everyone", author="anna")
    moves = [(c.number, c.action, c.adapter_id) for c in app.champions.list_changes("default", "everyone")]
    assert moves == [(4, "rollback", None), (3, "rollback", "one"), (2, "promote", "two"), (1, "promote", "one")]


def test_promotions_at_once_come_one_after_another(app: Application) -> None:
    names = [f"adapter-{number}" for number in range(6)]
    for name in names:
        register(app, name)
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: app.promote_adapter(name, author=name), names))
    changes = app.champions.list_changes("default", "everyone")
    assert [change.number for change in changes] == [6, 5, 4, 3, 2, 1]
    assert sorted(str(change.adapter_id) for change in changes) == names
    assert app.champions.read_champion("default", "everyone") == changes[0].adapter_id


@on_sqlite_alone
def test_files_in_a_remote_store_are_copied_into_the_cache_and_repaired_there(
    database: Database, tmp_path: Path
) -> None:
    app = Application(Settings(home=tmp_path / "home", cache=tmp_path / "cache", artifacts_url="memory://artifacts"))
    register(app, "one")
    (found,) = app.adapters.list_adapters("default")
    folder = app.artifacts.fetch(found.url, found.files)
    assert folder.is_relative_to(tmp_path / "cache")
    (folder / "adapter_model.safetensors").write_bytes(b"half")
    again = app.artifacts.fetch(found.url, found.files)
    assert (again / "adapter_model.safetensors").read_bytes() == b"one"


@on_sqlite_alone
def test_copies_of_adapters_that_no_longer_serve_are_swept_a_day_after_they_were_asked_for(
    database: Database, tmp_path: Path
) -> None:
    app = Application(Settings(home=tmp_path / "home", cache=tmp_path / "cache", artifacts_url="memory://swept"))
    copies = {}
    for name in ("one", "two", "three"):
        register(app, name)
        app.promote_adapter(name, author="gate")
        found = app.adapters.find_adapter("default", name)
        copies[name] = app.artifacts.fetch(found.url, found.files)
    for name in ("one", "three"):
        os.utime(copies[name], (0, 0))
    foreign = tmp_path / "cache" / "adapters" / "of another store" / "old"
    foreign.mkdir(parents=True)
    os.utime(foreign, (0, 0))
    assert app.generator
    assert [name for name, folder in copies.items() if folder.exists()] == ["two", "three"]
    assert foreign.exists()


@on_sqlite_alone
@pytest.mark.parametrize("url", ["memory://former", "file"])
def test_a_former_copy_in_the_store_is_deleted_once_nobody_can_be_about_to_fetch_it(
    database: Database, tmp_path: Path, url: str
) -> None:
    app = Application(Settings(home=tmp_path / "home", artifacts_url=url if url != "file" else None))
    trained = train(app, "one")
    first, second = (app.register_adapter(trained, scope="everyone", measured=words) for words in ("first", "second"))
    app.artifacts.fetch(first.url, first.files)
    app.artifacts.sweep_former("adapters/one", keep=second.url, before=datetime.now(UTC))
    app.artifacts.fetch(second.url, second.files)
    with pytest.raises(ArtifactCorrupt):
        Artifacts(app.settings.resolved_artifacts_url, cache=tmp_path / "empty").fetch(first.url, first.files)


@on_sqlite_alone
def test_registering_again_sweeps_what_is_older_than_a_day(app: Application) -> None:
    trained = train(app, "one")
    old, young = (app.register_adapter(trained, scope="everyone", measured=words) for words in ("old", "young"))
    for file in app.artifacts.fetch(old.url, old.files).iterdir():
        os.utime(file, (0, 0))
    app.register_adapter(trained, scope="everyone", measured="new")
    app.artifacts.fetch(young.url, young.files)
    with pytest.raises(ArtifactCorrupt):
        app.artifacts.fetch(old.url, old.files)


@on_sqlite_alone
def test_an_artifact_store_that_cannot_be_written_is_named(database: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    app = Application(Settings(home=tmp_path / "home", artifacts_url=f"file://{tmp_path}/file/artifacts"))
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        register(app, "one")
    assert app.adapters.list_adapters("default") == []


def test_a_url_of_an_unknown_kind_is_a_wrong_configuration_and_its_password_is_not_told(tmp_path: Path) -> None:
    store = Artifacts("nosuch://anna:geheim-7@store.example/adapters", cache=tmp_path)
    with pytest.raises(ConfigurationError, match="not known") as caught:
        store.put("one", [], {})
    assert "geheim-7" not in str(caught.value)
