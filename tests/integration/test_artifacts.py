"""What a run leaves on its page in Prefect, read back from a real Prefect API."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL

from flows.handle_cases import handle_cases
from tasks.case_models import CORRECTED
from tasks.evaluation.tasks import show_arms, show_coverage
from tasks.settings import Settings
from tasks.training.tasks import show_training
from tasks.training_models import ArmsReport, GateDecision, TrainedAdapter
from tasks.wiring import use_application
from tests.fakes.cases import write_process
from tests.integration.test_handle_cases import CasesWorld
from tests.integration.world import World

PNG = b"\x89PNG"


def read(key: str) -> Any:
    """The newest artifact of a key: rows, words, or a picture's bytes."""
    response = httpx.get(f"{PREFECT_API_URL.value()}/artifacts/{key}/latest")
    assert response.status_code == 200, key
    found = response.json()
    data = found["data"]
    if data.startswith(f"![{key}](data:image/png;base64,"):
        return base64.b64decode(data.partition(",")[2].removesuffix(")"))
    return json.loads(data) if found["type"] == "table" else data


def score(f1: float) -> dict[str, Any]:
    unknown = dict.fromkeys(("em", "contains_gold"))
    return {"questions": 90, "f1": f1, "f1_low": f1 - 0.1, "f1_high": f1 + 0.1, **unknown}


@pytest.fixture
def small_world(home: Path, prefect_api: None, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("EXPERTLOOP_GENERATOR", "none")
    world = World(Settings())
    use_application(world)
    return world


def test_the_arms_are_shown_with_their_intervals_as_table_and_picture(small_world: World) -> None:
    arms = {"base": score(0.2), "tuned+rag": score(0.5)}
    compared = {"arm": "base", "metric": "f1", "difference": 0.3, "low": 0.1, "high": 0.5, "p": 0.01, "questions": 90}
    report = ArmsReport.model_validate(
        {"dataset_id": "d1", "adapter_id": "a1", "questions": 90, "arms": arms, "differences": [compared]}
    )
    show_arms(report, GateDecision(decision="promote", reasons=("tuned+rag is better by .3",)))
    assert [(row["arm"], row["f1"], row["f1_low"]) for row in read("arms")] == [
        ("base", 0.2, 0.1),
        ("tuned+rag", 0.5, 0.4),
    ]
    assert read("arms-picture").startswith(PNG)
    assert read("arms-differences")[0]["p"] == 0.01
    assert read("gate") == "- **promote**\n- tuned+rag is better by .3"


def test_a_training_is_shown_with_its_loss_curve(small_world: World, home: Path) -> None:
    (home / "trainings" / "a1").mkdir(parents=True)
    picture = small_world.plotter.draw_bars("loss", {"a": 1})
    (home / "trainings" / "a1" / "loss.png").write_bytes(picture)
    measured = {"seconds": 9, "tokens": 900, "tokens_per_second": 100, "peak_memory_bytes": 1, "final_loss": 0.5}
    summary = {**measured, "steps": 5, "examples": 8}
    told = {"adapter_id": "a1", "dataset_id": "d1", "base_hash": "b", "folder": "trainings/a1", "config": {}}
    show_training(TrainedAdapter.model_validate({**told, "summary": summary}))
    assert {row["name"]: row["value"] for row in read("training")}["tokens_per_second"] == 100
    assert read("training-loss") == picture


def test_coverage_is_shown_at_each_share_of_wrong_answers(small_world: World) -> None:
    show_coverage()
    rows = read("coverage")
    answered = [row["answered"] for row in rows]
    assert answered == sorted(answered)
    assert 0 < answered[-1] <= 1
    assert read("coverage-picture").startswith(PNG)


def test_cases_are_shown_by_decision_with_what_people_corrected(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prefect_api: None
) -> None:
    write_process(tmp_path / "processes")
    monkeypatch.setenv("EXPERTLOOP_PROCESSES", str(tmp_path / "processes"))
    monkeypatch.setenv("EXPERTLOOP_GENERATOR", "none")
    world = CasesWorld(Settings())
    use_application(world)
    texts = ["Is hail insured?", "Is hail insured, too?", "My lawyer will sue you."]
    file = tmp_path / "cases.jsonl"
    file.write_text(
        "\n".join(json.dumps({"id": n, "text": text, "from": "e@x.example"}) for n, text in enumerate(texts))
    )
    handle_cases("claims", [str(file)])
    assert read("cases")[0]["handled"] == 3
    handled = world.cases.find_case("default", "0")
    world.cases.close_case(handled.case.case_id, f"{CORRECTED} anna", [], datetime.now(UTC))
    handle_cases("claims")
    by_decision = {row["decision"]: (row["cases"], row["corrected"], row["share"]) for row in read("cases-by-decision")}
    assert by_decision == {"auto-reply": (2, 1, 0.667), "escalate": (1, 0, 0.333)}
    shown = [json.dumps(read(key)) for key in ("cases", "cases-by-decision", "coverage")]
    assert not any("hail" in one or "lawyer" in one for one in shown)
