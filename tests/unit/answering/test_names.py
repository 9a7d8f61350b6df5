"""What counts as a name, in two languages."""

from __future__ import annotations

import pytest

from tasks.answering.names import find_names, learn_names


@pytest.mark.parametrize(
    ("text", "language", "names"),
    [
        ("The owner is Priya Natarajan.", "en", {"priya", "natarajan"}),
        ("Priya Natarajan owns it.", "en", {"priya", "natarajan"}),
        ("Pumps are sold in Ohio on Monday in May.", "en", {"ohio"}),
        ("CloudLux is full.", "en", {"cloudlux"}),
        ("Gold is heavy.", "en", set()),
        ("Die Vorsitzende Ilona Petersen leitet die Sitzung.", "de", {"ilona", "petersen"}),
        ("Das Unternehmen zahlt die Kosten.", "de", set()),
        ("Verdeckte Mängel melden.", "de", set()),
        ("Die Lieferung in 30 Tagen um 12 Uhr Ware.", "de", set()),
    ],
)
def test_names_are_told_by_capitals_and_neighbours(text: str, language: str, names: set[str]) -> None:
    assert find_names(text, language=language) == names


def test_what_the_passages_call_a_name_is_one_at_the_start_of_a_sentence_and_alone() -> None:
    known = learn_names(["Das Werk Hameln liegt an der Weser."], language="de")
    assert find_names("Gerichtsstand ist Hameln.", language="de", known=known) == {"hameln"}


def test_what_is_also_written_small_is_no_name() -> None:
    assert learn_names(["Press the Red Button.", "The button is red."], language="en") == frozenset()
