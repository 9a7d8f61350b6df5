"""A tiny Phi-3 with random weights in a folder: the real architecture, fused projections, and a byte tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CONTROL = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
PHI_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content | trim }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def save_byte_tokenizer(folder: Path, template: str | None = PHI_TEMPLATE) -> Any:
    """A token a byte, Phi-3's control tokens, and "</s>" that is one without being declared special."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.decoders import ByteLevel as ByteDecoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import PreTrainedTokenizerFast

    alphabet = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Tokenizer(BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteDecoder()
    tokenizer.add_special_tokens(CONTROL)
    tokenizer.add_tokens([AddedToken("</s>", special=False, normalized=False)])
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token=CONTROL[0], pad_token=CONTROL[0], additional_special_tokens=CONTROL[1:]
    )
    fast.chat_template = template
    fast.save_pretrained(folder)
    return fast


def save_tiny_phi(
    folder: Path, *, template: str | None = PHI_TEMPLATE, seed: int = 7, context_tokens: int = 2048
) -> Path:
    """The folder, with a model in it."""
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    tokenizer = save_byte_tokenizer(folder, template)
    torch.manual_seed(seed)
    config = Phi3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context_tokens,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    Phi3ForCausalLM(config).save_pretrained(folder)
    return folder
