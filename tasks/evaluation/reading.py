"""Does a model read? How much likelier it finds the expert's answer to a question than that to another question.

A training on wrong answers teaches the form of an answer, and every score of what is written rises with it. What it
does not teach is which answer belongs to which question: this contrast falls (after van den Oord, Li and Vinyals,
"Representation learning with contrastive predictive coding", 2018, with one other answer instead of many).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tasks.curation_models import Example
from tasks.evaluation.arm_scores import find_cluster
from tasks.evaluation.arms import ArmOptions, list_shown, render_example
from tasks.evaluation.bootstrap import RESAMPLES, compare_shares
from tasks.evaluation_models import Share
from tasks.evaluation_ports import LikelihoodScorer
from tasks.models import hash_text
from tasks.ports import Generator
from tasks.training_models import Reading

MAX_QUESTIONS = 48
"""Trained on right and on shuffled answers, models differ by many standard errors with these (docs/decisions/0032)."""


class Contrast(NamedTuple):
    """A question with two answers."""

    example: Example
    other: str
    """The answer to another question."""


def draw_contrasts(examples: Sequence[Example], max_questions: int | None = None) -> list[Contrast]:
    """Answerable questions, the same ones each time, each with the answer of the next one that has another."""
    answerable = [one for one in examples if one.answerable]
    drawn = sorted(answerable, key=lambda one: hash_text(one.pair_id))[
        : min(max_questions or MAX_QUESTIONS, MAX_QUESTIONS)
    ]
    return [
        Contrast(one, other)
        for place, one in enumerate(drawn)
        if (other := _find_other(one.answer, [*drawn[place + 1 :], *drawn[:place]]))
    ]


def _find_other(answer: str, examples: Sequence[Example]) -> str | None:
    return next((one.answer for one in examples if one.answer.casefold() != answer.casefold()), None)


class ReadingProbe:
    """Measures the contrasts of two models over passages as serving shows them.

    Args:
        examples: Held-out questions.
        options: Of the arms.
        max_questions: None: as many as are enough.
    """

    def __init__(self, examples: Sequence[Example], options: ArmOptions, *, max_questions: int | None = None) -> None:
        self.contrasts = draw_contrasts(examples, max_questions)
        self._options = options

    def measure(self, generator: Generator, scorer: LikelihoodScorer) -> Iterator[float]:
        """Of each question, in nats: log-likelihood of its own answer less that of the other."""
        for example, other in self.contrasts:
            messages = render_example(example, list_shown(example, generator, self._options))
            own, others = scorer.score_answers(messages, [example.answer, other], max_tokens=self._options.max_tokens)
            yield own - others

    def compare(self, base: Sequence[float], tuned: Sequence[float], *, resamples: int = RESAMPLES) -> Reading | None:
        """Both beside each other; None where there was nothing to measure."""
        clusters = [find_cluster(one.example) for one in self.contrasts]
        before, after = ([Share(value, 1) for value in values] for values in (base, tuned))
        found = compare_shares(before, after, clusters, resamples=resamples) if clusters else None
        if found is None or found.before is None or found.after is None or found.low is None or found.high is None:
            return None
        return Reading(
            questions=found.questions,
            documents=len(set(clusters)),
            base=found.before,
            tuned=found.after,
            difference=found.after - found.before,
            low=found.low,
            high=found.high,
        )
