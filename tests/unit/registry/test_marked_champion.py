"""A champion whose text was erased: kept or replaced as the setting says, never promoted again, never gone back to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from tasks.erasure_models import DatasetMark
from tasks.errors import ConfigurationError
from tasks.integrations.database.engine import Database
from tasks.integrations.database.locks import lock_name
from tasks.registry.champion import promote_adapter
from tasks.settings import Settings
from tasks.training_models import Adapter, AdapterState, TrainingConfig, TrainingSummary
from tasks.wiring import Application
from tests.databases import on_postgresql_alone, on_sqlite_alone

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def adapter(name: str, minute: int) -> Adapter:
    summary = TrainingSummary(
        seconds=1, tokens=1, tokens_per_second=1, peak_memory_bytes=1, final_loss=1, steps=1, examples=1
    )
    return Adapter(
        adapter_id=name,
        tenant="default",
        dataset_id=f"data of {name}",
        base_model="smollm2",
        base_hash="h",
        prompt_version="1",
        config=TrainingConfig(),
        summary=summary,
        url=f"memory://{name}",
        files={},
        created_at=NOW + timedelta(minutes=minute),
    )


def promoted(tmp_path: Path, *, marked_champion: Literal["keep", "fall-back"]) -> Application:
    """Three adapters, promoted one after another."""
    app = Application(Settings(home=tmp_path / "home", marked_champion=marked_champion))
    for minute, name in enumerate(("one", "two", "three")):
        app.adapters.add_adapter(adapter(name, minute))
        promote(app, name)
    return app


def promote(app: Application, name: str) -> None:
    promote_adapter(
        app.adapters.find_adapter("default", name),
        champions=app.champions,
        author="anna",
        now=NOW,
        override="a test",
    )


def mark(app: Application, *names: str) -> None:
    marks = [DatasetMark(f"data of {name}", "erased", "text was erased") for name in names]
    app.erasures.mark_datasets("default", marks, NOW)


@on_sqlite_alone
def test_a_marked_champion_is_kept_until_it_is_replaced(database: Database, tmp_path: Path) -> None:
    app = promoted(tmp_path, marked_champion="keep")
    mark(app, "three")
    assert app.replace_marked_champions("default") == []
    assert app.champions.read_champion("default", "everyone") == "three"
    found = app.adapters.find_adapter("default", "three")
    assert (found.state, found.reason) == (AdapterState.MARKED, "text was erased")
    with pytest.raises(ConfigurationError, match="is marked: text was erased"):
        promote(app, "three")


def test_a_mark_that_comes_between_the_check_and_the_commit_is_seen(app: Application) -> None:
    app.adapters.add_adapter(adapter("one", 0))
    checked = app.adapters.find_adapter("default", "one")
    mark(app, "one")
    with pytest.raises(ConfigurationError, match="is marked: text was erased"):
        promote_adapter(checked, champions=app.champions, author="anna", now=NOW, override="a test")
    assert app.champions.list_champions("default") == {}


@on_postgresql_alone
def test_a_mark_waits_for_a_promotion_that_is_on_its_way(app: Application, database: Database) -> None:
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            lock_name(connection, "champions")
            marking = pool.submit(mark, app, "one")
            with pytest.raises(TimeoutError):
                marking.result(0.5)
        marking.result(60)


@on_sqlite_alone
def test_a_marked_champion_falls_back_past_others_that_are_marked(database: Database, tmp_path: Path) -> None:
    app = promoted(tmp_path, marked_champion="fall-back")
    mark(app, "three", "two")
    (move,) = app.replace_marked_champions("default")
    assert (move.adapter_id, move.action, move.reason) == ("one", "fall back", "text was erased")
    assert app.replace_marked_champions("default") == []
    assert app.roll_back("everyone", author="anna").adapter_id is None


@on_sqlite_alone
def test_where_every_adapter_is_marked_the_base_model_serves(database: Database, tmp_path: Path) -> None:
    app = promoted(tmp_path, marked_champion="fall-back")
    mark(app, "one", "two", "three")
    (move,) = app.replace_marked_champions("default")
    assert move.adapter_id is None
    assert app.champions.list_champions("default") == {}


@on_sqlite_alone
def test_a_rollback_never_goes_back_to_a_marked_adapter(database: Database, tmp_path: Path) -> None:
    app = promoted(tmp_path, marked_champion="keep")
    mark(app, "two")
    assert app.roll_back("everyone", author="anna").adapter_id == "one"


@on_sqlite_alone
def test_a_mark_that_goes_makes_the_adapter_what_it_was(database: Database, tmp_path: Path) -> None:
    app = promoted(tmp_path, marked_champion="keep")
    narrowed = DatasetMark("data of three", "narrowed", "fewer readers")
    app.erasures.replace_narrowed("default", [narrowed], NOW)
    assert app.adapters.find_adapter("default", "three").state is AdapterState.MARKED
    assert app.find_adapters("default", ["data of three", "data of one"]) == ["one", "three"]
    app.erasures.replace_narrowed("default", [], NOW)
    assert app.adapters.find_adapter("default", "three").state is AdapterState.PROMOTED
