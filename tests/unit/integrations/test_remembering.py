"""Vectors of sentences are remembered, and are what the embedder says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.integrations.remembering import RememberingEmbedder
from tests.fakes.embedder import FakeEmbedder


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=8), st.integers(1, 10))
def test_remembered_or_not_the_vectors_are_the_embedders(batches: list[list[str]], most: int) -> None:
    embedder = FakeEmbedder()
    remembering = RememberingEmbedder(embedder, most=most)
    for texts in batches:
        vectors = remembering.embed_documents(texts)
        assert vectors.shape == (len(texts), embedder.identity.dimension)
        assert np.array_equal(vectors, embedder.embed_documents(texts))


def test_what_was_embedded_is_not_embedded_again() -> None:
    embedder = FakeEmbedder()
    remembering = RememberingEmbedder(embedder)
    remembering.embed_documents(["a", "b", "a"])
    remembering.embed_documents(["b", "c"])
    assert embedder.embedded == 3


def test_what_was_not_needed_for_the_longest_time_goes_first() -> None:
    embedder = FakeEmbedder()
    remembering = RememberingEmbedder(embedder, most=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        remembering.embed_documents([text])
    assert embedder.embedded == 4
