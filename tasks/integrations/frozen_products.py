"""Products of a frozen model on the processor, each by the means that is fastest for its number of rows.

Many rows, as those of a prompt, take long to multiply. Where float32 is multiplied faster than bfloat16, they are
multiplied in float32 (docs/decisions/0026): half of its memory, and its speed. What is computed is as exact: either way
sums are float32 and rounded once.

Few rows, as one new token of each answer, take longer to read the weights than to multiply, so fewer bytes are read:
of weights in bfloat16 that came out of llama.cpp's Q4_1, as those of the packaged model, the four bits that they were
(docs/decisions/0029); of weights in float32, which processors without bfloat16 compute with, halves
(docs/decisions/0031).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import torch
from typing_extensions import override

from tasks.integrations.processor import count_free_bytes

MANY_ROWS = 64
"""From so many on float32 is faster, the change of the weights' dtype included."""
FEW_ROWS = 16
"""Up to so many four bits are faster than bfloat16."""
HALF_ROWS = 32
"""Up to so many halves are faster than float32 in every shape that was timed."""
_GROUP = 32
"""Weights of a row that share a scale and a lowest value, in Q4_1."""
_STEPS = 15
_ROUNDING = 2**-11
"""Of a number: the most that rounding to float16 takes from it."""
_SPARED = 3
"""Times the bytes that halves take are to be free, for keys, values and whatever else runs."""
_TOLERANCE = 2**-7
"""Of a group's largest weight: what rounding to bfloat16 moves levels that are equally far from each other."""

_ROWS_AT_ONCE = 256
"""What they take then stays in a processor's cache, and whoever has others shows it by the first."""


class FourBits(NamedTuple):
    """Weights of four bits, as torch's products read them."""

    levels: torch.Tensor
    """[out x in / 2] bytes, in an order of torch's own."""
    scales_zeros: torch.Tensor
    """[in / 32 x out x 2]: a weight is scale x (level - 8) + zero."""

    bias: torch.Tensor | None

    def fits(self, rows: int, dtype: torch.dtype) -> bool:
        """Whether so many rows are multiplied faster by these than by the weights themselves."""
        return rows <= FEW_ROWS and dtype is torch.bfloat16

    def multiply(self, inputs: torch.Tensor) -> torch.Tensor:
        """[... x in] to [... x out]."""
        rows = inputs.reshape(-1, inputs.shape[-1]).contiguous()
        product: torch.Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(rows, self.levels, _GROUP, self.scales_zeros)
        product = product.reshape(*inputs.shape[:-1], -1)
        return product if self.bias is None else product + self.bias


class Halves(NamedTuple):
    """Weights in float16 as FBGEMM reads them, which multiplies and sums them in float32; and the bias."""

    packed: Any

    def fits(self, rows: int, dtype: torch.dtype) -> bool:
        """Whether so many rows are multiplied faster by these than by the weights themselves."""
        return rows <= HALF_ROWS and dtype is torch.float32

    def multiply(self, inputs: torch.Tensor) -> torch.Tensor:
        """[... x in] to [... x out]."""
        product: torch.Tensor = torch.ops.quantized.linear_dynamic_fp16.default(inputs, self.packed)
        return product


def widen_products(model: Any) -> None:
    """Let the frozen linear maps of a model on the processor multiply many rows in float32."""
    for name, layer in list(model.named_modules()):
        if type(layer) is torch.nn.Linear:
            _freeze(model, name, layer).is_wide = True


