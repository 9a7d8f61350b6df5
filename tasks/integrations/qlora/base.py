"""The `TrainingBase` port: a local model's tokens and shape, without its weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.answer_models import Message
from tasks.errors import ArtifactCorrupt
from tasks.integrations.causal_models import find_model, fingerprint_model, load_tokenizer, read_context_tokens
from tasks.integrations.chat_tokens import encode_messages, encode_text, find_turn_end
from tasks.training_models import ModelShape


class TransformersBase:
    """A base model before it is loaded.

    Args:
        model: "smollm2", a folder, or a hub id that is cached or can be downloaded.
        cache: The model cache, for the converted default model.
    """

    def __init__(self, model: str, *, cache: Path) -> None:
        self.folder = find_model(model, cache=cache)

    @cached_property
    def tokenizer(self) -> Any:
        """The model's own."""
        return load_tokenizer(self.folder)

    @cached_property
    def base_hash(self) -> str:
        """A hash over its files."""
        return fingerprint_model(self.folder)

    @cached_property
    def context_tokens(self) -> int:
        """Longest prompt plus answer, from the model's configuration."""
        return read_context_tokens(self.folder)

    @cached_property
    def shape(self) -> ModelShape:
        """Sizes, from the model's configuration."""
        return read_shape(self.folder)

    def encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        """What the generator is given for these messages."""
        return encode_messages(self.tokenizer, messages)

    def encode_answer(self, answer: str) -> list[int]:
        """The assistant's turn, with the token that ends it."""
        end = find_turn_end(self.tokenizer)
        end = self.tokenizer.eos_token_id if end is None else end
        return [*encode_text(self.tokenizer, answer), end]


def read_shape(folder: Path) -> ModelShape:
    """Sizes of the model in a folder.

    Raises:
        ArtifactCorrupt: Its configuration cannot be read or is of another kind of model.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        heads = int(config["num_attention_heads"])
        return ModelShape(
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            intermediate=config["intermediate_size"],
            heads=heads,
            key_value_heads=config.get("num_key_value_heads") or heads,
            head_size=config.get("head_dim") or config["hidden_size"] // heads,
            vocabulary=config["vocab_size"],
            tied=bool(config.get("tie_word_embeddings", False)),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactCorrupt(f"config.json in {folder.name} cannot be read", advice="copy the model again") from error
