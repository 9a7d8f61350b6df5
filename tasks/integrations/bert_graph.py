"""BERT (arXiv 1810.04805) as an ONNX graph: its layers as they are published, then the sum over tokens.

Attention, addition and norm, gelu, addition and norm; the vector's normalisation afterwards makes the sum the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.integrations.onnx_graph import MICROSOFT, GraphWriter

Weights = Mapping[str, NDArray[np.float32]]
"""By their published names: embeddings.LayerNorm.weight, encoder.layer.0.attention.self.query.weight, …"""


_EPSILON = 1e-12


class BertShape(NamedTuple):
    """What the weights do not say of themselves, and which of their activations need care in int8."""

    dimension: int
    heads: int
    layers: int
    loud_channels: Sequence[int]
    """Channels that are far louder than the others after the norms, in every text (`GraphWriter.linear`)."""
    loud_neurons: Sequence[Sequence[int]]
    """Feed-forward neurons of the same kind, by layer."""


def write_bert(file: Path, weights: Weights, shape: BertShape, *, int8: bool) -> None:
    """Write the graph: input `embedded` [n x t x d], words plus positions plus segment; output their sum [n x d]."""
    graph = GraphWriter(int8=int8)
    x = _write_norm(graph, "embedded", weights, "embeddings.")
    for layer in range(shape.layers):
        x = _write_layer(graph, x, weights, layer, shape)
    total = graph.add("ReduceSum", x, graph.constant(np.array([1])), keepdims=0)
    graph.save(file, {"embedded": ("FLOAT", ["n", "t", shape.dimension])}, total)


def _write_layer(graph: GraphWriter, x: str, weights: Weights, layer: int, shape: BertShape) -> str:
    prefix = f"encoder.layer.{layer}."
    attended = _write_attention(graph, x, weights, f"{prefix}attention.self.", shape)
    projected = _write_dense(graph, attended, weights, f"{prefix}attention.output.")
    x = _write_norm(graph, graph.add("Add", projected, x), weights, f"{prefix}attention.output.")
    inner = _write_dense(graph, x, weights, f"{prefix}intermediate.", shape.loud_channels)
    inner = graph.add("Gelu", inner, domain=MICROSOFT)
    outer = _write_dense(graph, inner, weights, f"{prefix}output.", shape.loud_neurons[layer])
    return _write_norm(graph, graph.add("Add", outer, x), weights, f"{prefix}output.")


def _write_attention(graph: GraphWriter, x: str, weights: Weights, prefix: str, shape: BertShape) -> str:
    """Queries, keys and values come of one product, which is faster than three."""
    parts = ("query", "key", "value")
    matrix = np.concatenate([weights[f"{prefix}{part}.weight"].T for part in parts], axis=1)
    bias = np.concatenate([weights[f"{prefix}{part}.bias"] for part in parts])
    sizes = graph.constant(np.full(len(parts), shape.dimension))
    product = graph.linear(x, matrix, bias, loud=shape.loud_channels)
    heads = graph.node("Split", product, sizes, outputs=len(parts), axis=2)
    return graph.add("MultiHeadAttention", *heads, domain=MICROSOFT, num_heads=shape.heads)


def _write_dense(graph: GraphWriter, x: str, weights: Weights, prefix: str, loud: Sequence[int] = ()) -> str:
    return graph.linear(x, weights[f"{prefix}dense.weight"].T, weights[f"{prefix}dense.bias"], loud=loud)


def _write_norm(graph: GraphWriter, x: str, weights: Weights, prefix: str) -> str:
    name = f"{prefix}LayerNorm"
    return graph.layer_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"], epsilon=_EPSILON)
