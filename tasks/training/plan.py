"""What a training takes, before it starts: tokens, steps, time, and memory with its arithmetic.

Weights, gradients and Adam's states after Rajbhandari et al., "ZeRO" (arXiv 1910.02054, section 3.1): 16 bytes a
parameter for full fine-tuning in mixed precision. NF4 with double quantisation takes 4.127 bits (QLoRA, arXiv
2305.14314, section 3). Activations are what the backward pass of LoRA needs, counted from the model's sizes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tasks.training.train import Prepared
from tasks.training_models import MemoryNeed, ModelShape, TrainingConfig, TrainingPlan

NF4_BYTES = 4.127 / 8
FULL_BYTES = 16
ADAPTER_BYTES = 16
"""float32 weights, gradients and Adam's two states."""

DEVICE_BYTES = 80e9
"""Of the accelerator that the table counts in."""

USABLE_SHARE = 0.9
"""Of a device's memory: the rest is fragments and the library's own."""

LIBRARIES_BYTES = 0.17e9
"""What importing trl, peft and bitsandbytes adds to a process that has planned (measured: 165 MiB)."""

HEAP_SHARE = 1.75
"""Resident memory to bytes in use, of what a step keeps on a CPU: a layer frees float32 copies between blocks that
stay, and the allocator cannot give such holes back. Measured 1.7 to 2.0; with every block mapped on its own it is 1.0,
and a step takes 1.7 times the processor time."""


class Machine(NamedTuple):
    """Where it will run."""

    device: str
    compute_bytes: int
    """Of a number that is computed with: 2 or 4."""
    process_bytes: int
    """Of the process that will train, before anything of the training is in it; counts on a CPU."""
    tokens_per_second: float | None
    """Measured in an earlier training of this base model and method here; None: not measured."""


def plan_training(prepared: Prepared, config: TrainingConfig, machine: Machine) -> TrainingPlan:
    """Everything that is known before the weights are loaded."""
    shape = prepared.base.shape
    steps = math.ceil(len(prepared.order) / config.batch_examples)
    lengths = [len(prepared.train.examples[place].tokens) for place in prepared.order]
    answers = [prepared.train.examples[place].answer_tokens for place in prepared.order]
    tokens = max(lengths) * config.micro_batch_examples
    numbers = machine.compute_bytes
    activations = count_activations(shape, config, tokens, max(answers) * config.micro_batch_examples, numbers)
    needs = tuple(
        need_memory(method, shape, config, activations=activations, tokens=tokens)
        for method in ("full", "lora", "qlora")
    )
    peak, summed = explain_peak(shape, config, activations, machine)
    seconds = prepared.tokens / machine.tokens_per_second if machine.tokens_per_second else None
    return TrainingPlan(
        adapter_id=prepared.adapter_id,
        examples=len(prepared.train.examples),
        left_out=prepared.train.left_out,
        validation_examples=len(prepared.validation.examples),
        kinds=prepared.train.kinds,
        tokens=prepared.tokens,
        steps=steps,
        expected_seconds=seconds,
        peak_memory_bytes=peak,
        needs=needs,
        lines=tuple(_explain(prepared, config, machine, steps, seconds, summed, needs)),
    )


def count_adapter(shape: ModelShape, config: TrainingConfig) -> int:
    """Parameters of the adapter: rank x (in + out) for each linear map of the upper layers."""
    layers = max(1, round(config.layers_share * shape.layers))
    return layers * sum(config.rank * (before + after) for before, after in shape.linear_shapes)


def count_activations(
    shape: ModelShape, config: TrainingConfig, tokens: int, answer_tokens: int, compute_bytes: int
) -> int:
    """Bytes kept for the backward pass of one micro batch.

    A layer keeps the inputs of its seven linear maps (those of one input share it), of its norms, in float32, and of
    its activation, attention's queries, keys, values and output, and for LoRA what its first maps yield: counted block
    by block of a real step. Dropout keeps each map's input once more, and a byte a number of what was dropped. The loss
    keeps its logits twice in float32. With checkpointing only the layers' inputs stay, and one layer is recomputed at a
    time.
    """
    hidden, wide, width = shape.hidden, shape.intermediate, shape.attention_width
    kept_numbers = 6 * hidden + 2 * width + 2 * shape.key_value_width + 4 * wide
    layer = compute_bytes * (kept_numbers + len(shape.linear_shapes) * config.rank)
    layer += 4 * 2 * hidden if compute_bytes < 4 else 0
    layer += (compute_bytes + 1) * sum(before for before, _ in shape.linear_shapes) if config.dropout else 0
    kept = shape.layers * compute_bytes * hidden + layer if config.gradient_checkpointing else shape.layers * layer
    return tokens * kept + 2 * 4 * answer_tokens * shape.vocabulary


