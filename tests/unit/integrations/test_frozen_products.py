"""Products of weights that never change: many rows in float32, few rows by weights of fewer bytes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tasks.integrations import causal_models, frozen_products
from tasks.integrations.causal_models import load_model
from tasks.integrations.frozen_products import (
    FEW_ROWS,
    HALF_ROWS,
    FrozenLinear,
    multiplies_halves,
    pack_four_bits,
    pack_halves,
    pack_products,
    widen_products,
)
from tests.fakes.tiny_models import save_tiny_phi

ROWS = 96
needs_halves = pytest.mark.skipif(not multiplies_halves(), reason="torch has no FBGEMM on this processor")


@pytest.fixture(scope="module")
def phi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Phi-3 with its fused projections, random weights."""
    return save_tiny_phi(tmp_path_factory.mktemp("phi") / "tiny-phi3", context_tokens=512)


def make_linear() -> FrozenLinear:
    torch.manual_seed(0)
    linear = FrozenLinear(48, 32).bfloat16().requires_grad_(False)
    linear.is_wide = True
    return linear


def draw_levels(rows: int, columns: int) -> torch.Tensor:
    """Weights [rows x columns] as four bits, a scale and a zero for each 32 give them, some groups of one value."""
    torch.manual_seed(4)
    levels = torch.randint(0, 16, (rows, columns // 32, 32)).float()
    levels[..., 0], levels[..., 1] = 0, 15
    levels[::7, 0] = 3
    scales, lowest = torch.rand(2, rows, columns // 32, 1)
    weight: torch.Tensor = (levels * (scales + 0.1) + 3 * lowest - 6).flatten(1) / 20
    return weight


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


@pytest.fixture
def packing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this processor does best."""
    monkeypatch.setattr(frozen_products, "multiplies_four_bits", lambda: True)


@pytest.mark.usefixtures("packing")
@pytest.mark.parametrize("is_wide", [True, False])
@pytest.mark.parametrize("rows", [1, 5, FEW_ROWS])
@pytest.mark.parametrize("shape", [(96, 64), (64, 192)])
@torch.inference_mode()
def test_what_came_out_of_four_bits_is_multiplied_so(shape: tuple[int, int], rows: int, *, is_wide: bool) -> None:
    inputs = torch.randn(rows, 3, shape[1]).bfloat16()[:, -1:]  # not of one piece, as a prompt's last token
    linear = torch.nn.Linear(shape[1], shape[0])
    linear.weight.copy_(draw_levels(*shape))
    exact = linear(inputs.float())
    model = torch.nn.Sequential(linear).bfloat16()
    plain = model(inputs).float()
    if is_wide:
        widen_products(model)
    pack_products(model)
    frozen: Any = model[0]
    frozen.weight.fill_(torch.nan)  # to show that these are not read
    packed = model(inputs).float()
    assert packed.shape == exact.shape
    assert (packed - exact).abs().mean() < 2 * (plain - exact).abs().mean()
    assert (packed - exact).abs().max() < 0.04 * exact.abs().max()


@pytest.mark.usefixtures("packing")
def test_a_gradient_and_more_rows_go_through_the_weights_themselves() -> None:
    linear = torch.nn.Linear(64, 96)
    with torch.no_grad():
        linear.weight.copy_(draw_levels(96, 64))
    model = torch.nn.Sequential(linear).bfloat16().requires_grad_(False)
    inputs, many = torch.randn(2, 64).bfloat16().requires_grad_(), torch.randn(FEW_ROWS + 1, 64).bfloat16()
    wanted, wanted_many = model(inputs), model(many)
    (gradient,) = torch.autograd.grad(wanted.sum(), inputs)
    pack_products(model)
    assert isinstance(model[0], FrozenLinear)
    assert torch.equal(model(inputs), wanted)
    assert torch.equal(torch.autograd.grad(model(inputs).sum(), inputs)[0], gradient)
    with torch.no_grad():
        assert torch.equal(model(many), wanted_many)


def draw_one_other() -> torch.Tensor:
    weight = draw_levels(32, 64)
    weight[31] = torch.randn(64)
    return weight


@pytest.mark.parametrize(
    "weight",
    [
        torch.randn(32, 64).bfloat16(),
        draw_one_other().bfloat16(),
        draw_levels(32, 64)[:, :48].bfloat16(),
        draw_levels(40, 64).bfloat16(),
    ],
    ids=["never in four bits", "one row was not", "no whole groups", "rows that torch cannot pack"],
)
@pytest.mark.usefixtures("packing")
def test_other_weights_stay_as_they_are(weight: torch.Tensor) -> None:
    assert pack_four_bits(weight, None) is None
    assert not is_packed(weight)


def is_packed(weight: torch.Tensor) -> bool:
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight = torch.nn.Parameter(weight, requires_grad=False)
    model = torch.nn.Sequential(linear)
    pack_products(model)
    assert isinstance(model[0], FrozenLinear) is (model[0] is not linear)
    return model[0] is not linear


@needs_halves
@pytest.mark.parametrize("rows", [1, 5, HALF_ROWS])
@pytest.mark.parametrize("shape", [(96, 64), (33, 50), (1, 7)])
@torch.inference_mode()
def test_few_rows_of_float32_are_multiplied_by_halves(shape: tuple[int, int], rows: int) -> None:
    torch.manual_seed(2)
    inputs = torch.randn(rows, 3, shape[1])[:, -1:]  # not of one piece, as a prompt's last token
    model = torch.nn.Sequential(torch.nn.Linear(shape[1], shape[0]))
    linear: Any = model[0]
    rounded = torch.nn.functional.linear(inputs.double(), linear.weight.half().double(), linear.bias.double())
    pack_products(model)
    frozen: Any = model[0]
    frozen.weight.fill_(torch.nan)  # to show that these are not read
    packed = model(inputs)
    assert packed.dtype is torch.float32
    torch.testing.assert_close(packed, rounded.float(), rtol=1e-5, atol=1e-5)


@needs_halves
def test_a_gradient_and_more_rows_go_through_the_float32_weights() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(64, 96)).requires_grad_(False)
    inputs, many = torch.randn(2, 64).requires_grad_(), torch.randn(HALF_ROWS + 1, 64)
    wanted, wanted_many = model(inputs), model(many)
    pack_products(model)
    assert isinstance(model[0], FrozenLinear)
    assert torch.equal(model(inputs), wanted)
    with torch.no_grad():
        assert not torch.equal(model(inputs), wanted)
        assert torch.equal(model(many), wanted_many)


@needs_halves
@pytest.mark.parametrize(
    ("largest", "dtype", "is_in_halves"),
    [
        (65504.0, torch.float32, True),
        (65520.0, torch.float32, False),
        (-65520.0, torch.float32, False),
        (torch.nan, torch.float32, False),
        (torch.inf, torch.float32, False),
        (1.0, torch.float16, False),
        (1.0, torch.bfloat16, False),
    ],
)
def test_only_float32_that_fits_is_kept_in_halves(largest: float, dtype: torch.dtype, *, is_in_halves: bool) -> None:
    weight = torch.randn(32, 48, dtype=dtype)
    weight[3, 5] = largest
    assert is_packed(weight) is is_in_halves


@needs_halves
@pytest.mark.parametrize(("size", "is_in_halves"), [(1e-4, True), (1e-6, False)])
def test_a_row_of_numbers_too_small_for_float16_is_not_kept_in_it(size: float, *, is_in_halves: bool) -> None:
    weight = torch.randn(32, 48)
    weight[7] = torch.linspace(1, 2, 48) * size
    assert is_packed(weight) is is_in_halves


@needs_halves
@torch.inference_mode()
def test_what_has_no_rows_or_no_weights_is_multiplied_as_before() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(64, 96))
    whole = model(torch.ones(64))
    pack_products(model)
    assert torch.equal(model(torch.ones(64)), whole)
    assert model(torch.ones(0, 64)).shape == (0, 96)
    assert pack_halves(torch.zeros(0, 64), None) is None
    assert pack_halves(torch.zeros(32, 64, device="meta"), None) is None


def test_halves_are_not_kept_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.randn(32, 48)
    memory = SimpleNamespace(available=3 * weight.nbytes // 2)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    assert not is_packed(weight)
    memory.available += 1
    assert is_packed(weight) is multiplies_halves()


@pytest.mark.parametrize(("capability", "is_packed"), [("AVX512", True), ("AVX2", False), ("DEFAULT", False)])
def test_four_bits_are_read_only_where_that_is_faster(
    monkeypatch: pytest.MonkeyPatch, capability: str, *, is_packed: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    linear = torch.nn.Linear(64, 96)
    linear.weight.data.copy_(draw_levels(96, 64))
    model = torch.nn.Sequential(linear).bfloat16()
    pack_products(model)
    assert isinstance(model[0], FrozenLinear) is is_packed


def test_a_widened_model_is_as_near_to_float32_as_a_narrow_one(phi: Path) -> None:
    ids = torch.arange(5, 5 + ROWS)[None]
    exact = load_model(phi, dtype="float32")(ids).logits
    narrow = load_model(phi, dtype="float32").bfloat16()
    plain = narrow(ids).logits.float()
    widen_products(narrow)
    wide = narrow(ids).logits.float()
    assert any(isinstance(layer, FrozenLinear) for layer in narrow.modules())
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
    assert any(isinstance(layer, FrozenLinear) for layer in model.modules()) is not tiles


@pytest.mark.parametrize(
    ("dtype", "gains", "halves", "told"),
    [
        ("bfloat16", False, True, "bfloat16, multiplied in float32: faster on this processor"),
        ("bfloat16", True, True, "bfloat16"),
        ("float32", False, True, "float32, new tokens by weights in float16: faster on this processor"),
        ("float32", False, False, "float32"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, whose arithmetic is its own")
def test_the_doctor_is_told_what_is_kept_and_what_is_multiplied(
    monkeypatch: pytest.MonkeyPatch, dtype: str, told: str, *, gains: bool, halves: bool
) -> None:
    monkeypatch.setattr(causal_models, "gains_by_bfloat16", lambda: gains)
    monkeypatch.setattr(frozen_products, "multiplies_halves", lambda: halves)
    assert causal_models.describe_numbers(dtype) == told
