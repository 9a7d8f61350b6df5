"""Adapters on a real, tiny base model: each answers as itself, whoever was asked before, and misfits are refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tasks.answer_models import Message
from tasks.errors import ArtifactCorrupt, ConfigurationError
from tasks.integrations.adaptable_model import AdapterFiles
from tasks.integrations.causal_models import fingerprint_model
from tasks.integrations.qlora.quiet import quiet_vendors
from tasks.integrations.transformers import TransformersGenerator
from tasks.prompting import PROMPT_VERSION
from tests.fakes.tiny_models import save_byte_tokenizer

pytestmark = pytest.mark.slow

QUESTION = [[Message(role="user", content="How many days?")]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with random weights, and a byte tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    path = tmp_path_factory.mktemp("base")
    tokenizer: Any = save_byte_tokenizer(path)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=512, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[AdapterFiles]:
    """More of them than are kept in memory, with random weights that are large enough to change every answer."""
    return [make_adapter(base, tmp_path_factory.mktemp("adapter"), seed) for seed in range(5)]


def make_adapter(base: Path, folder: Path, seed: int) -> AdapterFiles:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=64, init_lora_weights=False, target_modules=["q_proj", "v_proj", "down_proj"])
    model: Any = AutoModelForCausalLM.from_pretrained(base)
    with quiet_vendors():
        get_peft_model(model, config).save_pretrained(str(folder))
    return AdapterFiles(f"adapter-{seed}", folder, fingerprint_model(base), PROMPT_VERSION)


def answer(generator: TransformersGenerator) -> tuple[str, float | None]:
    (generation,) = generator.generate(QUESTION, max_tokens=8)
    return generation.text, generation.mean_logprob


def answer_alone(base: Path, adapter: AdapterFiles | None) -> tuple[str, float | None]:
    """By a model that never had another adapter."""
    generator = TransformersGenerator(str(base), cache=base, dtype="float32")
    return answer(generator.with_adapter(adapter) if adapter else generator)


def test_each_adapter_answers_as_itself_also_after_it_was_dropped_and_loaded_again(
    base: Path, adapters: list[AdapterFiles]
) -> None:
    shared = TransformersGenerator(str(base), cache=base, dtype="float32")
    tuned = [shared.with_adapter(one) for one in adapters]
    expected = [answer_alone(base, one) for one in adapters]
    assert len({text for text, _ in expected}) > 1
    assert [answer(one) for one in tuned] == expected
    assert answer(shared) == answer_alone(base, None)
    assert [answer(one) for one in reversed(tuned)] == expected[::-1]


def test_answers_at_once_are_never_mixed(base: Path, adapters: list[AdapterFiles]) -> None:
    shared = TransformersGenerator(str(base), cache=base, dtype="float32")
    asked = [shared, *(shared.with_adapter(one) for one in adapters[:3])] * 5
    expected = [answer_alone(base, None), *(answer_alone(base, one) for one in adapters[:3])] * 5
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(answer, asked)) == expected


def test_an_adapter_is_named_by_the_identity(base: Path, adapters: list[AdapterFiles]) -> None:
    shared = TransformersGenerator(str(base), cache=base)
    plain = shared.identity
    assert shared.with_adapter(adapters[0]).identity == f"{plain}+adapter-0"
    assert shared.identity == plain


@pytest.mark.parametrize(
    ("change", "said"),
    [({"base_hash": "other"}, "was made for base model other"), ({"prompt_version": "0"}, "with prompt version 0")],
)
def test_an_adapter_for_something_else_is_refused(
    base: Path, adapters: list[AdapterFiles], change: dict[str, Any], said: str
) -> None:
    shared = TransformersGenerator(str(base), cache=base)
    with pytest.raises(ConfigurationError, match=said):
        answer(shared.with_adapter(adapters[0]._replace(**change)))


@pytest.mark.parametrize("file", ["adapter_model.safetensors", "adapter_config.json"])
def test_a_damaged_adapter_is_refused_and_the_others_answer_as_before(
    base: Path, adapters: list[AdapterFiles], tmp_path: Path, file: str
) -> None:
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (tmp_path / name).write_bytes((adapters[0].folder / name).read_bytes())
    (tmp_path / file).write_bytes(b"{damaged")
    shared = TransformersGenerator(str(base), cache=base, dtype="float32")
    damaged = shared.with_adapter(adapters[0]._replace(adapter_id="damaged", folder=tmp_path))
    for _ in range(2):
        with pytest.raises(ArtifactCorrupt, match="adapter damaged"):
            answer(damaged)
    assert answer(shared) == answer_alone(base, None)
    assert answer(shared.with_adapter(adapters[1])) == answer_alone(base, adapters[1])
