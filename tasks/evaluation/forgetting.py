"""What tuning cost of what has nothing to do with the company: general questions without passages, and general text.

The questions and texts are this product's own (`general_questions.jsonl`, `general_texts.jsonl`), English and German.
Every answer is one or two words, so an answer is right when it contains one that is accepted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import NamedTuple

from tasks.answer_models import Message
from tasks.arm_models import ArmAnswer
from tasks.evaluation.arms import ArmOptions, Prompt, ask_prompts, derive_key, read_answers
from tasks.evaluation.bootstrap import RESAMPLES, compare_shares
from tasks.evaluation.texts import contains_answer
from tasks.evaluation_models import Share
from tasks.evaluation_ports import ArmStore, LikelihoodScorer
from tasks.models import Noun, hash_text
from tasks.ports import Generator
from tasks.training_models import Forgetting

MAX_TOKENS = 32
_INSTRUCTION = {"en": "Answer briefly, in English.", "de": "Antworte kurz, auf Deutsch."}


class GeneralQuestion(Noun):
    """A question that anyone may be asked."""

    id: str
    language: str
    question: str
    answers: tuple[str, ...]


class Probed(NamedTuple):
    """One model under the probe."""

    generator: Generator
    likelihood: LikelihoodScorer


def read_questions(max_questions: int | None = None) -> list[GeneralQuestion]:
    """The probe's questions: all, or as many as wanted, the same ones each time."""
    lines = _read_lines("general_questions.jsonl")
    found = [GeneralQuestion.model_validate_json(line) for line in lines]
    return sorted(found, key=lambda one: hash_text(one.id))[:max_questions]


def read_texts() -> list[str]:
    """The general texts."""
    return [str(json.loads(line)["text"]) for line in _read_lines("general_texts.jsonl")]


class ForgettingProbe:
    """Asks two models the same general questions; answers are stored as those of the arms are.

    Args:
        store: Keeps answers.
        tenant: Whose evaluation it is.
        max_questions: None: all of them.
    """

    def __init__(self, store: ArmStore, tenant: str, *, max_questions: int | None = None) -> None:
        self._store = store
        self._options = ArmOptions(tenant, passages=0, max_tokens=MAX_TOKENS)
        self.questions = read_questions(max_questions)

    def ask(self, generator: Generator) -> Iterator[int]:
        """Ask what is not stored; yields how many answers there are."""
        return ask_prompts(self._plan(generator), generator, self._store, self._options)

    def compare(self, base: Probed, tuned: Probed, *, resamples: int = RESAMPLES) -> Forgetting:
        """The drop from base to tuned, once both were asked."""
        before, after = (
            self._judge(read_answers(self._plan(one.generator), self._store, self._options)) for one in (base, tuned)
        )
        found = compare_shares(after, before, [one.id for one in self.questions], resamples=resamples)
        return Forgetting(
            questions=len(self.questions),
            base=found.after or 0.0,
            tuned=found.before or 0.0,
            drop=found.difference or 0.0,
            low=found.low or 0.0,
            high=found.high or 0.0,
            base_perplexity=measure_perplexity(base.likelihood),
            tuned_perplexity=measure_perplexity(tuned.likelihood),
        )

    def _plan(self, generator: Generator) -> list[Prompt]:
        prompts = []
        for one in self.questions:
            messages = [
                Message(role="system", content=_INSTRUCTION[one.language]),
                Message(role="user", content=one.question),
            ]
            prompts.append(Prompt(derive_key(one.id, messages, generator, self._options), one.id, messages))
        return prompts

    def _judge(self, answers: Sequence[ArmAnswer]) -> list[Share]:
        pairs = zip(self.questions, answers, strict=True)
        return [Share(float(contains_answer([said.text], one.answers)), 1) for one, said in pairs]


def measure_perplexity(scorer: LikelihoodScorer) -> float:
    """Of the general texts: e to the mean negative log-likelihood of a token."""
    scored = scorer.score(read_texts())
    return round(math.exp(math.fsum(loss for loss, _ in scored) / sum(count for _, count in scored)), 6)


def _read_lines(name: str) -> list[str]:
    return files("tasks.evaluation").joinpath(name).read_text(encoding="utf-8").splitlines()
