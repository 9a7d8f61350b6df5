"""Products in float32 of numbers that are kept in bfloat16."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tasks.integrations import causal_models
from tasks.integrations.causal_models import load_model
from tasks.integrations.wide_products import WideLinear, widen_products
from tests.fakes.tiny_models import save_tiny_phi

ROWS = 96


@pytest.fixture(scope="module")
def phi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Phi-3 with its fused projections, random weights."""
    return save_tiny_phi(tmp_path_factory.mktemp("phi") / "tiny-phi3", context_tokens=512)


def make_linear() -> WideLinear:
    torch.manual_seed(0)
    return WideLinear(48, 32).bfloat16().requires_grad_(False)


def test_many_rows_are_multiplied_exactly_and_rounded_once() -> None:
    linear, inputs = make_linear(), torch.randn(2, ROWS // 2, 48).bfloat16()
    exact = torch.nn.functional.linear(inputs.double(), linear.weight.double(), linear.bias.double())
    assert torch.equal(linear(inputs), exact.float().bfloat16())


def test_few_rows_are_multiplied_as_they_are() -> None:
    linear, inputs = make_linear(), torch.randn(3, 48).bfloat16()
    assert torch.equal(linear(inputs), torch.nn.functional.linear(inputs, linear.weight, linear.bias))


def test_the_gradient_of_the_inputs_is_that_of_float32_also_under_autocast() -> None:
    linear, inputs = make_linear(), torch.randn(ROWS, 48).requires_grad_()
    weights = torch.randn(ROWS, 32)
    with torch.autocast("cpu", torch.bfloat16):
        product = linear(inputs)
    (product.float() * weights).sum().backward()
    wanted = weights.bfloat16().float() @ linear.weight.float()
    assert product.dtype is torch.bfloat16
    assert inputs.grad is not None
    torch.testing.assert_close(inputs.grad, wanted)


def test_a_widened_model_is_as_near_to_float32_as_a_narrow_one(phi: Path) -> None:
    ids = torch.arange(5, 5 + ROWS)[None]
    exact = load_model(phi, dtype="float32")(ids).logits
    narrow = load_model(phi, dtype="float32").bfloat16()
    plain = narrow(ids).logits.float()
    widen_products(narrow)
    wide = narrow(ids).logits.float()
    assert any(isinstance(layer, WideLinear) for layer in narrow.modules())
    assert (wide - exact).abs().mean() < 1.1 * (plain - exact).abs().mean()


def test_a_widened_model_writes_on_as_it_reads(phi: Path) -> None:
    """What it remembers of a prompt that was read in many rows fits what it writes in few."""
    ids = torch.arange(5, 5 + ROWS)[None]
    model = load_model(phi, dtype="float32").bfloat16()
    widen_products(model)
    written = model.generate(ids, max_new_tokens=6, do_sample=False, pad_token_id=0)
    again = model(written[:, :-1]).logits[0, ROWS - 1 :]
    steps = again.float().log_softmax(-1)
    chosen = steps.gather(1, written[0, ROWS:, None])[:, 0]
    assert (steps.max(-1).values - chosen).max() < 0.05  # ties within bfloat16's rounding


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, whose arithmetic is its own")
@pytest.mark.parametrize("tiles", [True, False])
def test_without_amx_what_is_kept_in_bfloat16_is_multiplied_in_float32(
    monkeypatch: pytest.MonkeyPatch, phi: Path, *, tiles: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    model = load_model(phi, dtype="bfloat16")
    assert any(isinstance(layer, WideLinear) for layer in model.modules()) is not tiles


@pytest.mark.parametrize(
    ("dtype", "gains", "told"),
    [
        ("bfloat16", False, "bfloat16, multiplied in float32: faster on this processor"),
        ("bfloat16", True, "bfloat16"),
        ("float32", False, "float32"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, whose arithmetic is its own")
def test_the_doctor_is_told_what_is_kept_and_what_is_multiplied(
    monkeypatch: pytest.MonkeyPatch, dtype: str, told: str, *, gains: bool
) -> None:
    monkeypatch.setattr(causal_models, "gains_by_bfloat16", lambda: gains)
    assert causal_models.describe_numbers(dtype) == told
