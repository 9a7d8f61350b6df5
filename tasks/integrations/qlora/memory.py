"""How much memory a training took at its peak, and whether an error means that there was not enough."""

from __future__ import annotations

import resource
from pathlib import Path

import psutil

_CLEAR_PEAK = "5"
"""Written to clear_refs: the peak of resident memory starts again from now (proc(5), since Linux 4.0)."""


def reset_peak(device: str) -> None:
    """Start measuring from what is used now."""
    if device != "cpu":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return
    file = Path("/proc/self/clear_refs")
    if file.exists():
        file.write_text(_CLEAR_PEAK)


def read_peak(device: str) -> int:
    """Bytes at the peak: of tensors on a GPU, of the process on a CPU."""
    if device != "cpu":
        import torch

        return int(torch.cuda.max_memory_allocated())
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def read_resident() -> int:
    """Bytes that this process takes now."""
    return int(psutil.Process().memory_info().rss)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python could not get memory; on a CPU torch says so in words alone."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
