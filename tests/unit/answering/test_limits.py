"""What a question may cost and how long it may take: passages are left out, writing ends, documents are quoted."""

from __future__ import annotations

import pytest

from tasks.answer_models import Answer, Question
from tasks.answering.answer import AnswerOptions, answer_questions
from tests.fakes.generator import FakeGenerator
from tests.fakes.passage_reader import FakePassageReader
from tests.fakes.searcher import FakeSearcher

HOW_MANY = "How many days of annual leave do I get?"
LEAVE = "Everyone gets 30 days of annual leave."
FILLER = "Trains are booked in second class, and flights need the approval of the manager in writing. " * 3
SAID = "You get 30 days of annual leave [1]."
OPTIONS = AnswerOptions(max_tokens=20)


def ask(generator: FakeGenerator, *questions: Question) -> list[Answer]:
    reader = FakePassageReader()
    passages = [*reader.add_document("leave.md", [LEAVE]), *reader.add_document("travel.md", [FILLER, FILLER + "Ja."])]
    searcher = FakeSearcher({question.text: passages for question in questions})
    return answer_questions(list(questions), searcher=searcher, reader=reader, generator=generator, options=OPTIONS)


def asked(**limits: float | None) -> Question:
    return Question.model_validate({"text": HOW_MANY, **limits})


def cost(answer: Answer) -> int:
    return answer.prompt_tokens + answer.completion_tokens


def test_a_budget_leaves_passages_out_and_is_never_exceeded() -> None:
    generator = FakeGenerator(SAID)
    (unlimited,) = ask(generator, asked())
    most = cost(unlimited) + OPTIONS.max_tokens + 64
    modes = set()
    for budget in range(1, most + 1, 7):
        (answer,) = ask(generator, asked(token_budget=budget))
        modes.add((answer.mode, cost(answer) < cost(unlimited)))
        assert cost(answer) <= budget
        assert "30 days" in answer.text
    assert modes == {("extractive", True), ("generated", True), ("generated", False)}


def test_questions_of_one_batch_have_budgets_of_their_own() -> None:
    generator = FakeGenerator(SAID)
    poor, rich = ask(generator, asked(token_budget=30), asked())
    assert (poor.mode, cost(poor)) == ("extractive", 0)
    assert rich.mode == "generated"
    assert len(generator.prompts) == 1


def test_the_parts_of_a_question_share_its_budget() -> None:
    generator = FakeGenerator(SAID)
    both = Question(text="How many days of annual leave do I get? When are trains booked?", token_budget=400)
    (answer,) = ask(generator, both)
    assert cost(answer) <= 400


def test_the_generator_gets_what_time_is_left_and_neighbours_theirs() -> None:
    generator = FakeGenerator(SAID)
    answers = ask(generator, asked(within_seconds=100), asked())
    limited, unlimited = generator.within_seconds
    assert limited == pytest.approx(80, abs=8)
    assert unlimited is None
    assert [answer.mode for answer in answers] == ["generated"] * 2


def test_without_time_nothing_is_generated_and_documents_are_quoted() -> None:
    generator = FakeGenerator(SAID)
    late, other = ask(generator, asked(within_seconds=1e-9), asked())
    assert (late.mode, late.completion_tokens) == ("extractive", 0)
    assert "30 days" in late.text
    assert other.mode == "generated"
    assert len(generator.prompts) == 1
