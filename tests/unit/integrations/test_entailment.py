"""Entailment by a tiny real cross-encoder that the test makes, and by a server of the documented protocol."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.entailment import CrossEncoderEntailment, EndpointEntailment
from tasks.integrations.minilm_encoder import model_folder
from tasks.integrations.openai_endpoint import OpenAIEndpoint
from tests.fakes.http import serving

PAIRS = [("The pump weighs 9 kg.", "The pump is heavy."), ("Holidays", "\ud800 broken")]
LABELS = ("contradiction", "ENTAILMENT", "neutral")


def save_model(folder: Path, *labels: str) -> str:
    """One random layer with MiniLM's tokenizer."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: place for place, label in enumerate(labels)}
    config.num_labels = len(labels)
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(model_folder()).save_pretrained(folder)
    return str(folder)


def test_the_label_of_entailment_is_found_by_its_name(tmp_path: Path) -> None:
    name = save_model(tmp_path, *LABELS)
    judged = CrossEncoderEntailment(name).measure_entailment(PAIRS)
    swapped = save_model(tmp_path / "swapped", "entailment", "contradiction")
    assert all(0 < one < 1 for one in judged)
    assert judged[0] == pytest.approx(CrossEncoderEntailment(name).measure_entailment(PAIRS[:1])[0], abs=1e-5)
    assert len(CrossEncoderEntailment(swapped).measure_entailment(PAIRS)) == 2


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    judge = CrossEncoderEntailment(save_model(tmp_path, "positive", "negative"))
    with pytest.raises(ConfigurationError, match="positive, negative"):
        judge.measure_entailment(PAIRS)
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        CrossEncoderEntailment(str(tmp_path / "nowhere")).measure_entailment(PAIRS)


def serve_labels(*labels: str, status: int = 200) -> Starlette:
    """Text Embeddings Inference as its description has it: a list of labels for each pair, the likeliest first."""

    async def predict(request: Request) -> JSONResponse:
        inputs = (await request.json())["inputs"]
        scores = {label: 0.9 if label.startswith("entail") else 0.1 for label in labels}
        said = [[{"label": name, "score": scores[name]} for name in scores] for _ in inputs]
        return JSONResponse(said, status, headers={"Connection": "close"})

    return Starlette(routes=[Route("/predict", predict, methods=["POST"])])


def test_an_endpoint_is_asked_for_all_pairs_at_once() -> None:
    with serving(serve_labels("entailment", "neutral")) as url:
        judge = EndpointEntailment(OpenAIEndpoint(url))
        assert judge.measure_entailment([("a", "b"), ("c", "d")]) == [0.9, 0.9]
        assert url.endswith(judge.name)


def test_an_endpoint_of_another_kind_or_that_fails_is_told(tmp_path: Path) -> None:
    with serving(serve_labels("positive")) as url, pytest.raises(ConfigurationError, match="entailment"):
        EndpointEntailment(OpenAIEndpoint(url)).measure_entailment([("a", "b")])
    with serving(serve_labels("entailment", status=503)) as url, pytest.raises(BackendUnavailable):
        EndpointEntailment(OpenAIEndpoint(url)).measure_entailment([("a", "b")])
