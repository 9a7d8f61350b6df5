"""Writing an encoder as an ONNX graph node by node: no tracing, no torch, the same bytes every time.

Linear layers are written in fp32 or in int8. int8 is dynamic (activations are quantised per call to 8 unsigned bits)
with weights of 7 bits, symmetric, one scale an output channel. With 7 bits no sum of two products leaves 16 bits, so
processors with AVX2 alone compute the same integers as those with VNNI or AMX, where 8 bits would saturate on AVX2
(cosine to fp32 .990 with 8 bits, .992 with 7): one vector space for all machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MICROSOFT = "com.microsoft"
"""ONNX Runtime's own operators."""

_WEIGHT_LIMIT = 63
_OPSETS = {"": 18, MICROSOFT: 1}
_IR_VERSION = 10


class GraphWriter:
    """Collects nodes and constants; every method that adds a node returns the name of its output.

    Args:
        int8: Whether linear layers are quantised.
    """

    def __init__(self, *, int8: bool) -> None:
        self.int8 = int8
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: NDArray[Any]) -> str:
        """Store an array in the graph."""
        from onnx import numpy_helper

        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> list[str]:
        """Add one node; an empty input name leaves an optional input out."""
        from onnx import helper

        names = [f"n{len(self._nodes)}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, domain=domain, **attributes))
        return names

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add one node with one output."""
        return self.node(operator, *inputs, domain=domain, **attributes)[0]

    def linear(self, x: str, weights: Floats, bias: Floats, *, loud: Sequence[int] = ()) -> str:
        """x @ weights + bias.

        An activation is quantised with one scale, so a few loud channels leave all others few of its bits. Those are
        multiplied apart, in fp32 (the decomposition of LLM.int8(), arXiv 2208.07339 section 3.2).

        Args:
            x: Name of a [... x i] input.
            weights: [i x o].
            bias: [o].
            loud: Channels of x that are far larger than the others, in every text; fp32 needs no such care.
        """
        if not self.int8:
            return self.add("Add", self.add("MatMul", x, self.constant(weights)), self.constant(bias))
        if not loud:
            return self._quantised_linear(x, weights, bias)
        quiet = np.ones(len(weights), dtype=np.float32)
        quiet[list(loud)] = 0
        total = self._quantised_linear(self.add("Mul", x, self.constant(quiet)), weights * quiet[:, None], bias)
        heard = self.add("Gather", x, self.constant(np.array(loud)), axis=-1)
        return self.add("Add", total, self.add("MatMul", heard, self.constant(weights[list(loud)])))

    def _quantised_linear(self, x: str, weights: Floats, bias: Floats) -> str:
        quantised, scales = quantise_weights(weights)
        return self.add(
            "DynamicQuantizeMatMul",
            *(x, self.constant(quantised), self.constant(scales), "", self.constant(bias)),
            domain=MICROSOFT,
        )

    def layer_norm(self, x: str, gamma: Floats, beta: Floats, *, epsilon: float) -> str:
        """Normalise the last axis."""
        return self.add("LayerNormalization", x, self.constant(gamma), self.constant(beta), epsilon=epsilon)

    def save(self, file: Path, inputs: dict[str, tuple[str, list[str | int]]], output: str) -> None:
        """Write the model.

        Args:
            file: Where to.
            inputs: Element type ("FLOAT", "INT32") and shape, by name; letters are free axes.
            output: The node output that the model returns, floats.
        """
        import onnx
        from onnx import TensorProto, helper

        graph = helper.make_graph(
            self._nodes,
            "encoder",
            [
                helper.make_tensor_value_info(n, getattr(TensorProto, kind), shape)
                for n, (kind, shape) in inputs.items()
            ],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self._constants,
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION), str(file))


def quantise_weights(weights: Floats) -> tuple[NDArray[np.int8], Floats]:
    """7-bit integers [i x o] and scales [o] with weights ≈ integers * scales."""
    scales = np.maximum(np.abs(weights).max(axis=0), np.finfo(np.float32).tiny) / _WEIGHT_LIMIT
    return np.round(weights / scales).astype(np.int8), scales.astype(np.float32)
