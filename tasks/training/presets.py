"""Named configurations, and the check of a configuration that names every fault at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tasks.errors import ConfigurationError
from tasks.training_models import TrainingConfig

_SEVERAL = ("ddp", "fsdp")
"""Strategies for several devices."""

DEFAULT_PRESET = "smollm2-135m-cpu"
_PHI_3 = "microsoft/Phi-3-mini-4k-instruct"
_PHI_4 = "microsoft/Phi-4-mini-instruct"
_LLAMA_70B = "meta-llama/Llama-3.3-70B-Instruct"
_GPU: dict[str, Any] = {
    "learning_rate": 2e-4,
    "dropout": 0.05,
    "epochs": 2.0,
    "batch_examples": 16,
    "micro_batch_examples": 4,
    "max_example_tokens": 2048,
    "gradient_checkpointing": True,
}
_LARGE: dict[str, Any] = {**_GPU, "base_model": _LLAMA_70B, "learning_rate": 1e-4, "micro_batch_examples": 1}

PRESETS: dict[str, dict[str, Any]] = {
    # One example at once: on a processor it is no slower than four and takes a quarter of their memory. So small a
    # model that is taught to refuse often refuses what it could answer (docs/benchmarks.md); serving holds back anyway.
    DEFAULT_PRESET: {"micro_batch_examples": 1, "gold_share": 1.0, "unanswerable_share": 0.05},
    "phi-3-mini-qlora": {**_GPU, "base_model": _PHI_3},
    "phi-4-mini-qlora": {**_GPU, "base_model": _PHI_4},
    "phi-3-mini-lora": {**_GPU, "base_model": _PHI_3, "method": "lora"},
    "70b-qlora-one-gpu": _LARGE,
    "70b-fsdp-qlora": {**_LARGE, "strategy": "fsdp", "devices": 2},
}
"""What each preset changes of `TrainingConfig`'s defaults."""


def make_config(preset: str = DEFAULT_PRESET, values: Mapping[str, Any] | None = None) -> TrainingConfig:
    """A preset with some values replaced.

    Args:
        preset: A name of `PRESETS`.
        values: Field names of `TrainingConfig` and what they are to be; texts are read as numbers where one is meant.

    Raises:
        ConfigurationError: Its message lists everything that is wrong.
    """
    values = dict(values or {})
    faults = [] if preset in PRESETS else [f"there is no preset {preset}{_suggest(preset, PRESETS)}"]
    chosen = {**PRESETS.get(preset, {}), **values, "preset": preset}
    config = None
    try:
        config = TrainingConfig.model_validate(chosen)
    except ValidationError as error:
        faults += [_describe(one["loc"], one["type"], one["msg"], one["input"]) for one in error.errors()]
    faults += _find_contradictions(chosen)
    if faults or config is None:
        raise ConfigurationError(
            "the training configuration is wrong: " + "; ".join(faults),
            advice="presets and fields with their units: docs/train.md",
        )
    return config


def _describe(place: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
    name = ".".join(map(str, place))
    if kind == "extra_forbidden":
        return f"there is no field {name}{_suggest(name, TrainingConfig.model_fields)}"
    field = TrainingConfig.model_fields.get(name)
    unit = f" ({field.description})" if field and field.description else ""
    return f"{name}={value}: {message[:1].lower()}{message[1:]}{unit}"


def _suggest(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f", is {near[0]} meant?" if near else f", only {', '.join(known)}"


def _find_contradictions(chosen: Mapping[str, Any]) -> list[str]:
    """What no field alone shows; a field with a fault of its own is told there."""

    def number(name: str) -> float | None:
        try:
            return float(chosen.get(name, TrainingConfig.model_fields[name].default))
        except (TypeError, ValueError):
            return None

    faults = []
    micro, batch, devices = number("micro_batch_examples"), number("batch_examples"), number("devices")
    if micro and batch and devices and batch % (micro * devices):
        told = f"micro_batch_examples={micro:g}" + (f" on devices={devices:g}" if devices > 1 else "")
        faults.append(f"{told} does not divide batch_examples={batch:g}")
    strategy = chosen.get("strategy", "single")
    if devices and (devices > 1) != (strategy in _SEVERAL):
        faults.append(f"strategy={strategy} does not go with devices={devices:g}, only {' and '.join(_SEVERAL)} with 2")
    if strategy == "fsdp" and chosen.get("method") == "lora":
        faults.append("strategy=fsdp is for method=qlora")
    return faults
