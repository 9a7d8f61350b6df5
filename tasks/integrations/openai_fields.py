"""The `FieldReader` port over an OpenAI-compatible endpoint: `response_format` holds the model to the JSON schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.integrations.field_forms import MAX_TOKENS, read_object, render_form
from tasks.integrations.openai import open_endpoint
from tasks.settings import Settings


class OpenAIFieldReader:
    """Asks the generator's endpoint for one JSON object a text.

    Raises:
        ConfigurationError: The endpoint is not set.
    """

    def __init__(self, settings: Settings) -> None:
        self._endpoint = open_endpoint(settings)
        self._model = settings.generator_model

    def read_fields(self, texts: Sequence[str], schema: dict[str, Any]) -> list[dict[str, Any]]:
        """One object a text; an answer that is none is an empty one."""
        return [self._read(text, schema) for text in texts]

    def _read(self, text: str, schema: dict[str, Any]) -> dict[str, Any]:
        answer = self._endpoint.post(
            "chat/completions",
            {
                "model": self._model,
                "messages": [message.model_dump() for message in render_form(text)],
                "max_tokens": MAX_TOKENS,
                "temperature": 0,
                "response_format": {"type": "json_schema", "json_schema": {"name": "fields", "schema": schema}},
            },
        )
        try:
            return read_object(answer["choices"][0]["message"]["content"] or "")
        except (KeyError, IndexError, TypeError):
            return {}
