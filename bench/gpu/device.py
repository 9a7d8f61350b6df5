"""What the device is, what it multiplies at most, and what of its memory is used."""

from __future__ import annotations

import time
from typing import Any

DATA_SHEETS = {
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
}
"""Dense bfloat16 operations a second, as told by the maker; the first name that is part of the device's counts."""


def choose_device() -> str:
    """The GPU when there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def describe_device(device: str) -> dict[str, Any]:
    """Its name, its memory, and the operations a second that it is told and was seen to do."""
    import torch

    if device == "cpu":
        from tasks.integrations.processor import describe_processor

        name, memory = str(describe_processor()), None
    else:
        name, memory = torch.cuda.get_device_name(), torch.cuda.get_device_properties(0).total_memory
    told = next((flops for part, flops in DATA_SHEETS.items() if part in name), None)
    return {"device": name, "memory_bytes": memory, "data_sheet_flops": told, "matmul_flops": measure_matmul(device)}


def measure_matmul(device: str, rounds: int = 10) -> float:
    """Operations a second of a large product of two square matrices: what no training exceeds."""
    import torch

    from tasks.integrations.causal_models import choose_dtype

    width = 8192 if device == "cuda" else 512
    one = torch.randn(width, width, device=device, dtype=getattr(torch, choose_dtype(device)))
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        one @ one
        wait(device)
        best = min(best, time.perf_counter() - started)
    return 2 * width**3 / best


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def count_free_bytes(device: str) -> int:
    """Memory that can be had now."""
    import psutil
    import torch

    return int(torch.cuda.mem_get_info()[0] if device == "cuda" else psutil.virtual_memory().available)


def free(device: str) -> None:
    """Give back what is referred to by nobody."""
    import gc

    import torch

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
