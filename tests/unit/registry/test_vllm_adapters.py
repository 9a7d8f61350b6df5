"""Champions on a vLLM server: loaded beside the old one, switched, dropped; else its base model answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.answer_models import Message
from tasks.errors import ConfigurationError
from tasks.integrations.database.engine import Database
from tasks.integrations.vllm_adapters import VLLMAdapters
from tasks.settings import Settings
from tasks.training_models import GateDecision, TrainedAdapter, TrainingConfig, TrainingSummary
from tasks.wiring import Application
from tests.databases import on_sqlite_alone
from tests.fakes.http import serving
from tests.fakes.vllm_server import VLLMServer

pytestmark = on_sqlite_alone

BASE = "org/phi"
QUESTION = [[Message(role="user", content="How many days?")]]


@pytest.fixture
def server() -> VLLMServer:
    return VLLMServer(BASE)


@pytest.fixture
def settings(server: VLLMServer, database: Database, tmp_path: Path) -> Iterator[Settings]:
    with serving(server.app) as address:
        yield Settings(
            home=tmp_path / "home",
            generator="openai",
            generator_url=f"{address}/v1",
            generator_model=BASE,
            generator_adapters=tmp_path / "shared",
            generator_timeout_seconds=20,
        )


@pytest.fixture
def app(settings: Settings) -> Application:
    return Application(settings)


def promote(app: Application, name: str, *, base: str = BASE, rank: int = 8) -> None:
    folder = app.settings.home / "trainings" / name
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank}))
    (folder / "adapter_model.safetensors").write_bytes(name.encode())
    summary = TrainingSummary(
        seconds=1, tokens=1, tokens_per_second=1, peak_memory_bytes=1, final_loss=1, steps=1, examples=1
    )
    trained = TrainedAdapter(
        adapter_id=name,
        dataset_id="data",
        base_hash="h",
        folder=f"trainings/{name}",
        config=TrainingConfig(base_model=base),
        summary=summary,
    )
    app.register_adapter(trained, scope="everyone", decision=GateDecision(decision="promote", reasons=("better",)))
    app.promote_adapter(name, author="gate")


def ask(app: Application) -> tuple[str, str]:
    """The model that is named, and the one that the server was asked for, without what makes its name unique."""
    generator = app.generator
    assert generator
    (generation,) = generator.generate(QUESTION, max_tokens=8)
    return generator.identity.partition("+")[2], generation.text.rpartition("-")[2]


def test_without_a_champion_the_base_model_is_asked_and_nothing_is_loaded(app: Application, server: VLLMServer) -> None:
    assert ask(app) == ("", BASE)
    assert server.calls == []


def test_a_promotion_and_a_rollback_are_followed_and_other_processes_load_nothing_twice(
    app: Application, settings: Settings, server: VLLMServer
) -> None:
    other = Application(settings)
    for name in ("one", "two"):
        promote(app, name)
        assert ask(app) == ask(other) == (name, name)
    app.roll_back("everyone", author="anna")
    assert ask(app) == ask(other) == ("one", "one")
    app.roll_back("everyone", author="anna")
    assert ask(app) == ask(other) == ("", BASE)
    assert [call for call, _ in server.calls] == ["load", "load"]


def test_the_former_champion_is_dropped_once_nobody_can_wait_for_it_any_more(
    settings: Settings, server: VLLMServer, tmp_path: Path
) -> None:
    now = 0.0
    adapters = VLLMAdapters(settings, clock=lambda: now)
    server.adapters["somebody-elses"] = tmp_path
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "adapter_config.json").write_text('{"r": 8}')
        (folder / "adapter_model.safetensors").write_bytes(name.encode())
        adapters.open(name, folder)
        adapters.keep_only(name)
    adapters.drop_left()
    assert len(server.adapters) == 3
    assert len(list((tmp_path / "shared").iterdir())) == 2
    now = 20.0
    adapters.drop_left()
    adapters.drop_left()
    assert [name.rpartition("-")[2] for name in server.adapters] == ["elses", "two"]
    assert [call for call, _ in server.calls] == ["load", "load", "unload"]
    assert [folder.name.rpartition("-")[2] for folder in (tmp_path / "shared").iterdir()] == ["two"]


def test_files_that_a_killed_process_left_are_deleted_with_the_next_champion(
    settings: Settings, server: VLLMServer, app: Application, tmp_path: Path
) -> None:
    promote(app, "one")
    ask(app)
    server.restart()
    promote(app, "two")
    now = 0.0
    adapters = VLLMAdapters(settings, clock=lambda: now)
    (tmp_path / "shared" / "somebody-elses").mkdir()
    adapters.open("two", app.settings.home / "trainings" / "two")
    adapters.keep_only("two")
    now = 20.0
    adapters.drop_left()
    assert sorted(folder.name.rpartition("-")[2] for folder in (tmp_path / "shared").iterdir()) == ["elses", "two"]


def test_a_restarted_server_has_its_adapter_loaded_again(app: Application, server: VLLMServer) -> None:
    promote(app, "one")
    assert ask(app) == ("one", "one")
    server.restart()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, [app] * 8)) == {("one", "one")}
    assert len(server.adapters) == 1


def test_files_that_another_process_deleted_are_copied_anew_for_a_server_that_lost_them(
    app: Application, server: VLLMServer, tmp_path: Path
) -> None:
    promote(app, "one")
    ask(app)
    shutil.rmtree(tmp_path / "shared")
    server.restart()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, [app] * 8)) == {("one", "one")}
    assert [folder.name.rpartition("-")[2] for folder in (tmp_path / "shared").iterdir()] == ["one"]


@pytest.mark.parametrize("why", ["rank", "not allowed", "not seen"])
def test_a_server_that_cannot_load_it_answers_with_its_base_model_and_the_log_says_why(
    app: Application, server: VLLMServer, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.may_load = why != "not allowed"
    server.sees_our_folder = why != "not seen"
    promote(app, "one", rank=64 if why == "rank" else 8)
    assert ask(app) == ("", BASE)
    assert "champion unusable adapter=one" in caplog.text
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING" in caplog.text


def test_a_champion_of_another_base_model_is_not_loaded(app: Application, server: VLLMServer) -> None:
    promote(app, "one", base="org/other")
    assert ask(app) == ("", BASE)
    assert server.calls == []


def test_files_that_changed_in_the_shared_folder_are_copied_anew(
    app: Application, settings: Settings, server: VLLMServer
) -> None:
    promote(app, "one")
    ask(app)
    (copied,) = server.adapters.values()
    (copied / "adapter_model.safetensors").write_bytes(b"changed")
    ask(Application(settings))
    assert (copied / "adapter_model.safetensors").read_bytes() == b"one"


def test_a_full_or_forbidden_folder_leaves_the_base_model_to_answer(
    app: Application, server: VLLMServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "shared").write_text("a file where the folder should be")
    promote(app, "one")
    assert ask(app) == ("", BASE)
    assert "check EXPERTLOOP_GENERATOR_ADAPTERS" in caplog.text


def test_an_endpoint_that_is_no_vllm_says_so(settings: Settings, server: VLLMServer, tmp_path: Path) -> None:
    wrong = settings.model_copy(update={"generator_url": str(settings.generator_url).removesuffix("/v1") + "/v2"})
    with pytest.raises(ConfigurationError, match="404"):
        VLLMAdapters(wrong).keep_only(None)
