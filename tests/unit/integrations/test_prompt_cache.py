"""Prompts that are read one by one and written on together: as if each were alone, and nothing is read twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
)

from tasks.integrations import prompt_cache
from tasks.integrations.causal_models import load_model
from tasks.integrations.prompt_cache import Beginning, PromptCache, measure_longest, measure_token
from tests.fakes.tiny_models import save_tiny_phi

STEPS = 5
SHAPE: dict[str, Any] = {
    "vocab_size": 99, "hidden_size": 36, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256,
}  # fmt: skip
WINDOW = 12
LONG_SHAPE: dict[str, Any] = {
    **SHAPE, "hidden_size": 48, "head_dim": 8, "original_max_position_embeddings": 64, "pad_token_id": 0,
    "rope_parameters": {
        "rope_type": "longrope", "rope_theta": 10000.0, "original_max_position_embeddings": 64,
        "short_factor": [1.0] * 4, "long_factor": [9.0] * 4,
    },
}  # fmt: skip


def save_llama(folder: Path) -> None:
    LlamaForCausalLM(LlamaConfig(**SHAPE)).save_pretrained(folder)


def save_mistral(folder: Path) -> None:
    """Each token sees the last few alone."""
    MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=WINDOW)).save_pretrained(folder)


@pytest.fixture(params=[save_llama, save_tiny_phi, save_mistral], ids=["llama", "phi", "mistral"], scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with random weights."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("model")
    request.param(path)
    return path


@pytest.fixture
def model(folder: Path) -> Any:
    """As the generator has it."""
    return load_model(folder, dtype="float32")


@pytest.fixture
def plain(folder: Path) -> Any:
    """As transformers loads it."""
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval()


@pytest.fixture
def prompts() -> list[list[int]]:
    """Of many lengths; the second and third begin as the first, the fifth is the fourth again."""
    torch.manual_seed(2)
    first, other = torch.randint(5, 99, (60,)).tolist(), torch.randint(5, 99, (33,)).tolist()
    return [first, [*first[:40], 7, 8, 9], [*first[:20], *other], other, list(other)]


def count_read(model: Any) -> list[int]:
    """Tokens of each forward pass from now on."""
    read: list[int] = []
    model.get_input_embeddings().register_forward_hook(lambda _module, given, _out: read.append(given[0].numel()))
    return read


def pad(prompts: Sequence[Sequence[int]], width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and mask [rows x width], each row ending where its prompt does."""
    padding = [[0] * (width - len(one)) for one in prompts]
    tokens = [[*blank, *one] for blank, one in zip(padding, prompts, strict=True)]
    seen = [[*blank, *[1] * len(one)] for blank, one in zip(padding, prompts, strict=True)]
    return torch.tensor(tokens), torch.tensor(seen)


def write_on(
    model: Any, prompts: Sequence[Sequence[int]], cache: PromptCache | None, *, width: int = 0
) -> list[list[float]]:
    """Log-probabilities [rows x all tokens of STEPS steps], greedily."""
    padded, mask = pad(prompts, width or max(map(len, prompts)))
    output = model.generate(
        padded, attention_mask=mask, past_key_values=cache, max_new_tokens=STEPS, min_new_tokens=STEPS,
        do_sample=False, pad_token_id=0, output_logits=True, return_dict_in_generate=True,
    )  # fmt: skip
    return torch.stack(output.logits, 1).log_softmax(-1).flatten(1).tolist()


def read_all(
    model: Any, prompts: Sequence[Sequence[int]], kept: Beginning | None = None, *, room: int = STEPS
) -> PromptCache:
    cache = PromptCache(len(prompts), width=max(map(len, prompts)), room=room)
    for prompt in prompts:
        cache.read(model, prompt, kept)
    cache.begin_writing()
    return cache


def assert_as_alone(plain: Any, prompts: Sequence[Sequence[int]], written: Sequence[Sequence[float]]) -> None:
    for prompt, row in zip(prompts, written, strict=True):
        assert row == pytest.approx(write_on(plain, [prompt], None)[0], abs=1e-4)


