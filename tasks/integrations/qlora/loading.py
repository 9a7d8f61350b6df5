"""Loads a base model for training: frozen, in 4 bits for QLoRA, with fresh LoRA weights in 32.

QLoRA is arXiv 2305.14314: NF4 (section 3) and double quantisation; what is computed is the 4-bit weights' value in the
device's dtype. On a processor nothing multiplies 4-bit weights, so each use would unpack them anew; where the unpacked
weights fit easily they are kept, which changes no result.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tasks.errors import ConfigurationError
from tasks.integrations.causal_models import choose_dtype, load_model, multiply_fastest
from tasks.training_models import TrainingConfig

logger = logging.getLogger(__name__)

_UNPACKED_SHARE = 0.25
"""Unpacked weights may take so much of the machine's memory."""


class Loaded(NamedTuple):
    """A model ready to be trained."""

    model: Any
    """A PeftModel; its adapter's weights are float32, all others frozen."""
    dtype: Any
    """The torch dtype that is computed in."""


def load_trainable(folder: Path, config: TrainingConfig, device: str) -> Loaded:
    """The base model of a folder with fresh LoRA weights, which the seed decides.

    Raises:
        ConfigurationError: The model cannot be loaded, or the device has no place for it.
        ArtifactCorrupt: Its weights are damaged.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    dtype = getattr(torch, choose_dtype(device))
    # float16 gradients vanish without loss scaling, and the cards that know only float16 are older than this product.
    dtype = torch.float32 if dtype is torch.float16 else dtype
    model = (
        _load_packed(folder, dtype, device, config.strategy) if config.method == "qlora" else _load_plain(folder, dtype)
    )
    set_seed(config.seed)
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=_choose_maps(model, config.layers_share),
        bias="none",
    )
    peft = get_peft_model(model, lora)
    for parameter in peft.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if config.gradient_checkpointing:
        peft.enable_input_require_grads()
    return Loaded(peft, dtype)


def _choose_maps(model: Any, layers_share: float) -> str | list[str]:
    """The linear maps that get adapters: all but the output layer, of the upper layers."""
    layers = model.get_decoder().layers
    first = len(layers) - max(1, round(layers_share * len(layers)))
    if not first:
        return "all-linear"
    names = {id(layer): name for name, layer in model.named_modules()}
    linear = [one for layer in layers[first:] for one in layer.modules() if hasattr(one, "in_features")]
    return [names[id(one)] for one in linear]


def _load_plain(folder: Path, dtype: Any) -> Any:
    return load_model(folder, dtype=str(dtype).removeprefix("torch.")).requires_grad_(False)


def _load_packed(folder: Path, dtype: Any, device: str, strategy: str) -> Any:
    """NF4 with doubly quantised scales; on a processor unpacked again where memory is ample."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    packing = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        # FSDP cuts numbers, not bytes: 4-bit weights lie in numbers of the dtype that is computed in.
        bnb_4bit_quant_storage=dtype if strategy == "fsdp" else torch.uint8,
    )
    place = torch.cuda.current_device() if device == "cuda" else device
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            quantization_config=packing,
            dtype=dtype,
            device_map={"": place},
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(
            f"model {folder.name} cannot be loaded in 4 bits: {str(error).splitlines()[0][:200]}",
            advice="method=lora needs no 4-bit weights, and more memory",
        ) from error
    model.requires_grad_(False)
    if device == "cpu":
        unpack_weights(model, dtype)
        multiply_fastest(model, dtype)
    return model


def unpack_weights(model: Any, dtype: Any, *, share: float = _UNPACKED_SHARE) -> bool:
    """Replace 4-bit layers by layers of their value; False, and nothing done, when that takes too much memory."""
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn.modules import Linear4bit

    packed = {name: layer for name, layer in model.named_modules() if isinstance(layer, Linear4bit)}
    size = sum(one.in_features * one.out_features for one in packed.values()) * dtype.itemsize
    if size > share * psutil.virtual_memory().total:
        for layer in packed.values():
            # It would repack the weights for inference at the first evaluation, and not back for training.
            layer.support_avx512bf16_for_cpu = False
        logger.info("4-bit weights stay packed bytes_unpacked=%s", size)
        return False
    for name, layer in packed.items():
        plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        weight: Any = layer.weight
        value = dequantize_4bit(weight.data, weight.quant_state).to(dtype)
        plain.weight = torch.nn.Parameter(value, requires_grad=False)
        plain.bias = layer.bias
        model.set_submodule(name, plain)
    return True
