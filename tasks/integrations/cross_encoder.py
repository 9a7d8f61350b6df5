"""Models that read two texts together: any sentence-transformers cross-encoder, by folder or hub id."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from tasks.errors import ConfigurationError
from tasks.integrations.onnx_encoder import replace_surrogates

_BATCH_PAIRS = 32


class LocalCrossEncoder:
    """Loaded at its first pair.

    Args:
        model: A folder with safetensors weights, or a hub id that is cached or can be downloaded.
    """

    setting: ClassVar[str]
    """That names the model, for who has to change it."""
    num_labels: ClassVar[int | None] = None
    """How many numbers it gives for a pair; None: as its configuration says."""

    def __init__(self, model: str) -> None:
        self._model_name = model

    @property
    def name(self) -> str:
        """The folder's or the model's name."""
        return Path(self._model_name).name

    def _read_pairs(self, pairs: Sequence[tuple[str, str]], **options: Any) -> Any:
        """[n] or [n x labels].

        Raises:
            ConfigurationError: The model cannot be loaded.
        """
        clean = [(replace_surrogates(one), replace_surrogates(other)) for one, other in pairs]
        return self._model.predict(clean, batch_size=_BATCH_PAIRS, show_progress_bar=False, **options)

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import CrossEncoder

        try:
            return CrossEncoder(self._model_name, num_labels=self.num_labels, model_kwargs={"use_safetensors": True})
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"the model {self._model_name!r} of {self.setting} cannot be loaded: {str(error).splitlines()[0]}",
                advice=f"set {self.setting} to a folder with safetensors weights or a hub id that can be reached",
            ) from error


class CrossEncoderReranker(LocalCrossEncoder):
    """Implements `Reranker`."""

    setting = "EXPERTLOOP_RERANKER"
    num_labels = 1

    def score_passages(self, question: str, passages: Sequence[str]) -> list[float]:
        """One score a passage, higher is better.

        Raises:
            ConfigurationError: The model cannot be loaded.
        """
        return [float(score) for score in self._read_pairs([(question, passage) for passage in passages])]
