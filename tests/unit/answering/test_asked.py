"""Kinds of values that questions ask for, and texts that hold one."""

from __future__ import annotations

import pytest

from tasks.answering.asked import find_asked, hold_asked


@pytest.mark.parametrize(
    ("question", "holding", "other"),
    [
        ("How much does a Kontor C4 cost?", "The C4 is sold at EUR 1,240.", "The C4 is sold until December 2027."),
        ("Was kostet die Abnahme im Werk?", "Sie kostet 380 Euro pauschal.", "Sie dauert 3 Stunden."),
        ("What is the daily parking fee?", "Visitors pay 4 dollars a day.", "Park on level 2, below the poles."),
        ("Wie hoch ist das Gehalt einer Technikerin?", "Sie verdient 51.500 EUR.", "Sie arbeitet 38 Stunden."),
        ("How many days of leave do I get?", "Everyone gets six weeks.", "Everyone gets EUR 300."),
        ("Wie viele Arbeitstage vorher?", "Mindestens 10 Arbeitstage vorher.", "Mindestens 2 Personen."),
        ("How long does the check take?", "It takes two hours.", "It costs 96 USD."),
        ("How long is the hose?", "The hose measures 2.5 m.", "The hose weighs 2 kg."),
        ("Bis wann muss ich mich melden?", "Bis zum 30. April.", "Bei Raum 12."),
        ("When was the market opened?", "It was opened in 1835.", "It was opened by 300 guests."),
        ("When is the report due?", "Within five days.", "By the works council."),
        ("How often is the guard tested?", "It is tested monthly.", "It is tested by two people."),
        ("What share of the calls, in percent?", "We reached 81 percent.", "We reached 210 km."),
        ("Ab welchem Wert wird abgelehnt?", "Unter 50 mV wird abgelehnt.", "Unter Umständen wird abgelehnt."),
        ("By how much did pay go up?", "It rose by 3.1 percent.", "It rose on 1 April 2026."),
        ("How many machines can one box look after?", "The limit is 48 machines.", "See hall GD-010."),
    ],
)
def test_a_text_holds_what_is_asked_for(question: str, holding: str, other: str) -> None:
    asked = find_asked(question)
    assert asked is not None
    assert hold_asked(holding, "", asked) > 0
    assert hold_asked(other, "", asked) == 0


@pytest.mark.parametrize(
    "question",
    [
        "Why was pump 3 under-dosing?",
        "Who covers breakdowns in Texas?",
        "Welche Farbe hat das Gehäuse?",
        "Does the app work when Bluetooth is off?",
        "What happens when a number is multiplied by p?",
        "",
        "what " * 20_000,
    ],
)
def test_other_questions_are_left_open(question: str) -> None:
    assert find_asked(question) is None


def test_what_the_question_says_itself_is_no_answer_to_it() -> None:
    asked = find_asked("How many litres an hour does the Orbita 100 deliver, 5 or more?")
    assert asked
    assert hold_asked("The 5 of the Orbita 100.", "", asked) == 0


def test_a_bare_number_is_meant_in_the_unit_of_its_column() -> None:
    asked = find_asked("What is the fee for the hose course?")
    assert asked
    assert hold_asked("T3 Hose change 340", "Courses > Course Fee EUR", asked) == 1
    assert hold_asked("T3 Hose change 340", "Courses > Course Seats", asked) == 0


def test_a_bare_number_is_a_weaker_answer_than_one_with_a_unit() -> None:
    asked = find_asked("How high may the pressure be?")
    assert asked
    assert hold_asked("At most 16 bar.", "", asked) > hold_asked("Waste key 13 02 05.", "", asked) > 0
