"""The `LikelihoodScorer` port on a causal language model of transformers: of plain text, and of answers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from tasks.answer_models import Message
from tasks.integrations.chat_tokens import encode_messages, encode_text

_CONTEXT_TOKENS = 1024


class TransformersLikelihood:
    """Scores texts one by one, each cut at 1,024 tokens.

    Args:
        model: In evaluation mode.
        tokenizer: The model's.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer

    def score(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        """Of each text the negative log-likelihood of all its tokens but the first, in nats, and their number."""
        return [self._score_text(text) for text in texts]

    def _score_text(self, text: str) -> tuple[float, int]:
        import torch

        ids = encode_text(self._tokenizer, text)[:_CONTEXT_TOKENS]
        if len(ids) < 2:
            return 0.0, 0
        tokens = torch.tensor([ids], device=self._model.device)
        with torch.inference_mode():
            logits = self._model(input_ids=tokens, use_cache=False).logits[0, :-1].float()
            loss = torch.nn.functional.cross_entropy(logits, tokens[0, 1:], reduction="sum")
        return float(loss), len(ids) - 1

    def score_answers(self, messages: Sequence[Message], answers: Sequence[str], *, max_tokens: int) -> list[float]:
        """Of each answer the log-likelihood after the prompt, in nats: of its first `max_tokens` tokens.

        The prompt is read once, and the answers together after it.
        """
        import torch

        prompt = encode_messages(self._tokenizer, messages)
        said = [encode_text(self._tokenizer, answer)[:max_tokens] for answer in answers]
        longest = max(map(len, said), default=0)
        if not longest:
            return [0.0] * len(answers)
        # What is padded stands behind all that is scored, so nothing sees it.
        padded = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in said], device=self._model.device)
        with torch.inference_mode():
            read = self._model(
                input_ids=torch.tensor([prompt], device=self._model.device), use_cache=True, logits_to_keep=1
            )
            cache, first = read.past_key_values, read.logits
            cache.batch_repeat_interleave(len(said))
            after = self._model(input_ids=padded, past_key_values=cache, use_cache=True).logits[:, :-1]
            logits = torch.cat([first.expand(len(said), -1, -1), after], dim=1).float()
            scores = torch.log_softmax(logits, dim=-1).gather(2, padded[..., None])[..., 0]
        return [float(row[: len(ids)].sum()) for row, ids in zip(scores, said, strict=True)]


@runtime_checkable
class ModelHolder(Protocol):
    """A generator that lends its model: weights are loaded once for answers and for likelihoods."""

    def borrow_model(self) -> AbstractContextManager[tuple[Any, Any]]:
        """The model, with the right adapter and nobody else using it, and its tokenizer."""


class HeldLikelihood:
    """The `LikelihoodScorer` port over a generator that lends its model."""

    def __init__(self, holder: ModelHolder) -> None:
        self._holder = holder

    def score(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        """Of each text the negative log-likelihood of all its tokens but the first, in nats, and their number."""
        with self._holder.borrow_model() as (model, tokenizer):
            return TransformersLikelihood(model, tokenizer).score(texts)

    def score_answers(self, messages: Sequence[Message], answers: Sequence[str], *, max_tokens: int) -> list[float]:
        """Of each answer the log-likelihood after the prompt, in nats: of its first `max_tokens` tokens."""
        with self._holder.borrow_model() as (model, tokenizer):
            return TransformersLikelihood(model, tokenizer).score_answers(messages, answers, max_tokens=max_tokens)
