"""What this machine's processor has, and the embedding backend that fits it.

Measured (bench/embedding.py, docs/benchmarks.md): int8 is the fastest form wherever the processor multiplies bytes in
vectors. bf16 is not offered: on AVX2 it is emulated, and where AMX or AVX512-BF16 have it int8 gains as much without
importing torch.
"""

from __future__ import annotations

import math
import os
import platform
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

Backend = Literal["onnx-int8", "onnx-fp32", "torch"]

_BYTE_PRODUCTS = {
    "amx_int8": "AMX int8",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "i8mm": "Arm i8mm",
    "asimddp": "Arm dot product",
    "avx512bw": "AVX-512 BW",
    "avx2": "AVX2",
}
"""Flags of /proc/cpuinfo and py-cpuinfo whose instructions multiply bytes in vectors, the fastest first."""


class Processor(NamedTuple):
    """The processor as far as embedding cares."""

    name: str
    cores: int
    """Usable by this process: affinity and the container's limit are respected."""
    flags: frozenset[str]

    @property
    def byte_products(self) -> str | None:
        """The fastest byte multiplication it has, in words; None when it has none."""
        return next((words for flag, words in _BYTE_PRODUCTS.items() if flag in self.flags), None)

    def __str__(self) -> str:
        return f"{self.name}, {self.cores} cores, {self.byte_products or 'no byte products'}"


def choose_backend(processor: Processor, wanted: Backend | Literal["auto"] = "auto") -> Backend:
    """The embedding backend for a processor.

    int8 on every processor with vector byte products: 2.3x and more of plain fp32 with AVX2, 4x and more where one
    instruction does it (VNNI, AMX). Weights have 7 bits, so that AVX2's 16-bit sums never saturate and all of them
    compute the same integers. Elsewhere fp32.

    Args:
        processor: What `describe_processor` found.
        wanted: A setting that overrides the choice; "auto" does not.
    """
    if wanted != "auto":
        return wanted
    return "onnx-int8" if processor.byte_products else "onnx-fp32"


@lru_cache(maxsize=1)
def describe_processor() -> Processor:
    """This machine's processor; /proc/cpuinfo where there is one, else py-cpuinfo, which takes a second."""
    file = Path("/proc/cpuinfo")
    name, flags = (
        parse_cpuinfo(file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else _ask_cpuinfo()
    )
    return Processor(name or platform.processor() or platform.machine(), count_cores(), flags)


def parse_cpuinfo(text: str) -> tuple[str, frozenset[str]]:
    """Name and flags of the first processor in /proc/cpuinfo's text (x86 `flags`, Arm `Features`)."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, found, value = line.partition(":")
        if found:
            fields.setdefault(key.strip().lower(), value.strip())
    return fields.get("model name", ""), frozenset((fields.get("flags") or fields.get("features") or "").split())


def count_cores(limit_file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores this process may use, at least 1: its affinity, cut by a container's limit.

    Args:
        limit_file: The control group's "quota period" in microseconds, or "max period".
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = (limit_file.read_text() if limit_file.is_file() else "max").partition(" ")
    return max(1, min(cores, math.ceil(int(quota) / int(period)))) if quota.strip().isdigit() else cores


def _ask_cpuinfo() -> tuple[str, frozenset[str]]:
    import cpuinfo

    info = cpuinfo.get_cpu_info()
    return str(info.get("brand_raw", "")), frozenset(info.get("flags", ()))


def count_free_bytes(limits: Path = Path("/sys/fs/cgroup")) -> int:
    """Memory that this process may still take: what the machine has free, cut by a container's limit.

    Args:
        limits: The control group's folder; its pages of files are not counted as taken.
    """
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        limit = (limits / "memory.max").read_text().strip()
        taken = dict(line.split() for line in (limits / "memory.stat").read_text().splitlines())["anon"]
        return free if limit == "max" else max(0, min(free, int(limit) - int(taken)))
    except (OSError, ValueError, KeyError):
        return free
