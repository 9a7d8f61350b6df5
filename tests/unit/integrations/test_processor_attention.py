"""Attention without a mask gives what attention with one gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import DynamicCache, MistralConfig, MistralForCausalLM

from tasks.integrations.causal_models import load_model
from tasks.integrations.processor_attention import attend_fastest
from tests.fakes.tiny_models import save_tiny_phi

TOKENS = 96


@pytest.fixture(scope="module")
def phi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_phi(tmp_path_factory.mktemp("phi") / "tiny-phi3", context_tokens=512)


def read_in_pieces(model: Any, sizes: list[int], mask: torch.Tensor | None = None) -> torch.Tensor:
    """Log-probabilities after the last token [b x v]."""
    ids = torch.arange(5, 5 + TOKENS)[None].expand(1 if mask is None else len(mask), TOKENS)
    cache, done = DynamicCache(), 0
    for size in sizes:
        some = ids[:, done : done + size]
        done += size
        seen = None if mask is None else mask[:, :done]
        logits = model(some, attention_mask=seen, past_key_values=cache).logits
    return torch.log_softmax(logits[:, -1].float(), -1)


@torch.inference_mode()
@pytest.mark.parametrize("sizes", [[TOKENS], [70, 26], [10, 1, 40, 45]])
def test_a_text_that_goes_on_is_read_as_one_that_is_read_whole(phi: Path, sizes: list[int]) -> None:
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(phi, dtype=torch.float32)
    torch.testing.assert_close(read_in_pieces(load_model(phi, dtype="float32"), sizes), read_in_pieces(plain, [TOKENS]))


@torch.inference_mode()
def test_padding_is_still_hidden(phi: Path) -> None:
    model = load_model(phi, dtype="float32")
    mask = torch.ones(2, TOKENS, dtype=torch.long)
    mask[1, :30] = 0
    in_pieces, whole = read_in_pieces(model, [50, 46], mask), read_in_pieces(model, [TOKENS], mask)
    torch.testing.assert_close(in_pieces, whole)
    assert not torch.allclose(whole[0], whole[1], atol=1e-3)


@torch.inference_mode()
def test_a_window_is_still_kept() -> None:
    torch.manual_seed(4)
    config = MistralConfig(
        vocab_size=128, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, sliding_window=16,
    )  # fmt: skip
    model: Any = MistralForCausalLM(config)
    model.eval()
    whole = read_in_pieces(model, [TOKENS])
    attend_fastest(model, wide=False)
    torch.testing.assert_close(read_in_pieces(model, [60, 36]), whole)


@torch.inference_mode()
@pytest.mark.parametrize("window", [None, 16])
def test_heads_that_share_keys_write_on_as_they_read(window: int | None) -> None:
    torch.manual_seed(4)
    config = MistralConfig(
        vocab_size=128, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, sliding_window=window,
    )  # fmt: skip
    model: Any = MistralForCausalLM(config)
    model.eval()
    whole = read_in_pieces(model, [TOKENS])
    attend_fastest(model, wide=False)
    torch.testing.assert_close(read_in_pieces(model, [60, 34, 1, 1]), whole)


@torch.inference_mode()
def test_a_widened_attention_is_as_near_to_float32_as_a_narrow_one(phi: Path) -> None:
    exact = read_in_pieces(load_model(phi, dtype="float32"), [20, 76])
    narrow = load_model(phi, dtype="float32").bfloat16()
    plain = read_in_pieces(narrow, [20, 76])
    narrow.set_attn_implementation("sdpa")
    attend_fastest(narrow, wide=True)
    assert (read_in_pieces(narrow, [20, 76]) - exact).abs().mean() < 1.1 * (plain - exact).abs().mean()


def test_a_model_with_another_attention_keeps_it(phi: Path) -> None:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(phi, attn_implementation="eager")
    attend_fastest(model, wide=True)
    assert model.config._attn_implementation == "eager"
