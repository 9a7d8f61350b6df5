"""A question that asks several things is answered part by part."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.answer_models import Answer, Question, Silence
from tasks.answering.answer import answer_questions
from tasks.answering.parts import split_question
from tests.fakes.passage_reader import FakePassageReader
from tests.fakes.searcher import FakeSearcher

SEAL = "What does the seal cost?"
DELIVERY = "How long does delivery take?"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("What does the seal cost?", ["What does the seal cost?"]),
        ("What does the seal cost and how long is delivery?", ["What does the seal cost?", "how long is delivery?"]),
        (
            "Was kostet die Dichtung, und wann kommt sie an?",
            ["Was kostet die Dichtung?", "wann kommt sie an (Dichtung)?"],
        ),
        ("What does the D120 weigh and what does it cost?", ["What does the D120 weigh?", "what does it cost (D120)?"]),
        (f"{SEAL} {DELIVERY}", [SEAL, DELIVERY]),
        (f"Our pump leaks. {SEAL} {DELIVERY}", [f"Our pump leaks. {SEAL}", f"Our pump leaks. {DELIVERY}"]),
        ("Where and when does the training take place?", ["Where and when does the training take place?"]),
        ("How long is it now, and how long was it before?", ["How long is it now, and how long was it before?"]),
        ("Which oil and filter does it need?", ["Which oil and filter does it need?"]),
        ("", [""]),
    ],
)
def test_parts_are_told_where_there_are_some(text: str, parts: list[str]) -> None:
    assert split_question(text) == parts


@given(st.text())
def test_any_text_has_at_least_one_part_and_not_many(text: str) -> None:
    assert 1 <= len(split_question(text)) <= 4


def test_a_pasted_document_is_not_searched_for_parts() -> None:
    text = "what is a and how is b? " * 5000
    started = time.perf_counter()
    assert split_question(text) == [text]
    assert time.perf_counter() - started < 0.1


def ask(*found: str) -> Answer:
    """Both questions in one; `found` are those that a document answers."""
    reader = FakePassageReader()
    passages = {
        SEAL: reader.add_document("prices.md", ["The seal costs 14 euros."], title="Prices"),
        DELIVERY: reader.add_document("delivery.md", ["Delivery takes 3 days."], title="Delivery"),
    }
    searcher = FakeSearcher({question: passages[question] for question in found})
    (answer,) = answer_questions([Question(text=f"{SEAL} {DELIVERY}", id="q1")], searcher=searcher, reader=reader)
    return answer


def test_each_part_is_answered_from_its_own_document() -> None:
    answer = ask(SEAL, DELIVERY)
    assert answer.text == "The seal costs 14 euros. [1]\nDelivery takes 3 days. [2]"
    assert [citation.number for citation in answer.citations] == [1, 2]
    assert [citation.title for citation in answer.citations] == ["Prices", "Delivery"]
    assert (answer.question, answer.id, answer.mode) == (f"{SEAL} {DELIVERY}", "q1", "extractive")
    assert len(answer.sources) == 2


def test_a_part_without_an_answer_says_so() -> None:
    answer = ask(SEAL)
    assert answer.text == f"The seal costs 14 euros. [1]\n{DELIVERY} The passages do not answer this question."
    assert not answer.abstained


def test_where_no_part_has_an_answer_the_whole_is_silent() -> None:
    answer = ask()
    assert (answer.abstained, answer.reason, answer.citations) == (True, Silence.NOTHING_FOUND, ())
