"""Examples in the base model's tokens, none of them too long, and the order in which they are learnt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tasks.curation_models import Example
from tasks.errors import DatasetRejected
from tasks.training.chance import open_random
from tasks.training.examples import TrainingExample, drop_distractor, make_examples
from tasks.training_models import TrainingConfig
from tasks.training_ports import EncodedExample, SentenceSplitter, TrainingBase

_POOL_STEPS = 16
"""Examples of so many steps are sorted by length together: nearly no padding, and still a random order."""


class EncodedSplit(NamedTuple):
    """A split in tokens."""

    examples: tuple[EncodedExample, ...]
    left_out: int
    """Too long even without distractors."""
    kinds: dict[str, int]


def encode_split(
    examples: Sequence[Example], base: TrainingBase, config: TrainingConfig, split_sentences: SentenceSplitter
) -> EncodedSplit:
    """Everything of a split that fits: what is too long loses distractors first, then stays out.

    Raises:
        ConfigurationError: The base model's tokenizer has no chat template.
    """
    answers = {one.pair_id: one.answer for one in examples}
    limit = min(config.max_example_tokens, base.context_tokens)
    kinds: Counter[str] = Counter()
    kept = []
    for one in make_examples(examples, config, split_sentences):
        shorter: TrainingExample | None = one
        while shorter and len((encoded := _encode(shorter, base)).tokens) > limit:
            shorter = drop_distractor(shorter, answers, split_sentences)
        if shorter:
            kept.append(encoded)
            kinds[shorter.kind] += 1
    return EncodedSplit(tuple(kept), len(examples) - len(kept), {str(kind): count for kind, count in kinds.items()})


def _encode(example: TrainingExample, base: TrainingBase) -> EncodedExample:
    prompt, answer = base.encode_prompt(example.messages), base.encode_answer(example.answer)
    return EncodedExample(example.pair_id, (*prompt, *answer), len(answer))


def take_tokens(examples: Sequence[EncodedExample], most_tokens: int) -> tuple[EncodedExample, ...]:
    """As many examples as fit, in an order drawn from their names; one where there are any."""
    taken: list[EncodedExample] = []
    tokens = 0
    for one in sorted(examples, key=lambda one: open_random("validation", one.pair_id).random()):
        tokens += len(one.tokens)
        if taken and tokens > most_tokens:
            break
        taken.append(one)
    return tuple(taken)


def order_examples(examples: Sequence[EncodedExample], config: TrainingConfig) -> list[int]:
    """Places of the examples over all epochs, `batch_examples` a step, those of a step of similar length.

    Every epoch has another order; the seed decides it. It ends before the example that would exceed `max_tokens`.

    Raises:
        DatasetRejected: Nothing is left.
    """
    wanted = max(1, round(config.epochs * len(examples))) if examples else 0
    order: list[int] = []
    tokens = 0
    for place in _run_epochs(len(examples), wanted, config.seed):
        tokens += len(examples[place].tokens)
        if config.max_tokens is not None and tokens > config.max_tokens:
            break
        order.append(place)
    if not order:
        raise DatasetRejected(
            "no example is short enough to be trained on",
            advice="raise max_example_tokens or max_tokens, or shorten answers",
        )
    return _bucket(order, examples, config)


def _run_epochs(count: int, wanted: int, seed: int) -> Iterator[int]:
    epoch = 0
    while wanted > 0:
        places = list(range(count))
        open_random("epoch", seed, epoch).shuffle(places)
        yield from places[:wanted]
        wanted -= count
        epoch += 1


def _bucket(order: Sequence[int], examples: Sequence[EncodedExample], config: TrainingConfig) -> list[int]:
    """Sort pools of the order by length, cut them into steps, shuffle the steps; a step that is not full comes last."""
    batch = config.batch_examples
    full: list[list[int]] = []
    rest: list[int] = []
    for start in range(0, len(order), _POOL_STEPS * batch):
        pool = sorted(order[start : start + _POOL_STEPS * batch], key=lambda place: len(examples[place].tokens))
        steps = [pool[at : at + batch] for at in range(0, len(pool), batch)]
        if len(steps[-1]) < batch:
            rest = steps.pop()
        open_random("steps", config.seed, start).shuffle(steps)
        full += steps
    return [place for step in [*full, rest] for place in step]
