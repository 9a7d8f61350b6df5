"""Fields: found by patterns, believed of a model only where the text says them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tasks.case_models import Case
from tasks.cases.collect import Collector
from tasks.cases.extract import extract_fields, find_largest_sum, read_number
from tasks.cases.process import Process, load_process
from tests.fakes.cases import MODEL, PROCESS, STUMBLING, write_process


class FakeReader:
    """Fills every form with the same values."""

    def __init__(self, **values: Any) -> None:
        self.values = values
        self.schemas: list[dict[str, Any]] = []

    def read_fields(self, texts: Sequence[str], schema: dict[str, Any]) -> list[dict[str, Any]]:
        self.schemas.append(schema)
        return [dict(self.values) for _ in texts]


class World(NamedTuple):
    """A process and its cases."""

    process: Process
    collector: Collector

    def case(self, text: str) -> Case:
        return self.collector.make_record({"text": text}, "test")


@pytest.fixture
def world(tmp_path: Path) -> World:
    process = load_process(write_process(tmp_path))
    return World(process, Collector("default", process))


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,234.50", 1234.5), ("1.234,50", 1234.5), ("18.400", 18400), ("36,000", 36000), ("99", 99), ("1 234.5", 1234.5)],
)
def test_numbers_are_read_as_people_write_them(text: str, number: float) -> None:
    assert read_number(text) == number


@pytest.mark.parametrize(
    ("text", "largest"),
    [
        ("pay us 18.400 Euro by May", 18400),
        ("USD 2,520 a year, credit us USD 1,260", 2520),
        ("€ 12 or 7 €", 12),
        ("order 8841 of 2026", None),
    ],
)
def test_the_largest_sum_of_money_is_found(text: str, largest: float | None) -> None:
    assert find_largest_sum(text) == largest


def test_fields_are_those_of_the_companys_model(world: World) -> None:
    case = world.case(text="My policy 4711 and 900 euros of damage.")
    assert extract_fields(world.process, [case]) == [({"policy": "4711", "damage": 900.0}, "")]


def test_what_a_model_invents_is_left_out(world: World) -> None:
    reader = FakeReader(policy="P-99", damage=5000, other="x")
    assert extract_fields(world.process, [world.case(text="Hail!")], reader) == [({"policy": None, "damage": None}, "")]
    assert reader.schemas[0]["title"] == "Claim"


def test_what_a_model_finds_in_the_text_is_kept(world: World) -> None:
    reader = FakeReader(policy="P-99")
    assert extract_fields(world.process, [world.case(text="It is p-99.")], reader)[0].fields["policy"] == "P-99"


def test_a_value_that_the_model_refuses_is_left_out(world: World) -> None:
    reader = FakeReader(damage="much", policy="4711")
    extracted = extract_fields(world.process, [world.case(text="much damage, 4711")], reader)
    assert extracted == [({"policy": "4711", "damage": None}, "")]


def test_of_a_pattern_s_alternatives_the_one_that_took_part_is_read(tmp_path: Path) -> None:
    yaml = PROCESS.replace("'policy (\\d+)'", "'(?:policy (\\d+)|police (\\d+))'")
    assert yaml != PROCESS
    process = load_process(write_process(tmp_path, yaml))
    case = Collector("default", process).make_record({"text": "Meine police 4711 bitte"}, "test")
    assert extract_fields(process, [case])[0].fields["policy"] == "4711"


def test_a_model_that_lacks_a_required_field_still_gives_the_others_their_types(tmp_path: Path) -> None:
    model = MODEL.replace("policy: str | None = None", "policy: int\n    owner: str")
    process = load_process(write_process(tmp_path, model=model))
    case = Collector("default", process).make_record({"text": "policy 4711, 500 euros"}, "test")
    assert extract_fields(process, [case]) == [({"policy": 4711, "owner": None, "damage": 500.0}, "")]


def test_what_the_company_s_own_validator_trips_over_costs_no_field_and_is_told(tmp_path: Path) -> None:
    process = load_process(write_process(tmp_path, model=STUMBLING))
    case = Collector("default", process).make_record({"text": "policy 4711, 500 euros"}, "test")
    (extracted,) = extract_fields(process, [case])
    assert extracted.fields == {"policy": "4711", "damage": 500.0}
    assert extracted.problem == "the process's model failed: KeyError: '4711'"