def explain_peak(shape: ModelShape, config: TrainingConfig, activations: int, machine: Machine) -> tuple[int, str]:
    """What a device of this machine will need at most, and how that is summed up.

    On a CPU 4-bit weights are unpacked, since nothing multiplies them, and processes count as a whole, all of them
    together. Devices that share a model load its 4-bit weights whole before each keeps its share, and hold one layer
    whole while it is computed.
    """
    adapter, numbers = ADAPTER_BYTES * count_adapter(shape, config), machine.compute_bytes
    linear = NF4_BYTES if config.method == "qlora" and machine.device != "cpu" else numbers
    weights = linear * shape.linear_parameters + numbers * shape.other_parameters
    said = f"weights {weights / 1e9:.2f} + adapter {adapter / 1e9:.2f}"
    if config.strategy == "fsdp":
        layer = linear * shape.linear_parameters / shape.layers
        shared = (weights + adapter) / config.devices + layer + activations
        peak = round(max(weights, shared))
        return peak, (
            f"each of {config.devices} devices: ({said}) / {config.devices} + a layer {layer / 1e9:.2f} + "
            f"activations {activations / 1e9:.2f} = {shared / 1e9:.2f}, "
            f"loading {weights / 1e9:.2f}: {peak / 1e9:.2f} GB"
        )
    if machine.device != "cpu":
        peak = round(weights + adapter + activations)
        return peak, f"{said} + activations {activations / 1e9:.2f} = {peak / 1e9:.2f} GB"
    process = machine.process_bytes + LIBRARIES_BYTES
    each = process + weights + adapter + HEAP_SHARE * activations
    kept = f"activations {activations / 1e9:.2f} x {HEAP_SHARE} for holes in the heap"
    summed = f"process {process / 1e9:.2f} + {said} + {kept}"
    if config.devices == 1:
        return round(each), f"{summed} = {each / 1e9:.2f} GB"
    # The process that starts the others waits, as large as it has planned.
    peak = round(machine.process_bytes + config.devices * each)
    return peak, f"{config.devices} processes x ({summed}) + {machine.process_bytes / 1e9:.2f} = {peak / 1e9:.2f} GB"


def explain_devices(config: TrainingConfig, machine: Machine) -> list[str]:
    """How several devices share the work, and what of it nobody has seen run."""
    if config.devices == 1:
        return []
    shared = "a share of the model on each" if config.strategy == "fsdp" else "the whole model on each"
    where = "processes on a processor" if machine.device == "cpu" else "GPUs"
    untried = "" if machine.device == "cpu" else "; never run: it needs two GPUs"
    return [f"{config.devices} {where}, {shared} (strategy={config.strategy}){untried}"]


def need_memory(method: str, shape: ModelShape, config: TrainingConfig, *, activations: int, tokens: int) -> MemoryNeed:
    """What a method needs on accelerators, 16-bit weights, and how many of 80 GB hold it."""
    total, adapter = shape.parameters, count_adapter(shape, config)
    if method == "full":
        weights, gradients, optimizer = 6 * total, 2 * total, 8 * total
        said = f"{total / 1e9:.2f}e9 x (2 weights + 4 master copy + 2 gradients + 8 Adam)"
    elif method == "lora":
        weights, gradients, optimizer = 2 * total + 4 * adapter, 4 * adapter, 8 * adapter
        said = f"{total / 1e9:.2f}e9 x 2 + {adapter / 1e6:.1f}e6 x 16"
    else:
        packed = round(NF4_BYTES * shape.linear_parameters)
        weights, gradients, optimizer = packed + 2 * shape.other_parameters + 4 * adapter, 4 * adapter, 8 * adapter
        said = (
            f"{shape.linear_parameters / 1e9:.2f}e9 x {NF4_BYTES:.3f} + {shape.other_parameters / 1e9:.2f}e9 x 2 + "
            f"{adapter / 1e6:.1f}e6 x 16"
        )
    summed = weights + gradients + optimizer + activations
    return MemoryNeed(
        method=method,
        weights_bytes=weights,
        gradients_bytes=gradients,
        optimizer_bytes=optimizer,
        activations_bytes=activations,
        devices=max(1, math.ceil(summed / (USABLE_SHARE * DEVICE_BYTES))),
        arithmetic=f"{said} + activations of {tokens} tokens {activations / 1e9:.2f}e9 = {summed / 1e9:.2f} GB",
    )


LLAMA_70B = ModelShape(
    layers=80,
    hidden=8192,
    intermediate=28672,
    heads=64,
    key_value_heads=8,
    head_size=128,
    vocabulary=128256,
    tied=False,
)
"""The article's example."""


def explain_70b(config: TrainingConfig) -> str:
    """The article's "2 GPUs instead of 36" for a 70B model, recomputed: one example of 2,048 tokens, checkpointing."""
    large = config.model_copy(update={"gradient_checkpointing": True, "layers_share": 1.0})
    activations = count_activations(LLAMA_70B, large, 2048, 256, 2)
    full, lora, qlora = (
        need_memory(method, LLAMA_70B, large, activations=activations, tokens=2048).devices
        for method in ("full", "lora", "qlora")
    )
    return (
        f"a 70B model needs {full} devices of 80 GB for full fine-tuning, {lora} for LoRA, {qlora} for QLoRA: "
        f'the article\'s "2 instead of 36" is {full / qlora:.0f} to 1 here'
    )


def _explain(
    prepared: Prepared,
    config: TrainingConfig,
    machine: Machine,
    steps: int,
    seconds: float | None,
    summed: str,
    needs: tuple[MemoryNeed, ...],
) -> list[str]:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(prepared.train.kinds.items()))
    rate = machine.tokens_per_second
    said = "time: not measured on this machine yet; the progress bar will say"
    if seconds is not None and rate:
        said = f"about {seconds:.0f} s at {rate:.0f} tokens/s, measured in the last training here"
    examples = (
        f"{len(prepared.train.examples)} examples ({kinds}), {prepared.train.left_out} too long, "
        f"{len(prepared.validation.examples)} to validate"
    )
    return [
        examples,
        f"{prepared.tokens} tokens in {steps} steps of {config.batch_examples} examples",
        said,
        *explain_devices(config, machine),
        f"memory here ({machine.device}, {machine.compute_bytes} bytes a number): {summed}",
        *(f"{need.method}: {need.arithmetic} -> {need.devices} x 80 GB" for need in needs),
        explain_70b(config),
    ]
