"""Conditions of the company's rules."""

from __future__ import annotations

import pytest

from tasks.cases.decide import condition_holds


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ("> 1000", "25000.0", True),
        ("> 1000", "7", False),
        (">= 1000", 1000, True),
        ("not > 1000", "25000.0", False),
        ("> 1000", "many", False),
        ("> 1000", ["25000"], False),
        ("> 1000", None, False),
    ],
)
def test_a_number_that_json_writes_as_a_text_is_compared_as_one(condition: str, value: object, *, holds: bool) -> None:
    assert condition_holds(condition, value) is holds
