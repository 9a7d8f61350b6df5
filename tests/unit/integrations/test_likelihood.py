"""Likelihoods of a real, tiny model: what it was trained to expect costs less than what it was not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tasks.answer_models import Message
from tasks.errors import ConfigurationError
from tasks.evaluation.forgetting import measure_perplexity
from tasks.integrations.chat_tokens import encode_messages
from tasks.integrations.likelihood import HeldLikelihood, ModelHolder, TransformersLikelihood
from tasks.integrations.transformers import TransformersGenerator
from tasks.settings import Settings
from tasks.wiring import Application
from tests.fakes.generator import FakeGenerator
from tests.fakes.tiny_models import save_byte_tokenizer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with random weights, and a byte tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    path = tmp_path_factory.mktemp("llama")
    tokenizer: Any = save_byte_tokenizer(path)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=2048,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(path)
    return path


def test_the_likelihood_of_a_text_is_that_of_its_tokens_after_the_first(folder: Path) -> None:
    import torch

    generator = TransformersGenerator(str(folder), cache=folder)
    with generator.borrow_model() as (model, tokenizer):
        ((loss, count), nothing, short) = TransformersLikelihood(model, tokenizer).score(["abc", "", "a"])
        ids = torch.tensor([tokenizer("abc")["input_ids"]])
        expected = float(model(input_ids=ids, labels=ids).loss.detach()) * 2
    assert (nothing, short) == ((0.0, 0), (0.0, 0))
    assert count == 2
    assert loss == pytest.approx(expected, rel=1e-4)


def test_the_likelihood_of_an_answer_is_that_of_its_tokens_after_the_prompt(folder: Path) -> None:
    import torch

    generator = TransformersGenerator(str(folder), cache=folder)
    messages = [Message(role="user", content="How high does pump 7 lift?")]
    answers = ["8 metres", "", "it lifts many more than eight metres"]
    with generator.borrow_model() as (model, tokenizer):
        found = TransformersLikelihood(model, tokenizer).score_answers(messages, answers, max_tokens=20)
        prompt, expected = encode_messages(tokenizer, messages), []
        for answer in answers:
            said = tokenizer(answer)["input_ids"][:20]
            ids = torch.tensor([[*prompt, *said]])
            costs = torch.log_softmax(model(input_ids=ids).logits[0].detach(), dim=-1)
            places = range(len(prompt) - 1, len(prompt) + len(said) - 1)
            expected.append(sum(float(costs[place, ids[0, place + 1]]) for place in places))
    assert found == pytest.approx(expected, rel=1e-4)
    assert found[1] == 0
    assert HeldLikelihood(generator).score_answers(messages, answers, max_tokens=20) == pytest.approx(found, rel=1e-6)
    assert HeldLikelihood(generator).score_answers(messages, [""], max_tokens=20) == [0.0]


def test_a_random_model_is_as_perplexed_as_if_it_guessed(folder: Path) -> None:
    app = Application(Settings(home=folder / "home", generator=str(folder)))
    scorer = app.likelihood_of(app.base_generator())
    assert measure_perplexity(scorer) == pytest.approx(262, rel=0.1)


def test_a_model_that_runs_elsewhere_is_refused(folder: Path) -> None:
    app = Application(Settings(home=folder / "home", generator="none"))
    with pytest.raises(ConfigurationError, match="does not tell likelihoods"):
        app.likelihood_of(FakeGenerator("!"))


def test_a_generator_that_lends_its_model_is_known_as_one(folder: Path) -> None:
    generator = TransformersGenerator(str(folder), cache=folder)
    assert isinstance(generator, ModelHolder)
    assert math.isfinite(HeldLikelihood(generator).score(["one two three"])[0][0])
