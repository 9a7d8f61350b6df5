"""Does a training fit its device? Told before any weights are loaded, with what would fit instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tasks.errors import ConfigurationError, DeviceBusy
from tasks.training_models import Device, TrainingPlan


def describe_device(device: Device) -> str:
    """One line for people: what is trained on, how much of it is free, and that there is no GPU where there is none."""
    used = "" if device.used_share is None else f", {device.used_share:.0%} busy"
    said = f"{device.name}, {device.free_bytes / 1e9:.1f} of {device.total_bytes / 1e9:.1f} GB free{used}"
    return said if device.kind == "cuda" else f"no GPU here: {said}"


def require_memory(device: Device, plan: TrainingPlan, fitting: Callable[[], Iterable[str]]) -> None:
    """Refuse what the device cannot hold.

    Args:
        device: Held by who asks.
        plan: What the training needs.
        fitting: Presets whose plan fits into the device; asked only when this one does not.

    Raises:
        ConfigurationError: The device is too small.
        DeviceBusy: It is large enough, but others use its memory now.
    """
    needed = plan.peak_memory_bytes
    if needed <= device.free_bytes:
        return
    told = f"the training needs {needed / 1e9:.1f} GB; {describe_device(device)}"
    if needed <= device.total_bytes:
        raise DeviceBusy(told, advice="it is tried again by itself; or end what uses the memory")
    names = ", ".join(fitting())
    ways = f"presets that fit: {names}" if names else "no preset fits: take a larger device"
    raise ConfigurationError(told, advice=f"{ways}; or lower max_example_tokens or micro_batch_examples: docs/train.md")
