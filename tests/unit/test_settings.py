"""Settings: what is wrong is told in two lines, and no value is repeated."""

from __future__ import annotations

import pytest

from tasks.errors import ConfigurationError
from tasks.settings import Settings


@pytest.mark.parametrize("value", ["5%", "0,05", "abc", "2", "nan", ""])
def test_a_wrong_setting_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("EXPERTLOOP_MAX_ERROR", value)
    monkeypatch.setenv("EXPERTLOOP_CHUNK_TOKENS", "secret-word")
    with pytest.raises(ConfigurationError) as raised:
        Settings()
    assert "EXPERTLOOP_MAX_ERROR: " in raised.value.message
    assert "EXPERTLOOP_CHUNK_TOKENS: " in raised.value.message
    assert "secret-word" not in raised.value.message
    assert raised.value.__cause__ is None


def test_right_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPERTLOOP_MAX_ERROR", "0.05")
    assert Settings(chunk_tokens=99).model_dump(include={"max_error", "chunk_tokens"}) == {
        "max_error": 0.05,
        "chunk_tokens": 99,
    }
