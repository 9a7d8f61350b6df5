"""The reranker on a tiny real cross-encoder that the test makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import ConfigurationError
from tasks.integrations.cross_encoder import CrossEncoderReranker
from tasks.integrations.minilm_encoder import model_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cross-encoder of one random layer with MiniLM's tokenizer."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(model_folder()).save_pretrained(tmp_path)
    return tmp_path


def test_every_passage_gets_a_score_that_does_not_depend_on_its_neighbours(folder: Path) -> None:
    reranker = CrossEncoderReranker(str(folder))
    together = reranker.score_passages("pump?", ["a pump weighs 9 kg", "holidays", "\ud800 broken"])
    alone = reranker.score_passages("pump?", ["holidays"])
    assert len(together) == 3
    assert together[1] == pytest.approx(alone[0], abs=1e-5)


def test_a_model_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    reranker = CrossEncoderReranker(str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        reranker.score_passages("pump?", ["a pump"])
