"""Models that tell whether a passage implies a claim: a cross-encoder in this process, or one behind an endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from pydantic import BaseModel, TypeAdapter

from tasks.errors import ConfigurationError
from tasks.integrations.cross_encoder import LocalCrossEncoder
from tasks.integrations.openai_endpoint import OpenAIEndpoint


class CrossEncoderEntailment(LocalCrossEncoder):
    """Implements `EntailmentJudge`."""

    setting = "EXPERTLOOP_ENTAILMENT"

    def measure_entailment(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The probability of each (premise, claim), 0 to 1.

        Raises:
            ConfigurationError: The model cannot be loaded, or is none of natural language inference.
        """
        return [float(one[self._place]) for one in self._read_pairs(pairs, apply_softmax=True)]

    @cached_property
    def _place(self) -> int:
        """Of the label that says that the claim follows."""
        labels: Mapping[int, str] = self._model.model.config.id2label
        places = [int(place) for place, label in labels.items() if _says_entailed(label)]
        if len(places) == 1:
            return places[0]
        raise ConfigurationError(
            f"{self._model_name} knows the labels {', '.join(labels.values())}, none of which is entailment",
            advice="set EXPERTLOOP_ENTAILMENT to a model of natural language inference",
        )


class _Label(BaseModel):
    label: str
    score: float


_Labels = TypeAdapter(list[list[_Label]])


class EndpointEntailment:
    """Implements `EntailmentJudge` with a server of Text Embeddings Inference: `POST /predict`.

    Args:
        endpoint: Its base URL is the server's.
    """

    def __init__(self, endpoint: OpenAIEndpoint) -> None:
        self._endpoint = endpoint

    @property
    def name(self) -> str:
        """Host and port."""
        return self._endpoint.name

    def measure_entailment(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The probability of each (premise, claim), 0 to 1.

        Raises:
            BackendUnavailable, RateLimited: It does not answer.
            ConfigurationError: It refuses, or answers with other labels.
        """
        said = self._endpoint.post("predict", {"inputs": [list(pair) for pair in pairs], "truncate": True})
        try:
            judged = _Labels.validate_python(said)
            entailed = [[one.score for one in labels if _says_entailed(one.label)] for labels in judged]
            return [score for _, (score,) in zip(pairs, entailed, strict=True)]
        except ValueError as error:  # pydantic's, too, and that of another number of scores than one
            raise ConfigurationError(
                f"{self.name} does not answer with one label of entailment for each claim",
                advice="run Text Embeddings Inference with a model of natural language inference there",
            ) from error


def _says_entailed(label: str) -> bool:
    """Whether a model of natural language inference means by it that the claim follows; all that we know say it so."""
    return label.casefold().startswith("entail")
