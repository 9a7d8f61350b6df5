"""A process is a folder: checked as a whole, refused with lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.cases.process import load_process
from tasks.errors import ConfigurationError
from tests.fakes.cases import PROCESS, write_process

REPOSITORY = Path(__file__).parents[3]


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_a_process_is_a_folder_with_a_model_and_a_yaml(tmp_path: Path) -> None:
    process = load_process(write_process(tmp_path))
    assert process.name == "claims"
    assert set(process.model.model_fields) == {"policy", "damage"}
    assert process.default_urgency == "normal"


@pytest.mark.parametrize(
    ("folder", "fallback"), [("data/processes/tickets", "other"), ("bench/processes/complaints", "account")]
)
def test_the_processes_that_ship_are_valid(folder: str, fallback: str) -> None:
    assert load_process(REPOSITORY / folder).file.fallback_route == fallback


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('damage: "> 1000"', 'amount: "> 1000"', "unknown field 'amount'"),
        ("damage: {kind: money}", "damaged: {kind: money}", "unknown field 'damaged'"),
        ("{route: lawsuit}", "{route: court}", "there is no route 'court'"),
        ("fallback_route: other", "fallback_route: others", "there is no route 'others'"),
        ("then: escalate", "then: explode", "rules.0.then"),
        ("policy (\\d+)", "policy (\\d+", "no regular expression"),
        ("policy (\\d+)", "policy \\d+", "one group"),
        ("model: Claim", "modell: Claim", "modell"),
        ('"> 1000"', '"> 1,000"', "no plain number"),
        ('"> 1000"', '"> 1.000"', "no plain number"),
        ('"> 1000"', '"> 1000 EUR"', "no plain number"),
        ('"> 1000"', '"=> 1000"', "no plain number"),
        ('"> 1000"', "not > 1k", "no plain number"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    text = PROCESS.replace(right, wrong)
    with pytest.raises(ConfigurationError, match="line ") as raised:
        load_process(write_process(tmp_path, text))
    assert said in raised.value.message
    assert f"line {line_of(text, wrong)}" in raised.value.message


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    text = PROCESS.replace("damage: {kind", "damaged: {kind").replace("fallback_route: other", "fallback_route: others")
    with pytest.raises(ConfigurationError, match="damaged") as raised:
        load_process(write_process(tmp_path, text))
    assert "others" in raised.value.message


def test_unknown_keys_and_wrong_values_hide_no_other_fault(tmp_path: Path) -> None:
    text = PROCESS.replace("damage: {kind", "damaged: {kind").replace("reply: 0.8", "reply: much")
    with pytest.raises(ConfigurationError, match="line 1: modell: Extra inputs") as raised:
        load_process(write_process(tmp_path, f"modell: Claim\n{text}"))
    assert "confidence.reply: Input should be a valid number" in raised.value.message
    assert "damaged" in raised.value.message


def test_a_model_that_is_none_hides_no_fault_of_the_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="line 1: modell: Extra inputs"):
        load_process(write_process(tmp_path, f"modell: Claim\n{PROCESS}", model="x = 1"))


@pytest.mark.parametrize(
    "model",
    [
        "class Claim: pass",
        "import nothing_of_this_name",
        "class Claim(",
        "x = 1",
        "from pydantic import BaseModel, Field\nclass Claim(BaseModel):\n    damage = Field(default=None)",
        "int('one')",
    ],
)
def test_a_model_that_is_none_is_refused(tmp_path: Path, model: str) -> None:
    with pytest.raises(ConfigurationError):
        load_process(write_process(tmp_path, model=model))


def test_a_process_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        load_process(tmp_path / "nothing")
