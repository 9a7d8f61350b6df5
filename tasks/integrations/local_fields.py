"""The `FieldReader` port over a model of this process: llguidance lets it write what the JSON schema allows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tasks.errors import ConfigurationError
from tasks.integrations.chat_tokens import encode_messages
from tasks.integrations.field_forms import MAX_TOKENS, read_object, render_form
from tasks.integrations.likelihood import ModelHolder

_CONTEXT_TOKENS = 4096
"""Of a model that does not say."""


class LocalFieldReader:
    """Fills in forms with the model that answers, one text after the other.

    Args:
        holder: Lends its model.
    """

    def __init__(self, holder: ModelHolder) -> None:
        self._holder = holder
        self._tables: Any = None
        """Which token writes which bytes; a matter of seconds for large vocabularies."""

    def read_fields(self, texts: Sequence[str], schema: dict[str, Any]) -> list[dict[str, Any]]:
        """One object a text, with every field of the schema; one that did not end within 300 tokens is empty.

        Raises:
            ConfigurationError: The schema asks for what no grammar can hold a model to.
        """
        grammar = _make_grammar(schema)
        with self._holder.borrow_model() as (model, tokenizer):
            return [read_object(self._write(model, tokenizer, text, grammar)) for text in texts]

    def _write(self, model: Any, tokenizer: Any, text: str, grammar: str) -> str:
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        ids = torch.tensor([_fit(model, tokenizer, text)], device=model.device)
        end = tokenizer.eos_token_id
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=MAX_TOKENS, do_sample=False, eos_token_id=end, pad_token_id=end
        )
        with torch.inference_mode():
            written = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                generation_config=config,
                logits_processor=LogitsProcessorList([self._constrain(model, tokenizer, grammar)]),
            )
        return str(tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True))

    def _constrain(self, model: Any, tokenizer: Any, grammar: str) -> _Grammar:
        import llguidance
        import llguidance.hf

        if self._tables is None:
            self._tables = llguidance.hf.from_tokenizer(tokenizer, n_vocab=model.config.vocab_size)
        matcher = llguidance.LLMatcher(self._tables, grammar)
        if matcher.is_error():
            raise ConfigurationError(
                f"the process's fields cannot be written as a form: {matcher.get_error()}",
                advice="simplify the types in model.py: text, numbers, true or false, lists, fixed choices",
            )
        return _Grammar(matcher, model.config.vocab_size)


class _Grammar:
    """Leaves each step the tokens that may come next."""

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        import llguidance.torch

        self._matcher = matcher
        self._mask = llguidance.torch.allocate_token_bitmask(1, vocabulary)
        self._begun = False

    def __call__(self, ids: Any, scores: Any) -> Any:
        import llguidance.torch

        if self._begun:
            self._matcher.consume_token(int(ids[0, -1]))
        self._begun = True
        llguidance.torch.fill_next_token_bitmask(self._matcher, self._mask)
        llguidance.torch.apply_token_bitmask_inplace(scores, self._mask.to(scores.device))
        return scores


def _make_grammar(schema: dict[str, Any]) -> str:
    """Of one object with every field, null where the schema allows it: a model would rather write an empty one."""
    import llguidance

    whole = {**schema, "required": list(schema.get("properties", {})), "additionalProperties": False}
    return str(llguidance.LLMatcher.grammar_from_json_schema(json.dumps(whole), {"whitespace_flexible": False}))


def _fit(model: Any, tokenizer: Any, text: str) -> list[int]:
    """The prompt; of a text that exceeds the model's context the beginning."""
    room = (getattr(model.config, "max_position_embeddings", None) or _CONTEXT_TOKENS) - MAX_TOKENS
    characters = len(text)
    while len(ids := encode_messages(tokenizer, render_form(text, most_characters=characters))) > room and characters:
        characters //= 2
    return ids
