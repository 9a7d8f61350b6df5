"""Which numbers this processor multiplies fastest: measured, because its instructions do not tell.

A Xeon with AVX512-BF16 and no AMX multiplies bfloat16 matrices at half the speed of float32 ones (docs/benchmarks.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial

_ROWS, _WIDTH = 256, 1024
"""A passage or two, and the width of a layer of a small model: half a billion operations."""
_TRIES = 6
"""The first builds kernels."""
_WORTH = 1.15
"""Less is noise, or an answer that changes from one process to the next."""


def has_bfloat16() -> bool:
    """Whether the processor has instructions that multiply bfloat16; emulating them is several times slower."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@cache
def gains_by_bfloat16() -> bool:
    """Whether it multiplies bfloat16 matrices clearly faster than float32 ones; measured once a process, in .1 s."""
    import torch

    if not has_bfloat16():
        return False
    inputs, weights = torch.ones(_ROWS, _WIDTH), torch.ones(_WIDTH, _WIDTH)
    wide, narrow = partial(torch.mm, inputs, weights), partial(torch.mm, inputs.bfloat16(), weights.bfloat16())
    # In turns, and the fastest of each: what else computes here slows both, and only ever slows.
    tries = [(_time(wide), _time(narrow)) for _ in range(_TRIES)]
    fastest_wide, fastest_narrow = map(min, zip(*tries, strict=True))
    return bool(fastest_narrow * _WORTH < fastest_wide)


def _time(work: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
