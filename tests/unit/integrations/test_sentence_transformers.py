"""Any sentence-transformers model, plain; the packaged one stands for all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.errors import ConfigurationError
from tasks.integrations.minilm_encoder import model_folder
from tasks.integrations.sentence_transformers import SentenceTransformersEmbedder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def embedder() -> SentenceTransformersEmbedder:
    return SentenceTransformersEmbedder(str(model_folder()))


def test_vectors_are_normalised_in_order(embedder: SentenceTransformersEmbedder) -> None:
    vectors = embedder.embed_documents(["a pump", "a lone \ud800", "a seal"])

    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[2], embedder.embed_queries(["a seal"])[0], atol=1e-5)


def test_no_text_has_no_vector(embedder: SentenceTransformersEmbedder) -> None:
    assert embedder.embed_documents([]).shape == (0, 384)
    assert embedder.count_tokens([]) == []


def test_long_text_is_counted_whole(embedder: SentenceTransformersEmbedder) -> None:
    assert embedder.max_tokens == 256
    assert embedder.count_tokens(["pump " * 500]) == [502]


def test_the_identity_is_made_of_the_weights(embedder: SentenceTransformersEmbedder) -> None:
    assert embedder.identity == SentenceTransformersEmbedder(str(model_folder())).identity


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")

    with pytest.raises(ConfigurationError, match="safetensors"):
        SentenceTransformersEmbedder(str(tmp_path)).embed_queries(["x"])


def test_a_name_that_is_neither_folder_nor_hub_id_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no/such/model"):
        SentenceTransformersEmbedder("no/such/model").embed_queries(["x"])
