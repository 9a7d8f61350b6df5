"""Forms filled in by a model of this process: whatever its weights are, it writes what the schema allows."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel

from tasks.errors import ConfigurationError
from tasks.integrations.local_fields import LocalFieldReader
from tasks.integrations.transformers import TransformersGenerator
from tasks.settings import Settings
from tests.fakes.tiny_models import save_tiny_phi


class Choices(BaseModel):
    """What even random weights end."""

    kind: Literal["hail", "fire"] | None = None
    urgent: bool = False


class Claim(BaseModel):
    """A company's form."""

    policy: str | None = None
    damage: float | None = None


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> LocalFieldReader:
    folder = tmp_path_factory.mktemp("models")
    return LocalFieldReader(TransformersGenerator(str(save_tiny_phi(folder / "phi")), cache=folder))


def test_random_weights_fill_in_every_field_with_what_it_may_hold(reader: LocalFieldReader) -> None:
    texts = ["Hail!", "Is it on fire?", "", "x" * 9000]
    for read in reader.read_fields(texts, Choices.model_json_schema()):
        assert set(read) == {"kind", "urgent"}
        Choices.model_validate(read)


def test_what_is_not_ended_is_empty(reader: LocalFieldReader) -> None:
    """Random weights write a text without an end."""
    assert reader.read_fields(["Hail!"], Claim.model_json_schema()) == [{}]


def test_a_schema_that_no_grammar_can_keep_to_is_refused(reader: LocalFieldReader) -> None:
    schema = {"type": "object", "properties": {"policy": {"$ref": "#/$defs/nowhere"}}}
    with pytest.raises(ConfigurationError, match="cannot be written as a form"):
        reader.read_fields(["Hail!"], schema)


@pytest.mark.slow
def test_the_packaged_model_copies_what_the_text_says() -> None:
    reader = LocalFieldReader(TransformersGenerator("smollm2", cache=Settings().cache))
    text = "Hello, hail destroyed my roof. My policy is P-4711 and the damage is 900 euros."
    assert reader.read_fields([text], Claim.model_json_schema()) == [{"policy": "P-4711", "damage": 900}]
