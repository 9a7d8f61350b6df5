"""The champion changes while questions are answered: nothing fails, and each answer is that of the model it names."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tasks.answer_models import Message
from tasks.integrations.database.engine import Database
from tasks.settings import Settings
from tasks.training_models import GateDecision, TrainedAdapter, TrainingConfig, TrainingSummary
from tasks.wiring import Application
from tests.databases import on_sqlite_alone
from tests.unit.integrations.test_adaptable_model import base, make_adapter

__all__ = ["base"]

pytestmark = pytest.mark.slow

ASKERS = 20
QUESTION = [[Message(role="user", content="How many days?")]]


def register(app: Application, base: Path, seed: int) -> str:
    """An adapter with random weights, as if it were trained and promoted by the gate."""
    made = make_adapter(base, app.settings.home / "trainings" / str(seed), seed)
    summary = TrainingSummary(
        seconds=1, tokens=1, tokens_per_second=1, peak_memory_bytes=1, final_loss=1, steps=1, examples=1
    )
    trained = TrainedAdapter(
        adapter_id=made.adapter_id, dataset_id="data", base_hash=made.base_hash, folder=f"trainings/{seed}",
        config=TrainingConfig(base_model=str(base)), summary=summary,
    )  # fmt: skip
    decision = GateDecision(decision="promote", reasons=("better",))
    return app.register_adapter(trained, scope="everyone", decision=decision).adapter_id


def ask_now(app: Application) -> tuple[str, str]:
    """Which model was asked, and what it said."""
    generator = app.generator
    assert generator is not None
    (generation,) = generator.generate(QUESTION, max_tokens=8)
    return generator.identity, generation.text


@on_sqlite_alone
def test_promotions_and_rollbacks_under_load_fail_nothing_and_mix_nothing(
    database: Database, base: Path, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home", generator=str(base))
    serving, elsewhere = Application(settings), Application(settings)
    names = [register(elsewhere, base, seed) for seed in range(2)]
    alone = dict([ask_now(Application(settings))])
    for name in names:
        elsewhere.promote_adapter(name, author="gate")
        alone |= [ask_now(Application(settings))]
    assert len(set(alone.values())) == len(alone) == 3
    done = Event()

    def ask_until_done(_: int) -> list[tuple[str, str]]:
        answers = [ask_now(serving)]
        while not done.is_set():
            answers.append(ask_now(serving))
        return answers

    with ThreadPoolExecutor(ASKERS) as pool:
        asked = [pool.submit(ask_until_done, number) for number in range(ASKERS)]
        try:
            seen = [move_and_ask(serving, elsewhere, step) for step in (None, None, *names, None)]
        finally:
            done.set()
        answers = [answer for future in asked for answer in future.result()]
    plain = str(next(iter(alone)))
    assert seen == [f"{plain}+adapter-0", plain, f"{plain}+adapter-0", f"{plain}+adapter-1", f"{plain}+adapter-0"]
    assert all(alone[identity] == text for identity, text in answers)
    assert len({identity for identity, _ in answers}) > 1


def move_and_ask(serving: Application, elsewhere: Application, promoted: str | None) -> str:
    """Another process's promotion, or a rollback: who answers the question after it."""
    if promoted:
        elsewhere.promote_adapter(promoted, author="gate")
    else:
        elsewhere.roll_back("everyone", author="anna")
    return ask_now(serving)[0]


@on_sqlite_alone
def test_a_champion_of_another_base_model_leaves_the_configured_one_to_answer(
    database: Database, base: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    app = Application(Settings(home=home, generator=str(base)))
    app.promote_adapter(register(app, base, 0), author="gate")
    other = shutil.copytree(base, tmp_path / "other")
    identity, _ = ask_now(Application(Settings(home=home, generator=str(other))))
    assert identity.startswith("other@")
    assert "+" not in identity


@on_sqlite_alone
def test_a_champion_whose_files_were_damaged_leaves_the_base_model_to_answer_until_another_is_promoted(
    database: Database, base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application(Settings(home=tmp_path / "home", generator=str(base)))
    names = [register(app, base, seed) for seed in range(2)]
    app.promote_adapter(names[0], author="gate")
    damaged = app.adapters.find_adapter("default", names[0])
    (app.artifacts.fetch(damaged.url, damaged.files) / "adapter_model.safetensors").write_bytes(b"damaged")
    identity, _ = ask_now(app)
    assert "+" not in identity
    assert "adapter_model.safetensors of the adapter in" in caplog.text
    app.promote_adapter(names[1], author="gate")
    assert ask_now(app)[0].endswith("+adapter-1")
