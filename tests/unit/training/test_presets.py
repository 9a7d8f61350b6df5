"""A configuration's faults are told all at once, before anything heavy happens."""

from __future__ import annotations

import pytest

from tasks.errors import ConfigurationError
from tasks.training.presets import PRESETS, make_config


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_configuration(preset: str) -> None:
    assert make_config(preset).preset == preset


def test_all_faults_are_listed_at_once_with_their_units() -> None:
    values = {
        "learning_rte": 1,
        "max_tokens": "25k",
        "dropout": 3,
        "micro_batch_examples": 3,
        "devices": 2,
    }
    with pytest.raises(ConfigurationError) as caught:
        make_config("smollm2", values)
    message = str(caught.value)
    assert "there is no preset smollm2, is smollm2-135m-cpu meant?" in message
    assert "there is no field learning_rte, is learning_rate meant?" in message
    assert "max_tokens=25k" in message
    assert "trained tokens over all epochs" in message
    assert "dropout=3" in message
    assert "micro_batch_examples=3 on devices=2 does not divide batch_examples=8" in message
    assert "strategy=single does not go with devices=2" in message
    assert "\n" not in message


def test_a_command_lines_texts_are_numbers_where_numbers_are_meant() -> None:
    config = make_config(values={"max_tokens": "25000", "learning_rate": "1e-3", "gradient_checkpointing": "true"})
    assert (config.max_tokens, config.learning_rate, config.gradient_checkpointing) == (25_000, 1e-3, True)


def test_a_text_that_contradicts_another_field_is_told_too() -> None:
    with pytest.raises(ConfigurationError, match="micro_batch_examples=3 does not divide"):
        make_config(values={"micro_batch_examples": "3"})
