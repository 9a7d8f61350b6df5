"""A reranker that reads question and passage together: any sentence-transformers cross-encoder, by folder or hub id."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.errors import ConfigurationError
from tasks.integrations.onnx_encoder import replace_surrogates

_BATCH_PAIRS = 32


class CrossEncoderReranker:
    """Implements `Reranker`; loaded at the first question.

    Args:
        model: A folder with safetensors weights, or a hub id that is cached or can be downloaded.
    """

    def __init__(self, model: str) -> None:
        self._model_name = model

    @property
    def name(self) -> str:
        """The folder's or the model's name."""
        return Path(self._model_name).name

    def score_passages(self, question: str, passages: Sequence[str]) -> list[float]:
        """One score a passage, higher is better.

        Raises:
            ConfigurationError: The model cannot be loaded.
        """
        pairs = [(replace_surrogates(question), replace_surrogates(passage)) for passage in passages]
        scores = self._model.predict(pairs, batch_size=_BATCH_PAIRS, show_progress_bar=False)
        return [float(score) for score in scores]

    @cached_property
    def _model(self) -> Any:
        return load_cross_encoder(self._model_name, num_labels=1, setting="EXPERTLOOP_RERANKER")


def load_cross_encoder(model: str, *, setting: str, num_labels: int | None = None) -> Any:
    """A model that reads two texts together.

    Args:
        model: A folder with safetensors weights, or a hub id that is cached or can be downloaded.
        setting: That names it, for who has to change it.
        num_labels: How many numbers it gives for a pair; None: as its configuration says.

    Raises:
        ConfigurationError: It cannot be loaded.
    """
    from sentence_transformers import CrossEncoder

    try:
        return CrossEncoder(model, num_labels=num_labels, model_kwargs={"use_safetensors": True})
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the model {model!r} of {setting} cannot be loaded: {str(error).splitlines()[0]}",
            advice=f"set {setting} to a folder with safetensors weights or a hub id that can be reached",
        ) from error
