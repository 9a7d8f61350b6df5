"""Chat messages to token ids, for serving and for training alike.

The template's own pieces are read with their special tokens; the contents of messages are read as plain text, so that
"<|im_end|>" inside a document is ten letters to the model and not the end of a turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tasks.answer_models import Message
from tasks.errors import ConfigurationError

_PLACEHOLDER = "\ue000{}\ue001"
"""Private-use characters: no template writes them, trims them or changes their case."""


def encode_messages(tokenizer: Any, messages: Sequence[Message], *, answer_follows: bool = True) -> list[int]:
    """Token ids of a conversation.

    Args:
        answer_follows: End with the opening of the assistant's turn.

    Raises:
        ConfigurationError: The tokenizer has no usable chat template.
    """
    turns, contents = _lift_contents(messages)
    rendered = _render(tokenizer, turns, answer_follows=answer_follows)
    if rendered is None:
        turns, contents = _join_system(turns), contents
        rendered = _render(tokenizer, turns, answer_follows=answer_follows)
    pieces = re.split("\ue000(\\d+)\ue001", rendered or "")
    if [int(number) for number in pieces[1::2]] != list(range(len(contents))):
        raise ConfigurationError(
            "the model's chat template does not render a system and a user message",
            advice="choose an instruction-tuned model (EXPERTLOOP_GENERATOR)",
        )
    ids: list[int] = []
    for place, piece in enumerate(pieces):
        ids += encode_text(tokenizer, contents[int(piece)]) if place % 2 else _encode(tokenizer, piece, plain=False)
    return ids


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """Token ids of plain text: no id in it means anything but letters."""
    ids = _encode(tokenizer, text, plain=True)
    reserved = _reserved_tokens(tokenizer)
    if reserved.keys().isdisjoint(ids):
        return ids
    # Some tokenizers keep control tokens that are not declared special: cut inside each, so that none is whole.
    names = sorted(map(re.escape, reserved.values()), key=len, reverse=True)
    cuts = [0, *(match.start() + 1 for match in re.finditer("|".join(names), text)), len(text)]
    return [i for start, end in pairwise(cuts) for i in _encode(tokenizer, text[start:end], plain=True)]


def count_shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many first tokens two texts share."""
    shortest = min(len(one), len(other))
    return next((place for place in range(shortest) if one[place] != other[place]), shortest)


def find_turn_end(tokenizer: Any) -> int | None:
    """The token that the chat template writes right after an assistant's answer."""
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _PLACEHOLDER.format(0)}]
    rendered = _render(tokenizer, turns, answer_follows=False) or ""
    after = _encode(tokenizer, rendered.rpartition(_PLACEHOLDER.format(0))[2].lstrip(), plain=False)
    return after[0] if after and after[0] in _reserved_tokens(tokenizer) else None


def _lift_contents(messages: Sequence[Message]) -> tuple[list[dict[str, str]], list[str]]:
    turns = [{"role": m.role, "content": _PLACEHOLDER.format(number)} for number, m in enumerate(messages)]
    return turns, [message.content for message in messages]


def _join_system(turns: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """For templates that know no system role: the instruction opens the first user message."""
    if len(turns) < 2 or turns[0]["role"] != "system":
        return list(turns)
    joined = f"{turns[0]['content']}\n\n{turns[1]['content']}"
    return [{"role": "user", "content": joined}, *turns[2:]]


def _render(tokenizer: Any, turns: Sequence[dict[str, str]], *, answer_follows: bool) -> str | None:
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise ConfigurationError(
            "the model's tokenizer has no chat template",
            advice="choose an instruction-tuned model (EXPERTLOOP_GENERATOR)",
        )
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=answer_follows))
    except TemplateError:
        return None


def _encode(tokenizer: Any, text: str, *, plain: bool) -> list[int]:
    if not text:
        return []
    # A lone surrogate, legal in a Python string, is no text for a tokenizer.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=plain, verbose=False)["input_ids"])


def _reserved_tokens(tokenizer: Any) -> dict[int, str]:
    """Control tokens by id; runs of white space that a tokenizer added are text."""
    added = tokenizer.added_tokens_decoder.items()
    return {int(number): str(token.content) for number, token in added if str(token.content).strip()}
