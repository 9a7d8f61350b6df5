"""Products of a frozen model that keeps its numbers in bfloat16 and multiplies many rows in float32.

Half the memory of float32, and its speed, on processors that multiply float32 faster (docs/decisions/0026). What is
computed is as exact: either way sums are float32 and rounded once. Few rows, as one new token for each answer, take
longer to read than to multiply: they stay in bfloat16, which is half as much to read.
"""

from __future__ import annotations

from typing import Any

import torch
from typing_extensions import override

MANY_ROWS = 64
"""From so many on float32 is faster, the change of the weights' dtype included."""


def widen_products(model: Any) -> None:
    """Let the frozen linear maps of a model on the processor multiply in float32."""
    for name, layer in list(model.named_modules()):
        if type(layer) is torch.nn.Linear:
            wide = WideLinear(layer.in_features, layer.out_features, bias=False, device="meta")
            wide.weight, wide.bias = layer.weight, layer.bias
            model.set_submodule(name, wide)


class WideLinear(torch.nn.Linear):
    """A linear map whose weights never change."""

    @override
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """[... x in] to [... x out]."""
        if input.numel() < MANY_ROWS * self.in_features:
            return super().forward(input)
        product: torch.Tensor = _WideProduct.apply(input, self.weight, self.bias)
        return product


class _WideProduct(torch.autograd.Function):
    """Keeps nothing but the weights for the way back: of widened ones every layer would keep a copy."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(weight)
        ctx.dtype = inputs.dtype
        with torch.autocast(inputs.device.type, enabled=False):
            wide_bias = None if bias is None else bias.float()
            return torch.nn.functional.linear(inputs.float(), weight.float(), wide_bias).to(weight.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        with torch.autocast(gradient.device.type, enabled=False):
            return (gradient.float() @ weight.float()).to(ctx.dtype), None, None
