"""A mail is no question: what it asks is found, and understandable alone."""

from __future__ import annotations

import pytest

from tasks.case_models import Case
from tasks.cases.asking import MOST_QUESTIONS, find_questions


def case(body: str, subject: str = "") -> Case:
    return Case(case_id="1", id="1", process="claims", tenant="default", subject=subject, body=body)


def test_greeting_and_signature_are_no_part_of_a_question() -> None:
    body = "Hello,\n\nhow tight are the bolts of the Orbita 40?\n\nKind regards\nMark?\nMaintenance"
    assert find_questions(case(body)) == ["how tight are the bolts of the Orbita 40?"]


def test_a_question_takes_the_sentence_along_that_names_its_subject() -> None:
    body = "Our Taktor D60 shows E32 and stands still. What does it mean?"
    assert find_questions(case(body)) == ["Our Taktor D60 shows E32 and stands still. What does it mean?"]


def test_a_question_that_names_nothing_takes_the_subject_along() -> None:
    assert find_questions(case("how much is it?", "Handling fee")) == ["Handling fee: how much is it?"]


def test_of_a_question_before_only_its_names_are_taken_along() -> None:
    body = "How loud is a Taktor D480? And the enclosure rating please."
    assert find_questions(case(body)) == ["How loud is a Taktor D480?", "Taktor D480: the enclosure rating please."]


@pytest.mark.parametrize(
    "request_",
    [
        "Please tell me the part number of the D240 kit.",
        "Bitte nennen Sie mir den Preis der D240.",
        "We need the price of a D240.",
    ],
)
def test_requests_are_questions_without_a_mark(request_: str) -> None:
    assert find_questions(case(request_)) == [request_]


def test_two_questions_in_one_sentence_are_two() -> None:
    body = "Wie lange ist die Senta 5 lagerfähig, und in welcher Lösung steht sie?"
    assert find_questions(case(body)) == [
        "Wie lange ist die Senta 5 lagerfähig?",
        "Senta 5: in welcher Lösung steht sie?",
    ]


def test_the_subject_alone_is_a_question_where_the_body_asks_nothing() -> None:
    assert find_questions(case("See the subject.", "Is hail insured?")) == ["Is hail insured?"]
    assert find_questions(case("We are pleased.", "Thanks")) == []


def test_a_mail_of_hundreds_of_questions_asks_a_few() -> None:
    assert len(find_questions(case("Is D60 good? " * 500))) == MOST_QUESTIONS


def test_a_code_takes_the_sentence_along_that_names_the_machine() -> None:
    body = "Our Kontor C4 stopped the loop. What does E32 mean?"
    assert find_questions(case(body)) == ["Our Kontor C4 stopped the loop. What does E32 mean?"]
