"""One QLoRA step of a 70B-shaped Llama on one device.

Its 16-bit weights would be 141 GB: each layer is made alone, packed into 4 bits, and its 16-bit form dropped before the
next one is made, as a loader does that reads a checkpoint's shards one by one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.gpu.device import count_free_bytes, wait
from bench.gpu.shapes import Size, read_shape
from tasks.integrations.qlora.memory import read_peak, reset_peak
from tasks.training.plan import count_activations, need_memory
from tasks.training.presets import make_config
from tasks.training_models import TrainingConfig


def measure_large(size: Size, work: Path, device: str) -> Iterator[dict[str, Any]]:
    """One row: what was planned, what it took.

    Raises:
        MemoryError: The device has less free memory than the plan counts.
    """
    del work
    config = make_config("70b-qlora-one-gpu")
    planned = count_needed(size, config)
    free = count_free_bytes(device)
    if free < planned:
        raise MemoryError(f"the plan counts {planned / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
    reset_peak(device)
    started = time.perf_counter()
    model = add_adapter(build_packed(size, device), config)
    wait(device)
    built = time.perf_counter()
    weights = read_peak(device)
    loss = take_step(model, size, config, device)
    wait(device)
    yield {
        "parameters": read_shape(size.large).parameters,
        "tokens_per_step": size.large_tokens,
        "seconds_to_build": built - started,
        "seconds_per_step": time.perf_counter() - built,
        "planned_bytes": planned,
        "weights_bytes": weights,
        "peak_memory_bytes": read_peak(device),
        "loss": loss,
    }


def count_needed(size: Size, config: TrainingConfig) -> int:
    """What `expertloop train --plan` would tell."""
    shape, tokens = read_shape(size.large), size.large_tokens
    activations = count_activations(shape, config, tokens, size.answer_tokens, 2)
    return need_memory("qlora", shape, config, activations=activations, tokens=tokens).total_bytes


def build_packed(size: Size, device: str) -> Any:
    """A Llama whose layers are in 4 bits, and whose 16-bit form was never there as a whole."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    torch.manual_seed(0)
    config = LlamaConfig(**size.large, dtype=torch.bfloat16)
    with torch.device("meta"):
        model: Any = LlamaForCausalLM(config)
    for layer in model.model.layers:
        for name, linear in list(layer.named_modules()):
            if isinstance(linear, torch.nn.Linear):
                layer.set_submodule(name, pack_linear(linear, device))
    fill_rest(model, device)
    model.model.rotary_emb = LlamaRotaryEmbedding(config).to(device)
    # PEFT asks this before it puts its own layers around 4-bit ones.
    model.is_loaded_in_4bit = True
    return model.requires_grad_(False)


def pack_linear(linear: Any, device: str) -> Any:
    """A 4-bit layer of random weights: NF4 with doubly quantised scales."""
    import torch
    from bitsandbytes.nn.modules import Linear4bit, Params4bit

    wide, narrow = linear.out_features, linear.in_features
    packed: Any = Linear4bit(  # type: ignore[no-untyped-call]
        narrow, wide, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4", device=torch.device("meta")
    )
    weights = torch.randn(wide, narrow, dtype=torch.bfloat16, device=device) * 0.02
    unpacked: Any = Params4bit(weights, requires_grad=False, quant_type="nf4", module=packed)
    # Moving it packs it.
    packed.weight = unpacked.to(device)
    # On a processor it would repack the weights for inference, and not back for training.
    packed.support_avx512bf16_for_cpu = False
    return packed


def fill_rest(model: Any, device: str) -> None:
    """Embedding and output layer random, norms 1, in 16 bits."""
    import torch

    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.is_meta:
                kind = torch.ones if parameter.dim() == 1 else torch.randn
                value = kind(parameter.shape, dtype=torch.bfloat16, device=device)
                value *= 1 if parameter.dim() == 1 else 0.02
                setattr(module, name, torch.nn.Parameter(value, requires_grad=False))


def add_adapter(model: Any, config: TrainingConfig) -> Any:
    """LoRA on all linear maps, with recomputation, as the preset asks."""
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(task_type="CAUSAL_LM", r=config.rank, lora_alpha=config.alpha, target_modules="all-linear")
    adapted = get_peft_model(model, lora)
    adapted.gradient_checkpointing_enable({"use_reentrant": False})
    adapted.enable_input_require_grads()
    return adapted.train()


def take_step(model: Any, size: Size, config: TrainingConfig, device: str) -> float:
    """Forward, backward, and Adam: the loss looks at the answer's tokens alone, as the trainer's does."""
    import torch

    trained = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate)
    ids = torch.randint(10, size.large["vocab_size"], (1, size.large_tokens), device=device)
    with torch.autocast(device, torch.bfloat16):
        causal = model.get_base_model()
        decoded = causal.base_model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
        logits = causal.get_output_embeddings()(decoded.last_hidden_state[0, -size.answer_tokens - 1 : -1])
    loss: Any = torch.nn.functional.cross_entropy(logits.float(), ids[0, -size.answer_tokens :])
    loss.backward()
    if not all(one.grad is not None for one in trained):
        raise RuntimeError("a part of the adapter got no gradient")
    optimizer.step()
    return float(loss.item())
