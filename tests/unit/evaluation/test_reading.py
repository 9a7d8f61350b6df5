"""Whether a model ties answers to their questions: contrasts of a question's own answer with another's."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tasks.answer_models import Message
from tasks.evaluation.arms import ArmOptions
from tasks.evaluation.reading import MAX_QUESTIONS, ReadingProbe, draw_contrasts
from tests.fakes.arms import FakeLikelihood, make_example
from tests.fakes.generator import FakeGenerator

OPTIONS = ArmOptions("default", passages=2, max_tokens=96)
EXAMPLES = [make_example(n) for n in range(60)] + [make_example(n, answerable=False) for n in range(60, 80)]


class Confused(FakeLikelihood):
    """Finds what the passages do not say as likely as what they say."""

    def score_answers(self, messages: Sequence[Message], answers: Sequence[str], *, max_tokens: int) -> list[float]:
        return [-10.0 for _ in answers]


def test_the_same_answerable_questions_are_drawn_each_time_each_with_an_answer_to_another() -> None:
    drawn = draw_contrasts(EXAMPLES)
    assert drawn == draw_contrasts(EXAMPLES[::-1])
    assert len(drawn) == MAX_QUESTIONS
    known = {one.answer for one in EXAMPLES if one.answerable}
    assert all(one.example.answerable and one.other in known - {one.example.answer} for one in drawn)
    assert len({one.other for one in drawn}) == MAX_QUESTIONS, "each answer stands against one question"
    assert len(draw_contrasts(EXAMPLES, 5)) == 5


def test_answers_that_are_the_same_are_no_contrast() -> None:
    same = [make_example(n, answer="Yes.") for n in range(3)]
    assert draw_contrasts(same) == []
    assert [one.other for one in draw_contrasts([*same, make_example(9, answer="No.")]) if one.example in same] == [
        "No."
    ] * 3


def test_a_model_that_reads_finds_what_is_shown_likelier() -> None:
    probe, generator = ReadingProbe(EXAMPLES, OPTIONS), FakeGenerator(str)
    reads, confused = (list(probe.measure(generator, one)) for one in (FakeLikelihood(2.0), Confused(2.0)))
    assert set(reads) == {10.0}, "five words that are not shown, two nats each"
    assert set(confused) == {0.0}
    found = probe.compare(reads, confused, resamples=100)
    assert found is not None
    assert (found.questions, found.documents) == (MAX_QUESTIONS, MAX_QUESTIONS)
    assert (found.base, found.tuned, found.difference, found.low, found.high) == (10, 0, -10, -10, -10)


@pytest.mark.parametrize("examples", [[], EXAMPLES[:1], EXAMPLES[60:]])
def test_without_two_answers_nothing_is_measured(examples: list[object]) -> None:
    probe = ReadingProbe(examples, OPTIONS)  # type: ignore[arg-type]
    assert probe.compare([], []) is None