def pack_products(model: Any) -> None:
    """Let linear maps of a model on the processor read fewer bytes of weights for few rows: for inference."""
    linears = {name: one for name, one in model.named_modules() if type(one) in {torch.nn.Linear, FrozenLinear}}
    size = sum(one.weight.nbytes // 2 for one in linears.values())
    halves = multiplies_halves() and count_free_bytes() > _SPARED * size
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:  # FBGEMM packs with one
        found = list(threads.map(lambda one: _pack(one, halves=halves), linears.values()))
    for (name, layer), packed in zip(linears.items(), found, strict=True):
        if packed:
            _freeze(model, name, layer).packed = packed


def multiplies_halves() -> bool:
    """Whether there is a product of float32 by float16 on this processor: FBGEMM's, which torch calls x86, too."""
    return torch.backends.quantized.engine in {"fbgemm", "x86"}


def multiplies_four_bits() -> bool:
    """Whether torch's product of bfloat16 by four bits is the faster one: elsewhere it is slower, or a loop."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


class FrozenLinear(torch.nn.Linear):
    """A linear map whose weights never change."""

    is_wide = False
    packed: FourBits | Halves | None = None

    @override
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """[... x in] to [... x out]."""
        rows = input.numel() // self.in_features
        if self.is_wide and rows >= MANY_ROWS:
            product: torch.Tensor = _WideProduct.apply(input, self.weight, self.bias)
            return product
        packed = None if torch.is_grad_enabled() or not rows or input.dim() < 2 else self.packed
        if packed and packed.fits(rows, input.dtype):
            return packed.multiply(input)
        return super().forward(input)


def _freeze(model: Any, name: str, layer: torch.nn.Linear) -> FrozenLinear:
    if isinstance(layer, FrozenLinear):
        return layer
    frozen = FrozenLinear(layer.in_features, layer.out_features, bias=False, device="meta")
    frozen.weight, frozen.bias = layer.weight, layer.bias
    model.set_submodule(name, frozen)
    return frozen


@torch.no_grad()
def _pack(layer: torch.nn.Linear, *, halves: bool) -> FourBits | Halves | None:
    if layer.weight.dtype is torch.bfloat16 and multiplies_four_bits():
        return pack_four_bits(layer.weight, layer.bias)
    return pack_halves(layer.weight, layer.bias) if layer.weight.dtype is torch.float32 and halves else None


def pack_halves(weight: torch.Tensor, bias: torch.Tensor | None) -> Halves | None:
    """Weights [out x in] in float32 of which each row loses no more than rounding in float16.

    None: some are larger than it holds, or so small that it has few digits for them.
    """
    if not weight.numel() or weight.is_meta:
        return None
    for some in torch.split(weight, _ROWS_AT_ONCE):
        lost = some.half().float().sub_(some).norm(dim=1)
        if not (lost <= _ROUNDING * some.norm(dim=1)).all():
            return None
    return Halves(torch.ops.quantized.linear_prepack_fp16(weight, bias))


def pack_four_bits(weight: torch.Tensor, bias: torch.Tensor | None) -> FourBits | None:
    """Weights [out x in] in bfloat16 of which each group of 32 in a row has 16 values, equally far from each other.

    None: they have others, as those of a model that was never in four bits.
    """
    rows, columns = weight.shape
    if columns % _GROUP or rows % 16:
        return None
    parts = []
    for some in torch.split(weight, _ROWS_AT_ONCE):
        if not (found := _find_levels(some)):
            return None
        parts.append(found)
    levels, low, step = map(torch.cat, zip(*parts, strict=True))
    scales_zeros = torch.stack([step, low + (_STEPS + 1) / 2 * step], -1).transpose(0, 1).contiguous()
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels.reshape(rows, columns), 1)
    return FourBits(packed, scales_zeros.to(weight.dtype), bias)


def _find_levels(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
    """[out x groups x 32] levels from 0 to 15, [out x groups] lowest weights and steps; None: weights lie between."""
    groups = weight.float().reshape(len(weight), -1, _GROUP)
    low, high = groups.amin(-1), groups.amax(-1)
    step = (high - low) / _STEPS
    exact = groups.sub_(low[..., None]).mul_(1 / step[..., None].clamp(min=torch.finfo().tiny))
    levels = exact.round()
    error = exact.sub_(levels).abs_().amax(-1) * step
    if (error > _TOLERANCE * torch.maximum(low.abs(), high.abs())).any():
        return None
    return levels.int(), low, step


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
