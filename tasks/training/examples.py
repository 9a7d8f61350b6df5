"""A dataset's examples become what the model is trained on: rendered as serving renders, by `tasks/prompting.py` alone.

After RAFT (arXiv 2403.10131, section 3): most examples show the passage that holds the answer among distractors, some
do not; here most of the latter, and pairs that nothing answers, teach the refusal. Everything that is drawn is drawn
from the pair's id and the seed, so that one pair more or less changes nothing about the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from tasks.answer_models import Message
from tasks.curation_models import Example, FrozenPassage
from tasks.prompting import REFUSAL, ContextPassage, choose_language, render_messages
from tasks.training.chance import open_random
from tasks.training.marks import add_marks
from tasks.training_models import TrainingConfig
from tasks.training_ports import SentenceSplitter


class Kind(StrEnum):
    """What an example teaches."""

    GOLD = "gold shown"
    WITHHELD = "gold withheld"
    REFUSAL = "refusal"


class TrainingExample(NamedTuple):
    """What the model reads and what it is to write."""

    pair_id: str
    kind: Kind
    question: str
    language: str
    shown: tuple[FrozenPassage, ...]
    answer: str

    @property
    def messages(self) -> list[Message]:
        """The prompt, byte for byte what serving sends for the same passages."""
        return render_messages(self.question, [to_context(one) for one in self.shown], language=self.language)


def make_examples(
    examples: Sequence[Example], config: TrainingConfig, split_sentences: SentenceSplitter
) -> list[TrainingExample]:
    """One training example a pair, in the order given.

    Args:
        examples: Of one split.
        config: Shares, passages and the seed.
        split_sentences: What is one claim, for the marks.
    """
    kinds = choose_kinds(examples, config)
    return [render_example(one, kinds[one.pair_id], config, split_sentences) for one in examples]


def choose_kinds(examples: Sequence[Example], config: TrainingConfig) -> dict[str, Kind]:
    """What each pair teaches, so that the shares are met as nearly as whole numbers allow."""
    kinds = {one.pair_id: Kind.REFUSAL for one in examples if not one.answerable}
    missing = math.ceil(config.unanswerable_share * len(examples)) - len(kinds)
    drawn = sorted(
        (one for one in examples if one.answerable),
        key=lambda one: open_random("kind", config.seed, one.pair_id).random(),
    )
    # A pair whose quoted passage was not frozen cannot show it.
    drawn.sort(key=lambda one: any(passage.gold for passage in one.passages))
    hidden = len(drawn) - round(config.gold_share * len(drawn))
    for place, one in enumerate(drawn):
        if place < missing:
            kinds[one.pair_id] = Kind.REFUSAL
        else:
            kinds[one.pair_id] = Kind.WITHHELD if place < hidden or not _has_gold(one) else Kind.GOLD
    return kinds


def _has_gold(example: Example) -> bool:
    return any(passage.gold for passage in example.passages)


def render_example(
    example: Example, kind: Kind, config: TrainingConfig, split_sentences: SentenceSplitter
) -> TrainingExample:
    """The passages that are shown, shuffled, and the answer with marks that name them."""
    gold = [one for one in example.passages if one.gold] if kind is Kind.GOLD else []
    others = [one for one in example.passages if not one.gold]
    # At least one distractor where there is room: an answer must be found among others.
    most_gold = max(1, config.passages - 1)
    shown = [*gold[:most_gold], *others][: config.passages]
    open_random("order", config.seed, example.pair_id).shuffle(shown)
    if kind is Kind.REFUSAL:
        answer = REFUSAL[choose_language(example.language)]
    else:
        marks = {number: one.text for number, one in enumerate(shown, start=1) if one.gold}
        answer = add_marks(example.answer, marks, split_sentences)
    return TrainingExample(example.pair_id, kind, example.question, example.language, tuple(shown), answer)


def drop_distractor(
    example: TrainingExample, answers: Mapping[str, str], split_sentences: SentenceSplitter
) -> TrainingExample | None:
    """The example without its least likely distractor; None when there is none left to drop.

    Args:
        example: One that is too long.
        answers: The pairs' answers without marks, by pair_id: the marks are made anew.
    """
    places = [place for place, one in enumerate(example.shown) if not one.gold]
    if not places:
        return None
    worst = max(places, key=lambda place: (example.shown[place].rank or math.inf, place))
    shown = tuple(one for place, one in enumerate(example.shown) if place != worst)
    if example.kind is Kind.REFUSAL:
        return example._replace(shown=shown)
    marks = {number: one.text for number, one in enumerate(shown, start=1) if one.gold}
    return example._replace(shown=shown, answer=add_marks(answers[example.pair_id], marks, split_sentences))


def to_context(passage: FrozenPassage) -> ContextPassage:
    """A frozen passage as serving shows it."""
    return ContextPassage(
        title=passage.title,
        heading_path=passage.heading_path,
        modified=date.fromisoformat(passage.modified[:10]) if passage.modified else None,
        text=passage.text,
    )
