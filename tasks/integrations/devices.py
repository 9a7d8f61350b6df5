"""What this machine can train on, found without torch, which looks for GPUs once and keeps to what it saw then."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess

import psutil

from tasks.training_models import Device

logger = logging.getLogger(__name__)

_FIELDS = ("index", "uuid", "name", "memory.total", "memory.free", "utilization.gpu")
_MIB = 1024**2
_SECONDS = 30


class MachineDevices:
    """NVIDIA's GPUs where its driver shows some; else the processor.

    Args:
        visible: What CUDA_VISIBLE_DEVICES says: numbers or beginnings of UUIDs, separated by commas; None: all.
    """

    def __init__(self, visible: str | None = None) -> None:
        self._visible = visible

    def list_devices(self) -> list[Device]:
        """Every GPU that we may see, or the processor alone; the most free memory first."""
        found = parse_devices(_ask_driver(), self._visible) or [find_processor()]
        return sorted(found, key=lambda one: -one.free_bytes)


def find_processor() -> Device:
    """The machine itself; what this process holds already counts as free, since the training will use it."""
    memory = psutil.virtual_memory()
    return Device(
        device_id=socket.gethostname(),
        kind="cpu",
        name=f"the processor of {socket.gethostname()}",
        total_bytes=memory.total,
        free_bytes=memory.available + psutil.Process().memory_info().rss,
        used_share=psutil.cpu_percent() / 100,
    )


def parse_devices(table: str, visible: str | None = None) -> list[Device]:
    """GPUs of what `nvidia-smi` printed, those that we may not see left out."""
    rows = [[field.strip() for field in line.split(",")] for line in table.splitlines()]
    gpus = [row for row in rows if len(row) == len(_FIELDS) and row[1].startswith("GPU-")]
    return [_read_device(row) for row in gpus if visible is None or _is_visible(row, visible)]


def _is_visible(row: list[str], visible: str) -> bool:
    names = [name.strip() for name in visible.split(",")]
    return any(name == row[0] or (name.startswith("GPU-") and row[1].startswith(name)) for name in names)


def _read_device(row: list[str]) -> Device:
    """A field that a device does not tell is `[N/A]`."""
    _, device_id, name, total, free, used = row
    return Device(
        device_id=device_id,
        kind="cuda",
        name=name,
        total_bytes=int(total) * _MIB,
        free_bytes=int(free) * _MIB,
        used_share=int(used) / 100 if used.isdigit() else None,
    )


def _ask_driver() -> str:
    """What the driver's own tool prints; nothing where it is not installed or finds no driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    command = [tool, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True).stdout  # noqa: S603
    except (subprocess.SubprocessError, OSError) as error:
        logger.warning("no device is used: nvidia-smi failed error=%s", error)
        return ""
