"""What is measured: models of published shapes with random weights, and how large each part's work is.

A step's time depends on shapes, not on what weights hold: no model needs to be fetched. The tokenizer is there because
the trainer wants one; nothing is tokenised.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks.training_models import ModelShape
from tasks.training_ports import EncodedExample

CONTROL = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
ADAPTERS = ("first", "second", "third")


class Size(NamedTuple):
    """One size of the whole benchmark."""

    small: Mapping[str, Any]
    """Fields of `Phi3Config`."""
    large: Mapping[str, Any]
    """Fields of `LlamaConfig`."""
    batches: tuple[tuple[int, int], ...]
    """(examples, tokens of each) of a step."""
    answer_tokens: int
    steps: int
    large_tokens: int
    prompt_tokens: int
    new_tokens: int
    prompts: int
    """Generated for at once; a multiple of the adapters."""
    swaps: int


FULL = Size(
    # Phi-3-mini-4k-instruct: 3.82e9 parameters, fused qkv_proj and gate_up_proj.
    small={"vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32}
    | {"num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096},
    # Llama-3.3-70B-Instruct: 70.55e9 parameters.
    large={"vocab_size": 128256, "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80}
    | {"num_attention_heads": 64, "num_key_value_heads": 8, "max_position_embeddings": 8192},
    batches=((1, 256), (1, 2048), (4, 2048)),
    answer_tokens=64,
    steps=9,
    large_tokens=2048,
    prompt_tokens=512,
    new_tokens=64,
    prompts=24,
    swaps=50,
)
TINY = Size(
    small={"vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    | {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256},
    large={"vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    | {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256},
    batches=((1, 16), (2, 32)),
    answer_tokens=4,
    steps=3,
    large_tokens=32,
    prompt_tokens=8,
    new_tokens=4,
    prompts=6,
    swaps=4,
)


def read_shape(fields: Mapping[str, Any]) -> ModelShape:
    """What the plan counts with."""
    return ModelShape(
        layers=fields["num_hidden_layers"],
        hidden=fields["hidden_size"],
        intermediate=fields["intermediate_size"],
        heads=fields["num_attention_heads"],
        key_value_heads=fields["num_key_value_heads"],
        head_size=fields["hidden_size"] // fields["num_attention_heads"],
        vocabulary=fields["vocab_size"],
        tied=False,
    )


def draw_examples(size: Size, examples: int, tokens: int) -> list[EncodedExample]:
    """Random tokens for all steps of a training."""
    chance = random.Random(0)
    return [
        EncodedExample(
            str(number),
            tuple(chance.randrange(10, size.small["vocab_size"]) for _ in range(tokens)),
            size.answer_tokens,
        )
        for number in range(examples * size.steps)
    ]


def count_flops(shape: ModelShape, adapter: int, examples: int, tokens: int, answer_tokens: int) -> float:
    """Floating-point operations that a LoRA step must do; what checkpointing computes again is left out.

    Frozen weights are multiplied with twice (forward, and back to their inputs), two operations each; the adapter's
    three times. Causal attention multiplies half of its square: twice forward, twice as often backward. The output
    layer is multiplied with for the answers alone.
    """
    every = examples * tokens
    attention = 3 * 2 * shape.layers * shape.attention_width * tokens
    output = 4 * shape.vocabulary * shape.hidden * examples * answer_tokens
    return float(every * (4 * shape.linear_parameters + 6 * adapter + attention) + output)


def save_model(size: Size, folder: Path, device: str) -> None:
    """The small model with random weights, its tokenizer, and adapters on it, none of which is zero."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import Phi3Config, Phi3ForCausalLM

    from tasks.integrations.causal_models import choose_dtype

    save_tokenizer(folder)
    torch.manual_seed(0)
    dtype = getattr(torch, choose_dtype(device))
    config = Phi3Config(**size.small, pad_token_id=0, eos_token_id=0, bos_token_id=None)
    with torch.device(device):
        model: Any = Phi3ForCausalLM._from_config(config, dtype=dtype)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    lora = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear", init_lora_weights=False)
    adapted = get_peft_model(model, lora, adapter_name=ADAPTERS[0])
    for name in ADAPTERS[1:]:
        adapted.add_adapter(name, lora)
    # PEFT gives each adapter a folder of its name.
    adapted.save_pretrained(str(folder.parent / "adapters"), selected_adapters=list(ADAPTERS))


def save_tokenizer(folder: Path) -> None:
    """A token a byte."""
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import PreTrainedTokenizerFast

    letters = {one: number for number, one in enumerate([*CONTROL, *sorted(ByteLevel.alphabet())])}
    tokenizer = Tokenizer(BPE(vocab=letters, merges=[]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token=CONTROL[0], pad_token=CONTROL[0]
    )
    fast.save_pretrained(folder)