@pytest.mark.parametrize("at_once", [prompt_cache.READ_AT_ONCE, 7])
@torch.inference_mode()
def test_each_prompt_is_answered_as_if_it_were_alone(
    model: Any, plain: Any, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(prompt_cache, "READ_AT_ONCE", at_once)
    assert_as_alone(plain, prompts, write_on(model, prompts, read_all(model, prompts)))


@torch.inference_mode()
def test_what_two_prompts_begin_with_is_read_once(model: Any, prompts: list[list[int]]) -> None:
    read = count_read(model)
    read_all(model, prompts)
    assert read == [59, 2, 33 - 1, 33 - 1]


@torch.inference_mode()
def test_a_beginning_of_another_call_is_not_read_again(model: Any, plain: Any, prompts: list[list[int]]) -> None:
    cache = PromptCache(1, width=60, room=STEPS)
    cache.read(model, prompts[0])
    kept = cache.keep_beginning(30)
    read = count_read(model)
    others = [prompts[1], prompts[3], prompts[2]]
    cache = read_all(model, others, kept)
    assert read == [len(prompts[1]) - 1 - 30, 32, len(prompts[2]) - 1 - 20]
    assert_as_alone(plain, others, write_on(model, others, cache))


@torch.inference_mode()
def test_a_prompt_whose_reading_was_broken_off_leaves_its_row(
    model: Any, plain: Any, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_cache, "READ_AT_ONCE", 16)
    cache = PromptCache(2, width=60, room=STEPS)
    cache.read(model, prompts[3])
    with pytest.raises(KeyboardInterrupt):
        cache.read(Stopping(model, after=2), prompts[0])
    cache.read(model, prompts[2])
    cache.begin_writing()
    left = [prompts[3], prompts[2]]
    assert_as_alone(plain, left, write_on(model, left, cache, width=60))


class Stopping:
    """A model whose reading is broken off.

    Args:
        model: Reads.
        after: So many pieces.
    """

    def __init__(self, model: Any, after: int) -> None:
        self.device = model.device
        self._decoder = model.get_decoder()
        self._left = after

    def get_decoder(self) -> Callable[..., Any]:
        return self._read

    def _read(self, **given: Any) -> Any:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        return self._decoder(**given)


@torch.inference_mode()
def test_a_prompt_that_goes_on_where_another_ended_is_read_from_there(model: Any, plain: Any) -> None:
    torch.manual_seed(5)
    short = torch.randint(5, 99, (30,)).tolist()
    long = [*short, 7, 8, 9]
    for kept in (None, read_all(model, [short]).keep_beginning(len(short))):
        cache = PromptCache(2, width=len(long), room=STEPS)
        cache.read(model, short, kept)
        cache.read(model, long, kept)
        cache.begin_writing()
        assert_as_alone(plain, [short, long], write_on(model, [short, long], cache))


@torch.inference_mode()
def test_some_rows_are_written_on_without_the_others(model: Any, plain: Any, prompts: list[list[int]]) -> None:
    cache = read_all(model, prompts, room=STEPS + 2)
    padded, mask = pad(prompts, 60)
    options = {"max_new_tokens": 2, "min_new_tokens": 2, "do_sample": False, "pad_token_id": 0}
    begun = model.generate(padded, attention_mask=mask, past_key_values=cache, **options)[:, 60:].tolist()
    left = [1, 2, 4]
    cache.keep_rows(left)
    some = [[*prompts[row], *begun[row]] for row in left]
    assert_as_alone(plain, some, write_on(model, some, cache, width=62))


def test_how_much_a_model_remembers_for_good_is_known(model: Any) -> None:
    assert measure_longest(model) == math.inf
    assert measure_longest(MambaForCausalLM(MambaConfig(vocab_size=99, hidden_size=16, num_hidden_layers=1))) == 0
    assert measure_longest(Phi3ForCausalLM(Phi3Config(**LONG_SHAPE))) == LONG_SHAPE["original_max_position_embeddings"]
    dynamic = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    assert measure_longest(LlamaForCausalLM(LlamaConfig(**SHAPE, rope_parameters=dynamic))) == 256


@torch.inference_mode()
def test_a_token_takes_as_many_bytes_as_is_said(model: Any, prompts: list[list[int]]) -> None:
    layers: Any = read_all(model, prompts[:1]).layers
    stored = sum(int(side.nbytes) for layer in layers for side in (layer.keys, layer.values))
    assert stored == measure_token(model) * (60 + STEPS)
