"""Asks a dataset's held-out questions in an arm: the frozen passages as serving shows them, or none.

The dataset alone decides what is shown, never today's index, so that a result can be repeated. Answers are kept by
everything that decides them (the model, the prompt's bytes, the longest answer): a killed evaluation goes on where it
stopped, and the arms of the base model are asked once however many adapters are judged.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from tasks.answer_models import Generation, Message
from tasks.arm_models import ArmAnswer
from tasks.curation_models import Example, FrozenPassage
from tasks.evaluation_ports import ArmStore
from tasks.models import derive_id, hash_text
from tasks.ports import Generator
from tasks.prompting import PROMPT_VERSION, ContextPassage, render_messages

logger = logging.getLogger(__name__)

BATCH = 32
"""Prompts generated between two commits."""
_TEMPLATE_TOKENS = 64
"""More than any chat template we know adds around two messages."""


class ArmOptions(NamedTuple):
    """What decides the prompts and answers of an arm, besides its model."""

    tenant: str
    passages: int
    """Shown with each question, as serving shows them."""
    max_tokens: int
    """Longest answer."""


class Prompt(NamedTuple):
    """One question as an arm asks it."""

    key: str
    pair_id: str
    messages: list[Message]


def sample_examples(examples: Sequence[Example], max_questions: int | None) -> list[Example]:
    """The examples asked: all, or as many as wanted, the same ones each time, in order of pair_id."""
    drawn = sorted(examples, key=lambda one: hash_text(one.pair_id))[:max_questions]
    return sorted(drawn, key=lambda one: one.pair_id)


def list_shown(example: Example, generator: Generator, options: ArmOptions) -> list[FrozenPassage]:
    """The passages that an arm with retrieval shows: those found, the best first, no more than serving shows.

    A passage that only holds the quoted span and was not found is not shown. The last ones stay out while the prompt
    and its answer exceed the model's context.
    """
    found = sorted((one for one in example.passages if one.rank is not None), key=lambda one: one.rank or 0)
    shown = found[: options.passages]
    room = generator.context_tokens - options.max_tokens - _TEMPLATE_TOKENS
    while shown and sum(generator.count_tokens([m.content for m in render_example(example, shown)])) > room:
        shown.pop()
    return shown


def render_example(example: Example, shown: Sequence[FrozenPassage]) -> list[Message]:
    """The prompt for an example, byte for byte what serving sends for the same passages."""
    return render_messages(example.question, [_to_context(one) for one in shown], language=example.language)


def plan_prompts(
    examples: Sequence[Example], generator: Generator, options: ArmOptions, *, with_passages: bool
) -> list[Prompt]:
    """One prompt an example, in their order."""
    prompts = []
    for example in examples:
        shown = list_shown(example, generator, options) if with_passages else []
        messages = render_example(example, shown)
        prompts.append(Prompt(derive_key(example.pair_id, messages, generator, options), example.pair_id, messages))
    return prompts


def derive_key(pair_id: str, messages: Sequence[Message], generator: Generator, options: ArmOptions) -> str:
    """The id of an answer: everything that decides it."""
    rendered = "\x1e".join(f"{one.role}\x1f{one.content}" for one in messages)
    facts = (options.tenant, pair_id, generator.identity, PROMPT_VERSION, str(options.max_tokens), hash_text(rendered))
    return derive_id("arm-answer", *facts)


def ask_prompts(
    prompts: Sequence[Prompt], generator: Generator, store: ArmStore, options: ArmOptions, *, batch: int = BATCH
) -> Iterator[int]:
    """Generate what is not stored; each batch is one commit.

    Batches hold prompts of similar length, so that little is padded, the longest first, so that a full memory shows
    at once.

    Yields:
        How many answers are stored: first those of before, then after each batch.
    """
    known = store.read_answers(options.tenant, [one.key for one in prompts])
    waiting = [one for one in prompts if one.key not in known]
    waiting.sort(key=lambda one: -sum(len(message.content) for message in one.messages))
    done = len(prompts) - len(waiting)
    yield done
    for start in range(0, len(waiting), batch):
        part = waiting[start : start + batch]
        started = time.perf_counter()
        said = generator.generate([one.messages for one in part], max_tokens=options.max_tokens)
        seconds = (time.perf_counter() - started) / len(part)
        store.write_answers(options.tenant, [_keep(*both, seconds) for both in zip(part, said, strict=True)])
        done += len(part)
        logger.info("arm committed generator=%s done=%s of=%s", generator.identity, done, len(prompts))
        yield done


def read_answers(prompts: Sequence[Prompt], store: ArmStore, options: ArmOptions) -> list[ArmAnswer]:
    """The stored answers, in the order of their prompts."""
    known = store.read_answers(options.tenant, [one.key for one in prompts])
    return [known[one.key] for one in prompts]


def _keep(prompt: Prompt, said: Generation, seconds: float) -> ArmAnswer:
    return ArmAnswer(
        answer_key=prompt.key,
        pair_id=prompt.pair_id,
        text=said.text,
        prompt_tokens=said.prompt_tokens,
        completion_tokens=said.completion_tokens,
        seconds=seconds,
    )


def _to_context(passage: FrozenPassage) -> ContextPassage:
    modified = date.fromisoformat(passage.modified[:10]) if passage.modified else None
    return ContextPassage(title=passage.title, heading_path=passage.heading_path, modified=modified, text=passage.text)
