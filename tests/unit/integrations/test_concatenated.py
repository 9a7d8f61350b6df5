"""Two encoders in one vector."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.integrations.concatenated import ConcatenatedEmbedder
from tests.fakes.embedder import FakeEmbedder

DOCUMENTS = ["drain the pump", "replace the seal", "Pumpe entleeren"]


def _detect(text: str) -> str:
    return "de" if "Pumpe" in text else "en"


@pytest.fixture
def first() -> FakeEmbedder:
    return FakeEmbedder("first", dimension=8)


@pytest.fixture
def second() -> FakeEmbedder:
    return FakeEmbedder("second", dimension=24)


@pytest.fixture
def both(first: FakeEmbedder, second: FakeEmbedder) -> ConcatenatedEmbedder:
    return ConcatenatedEmbedder(
        first, second, detect_language=_detect, first_shares={"en": 0.75, "de": 0.0}, default_share=0.5
    )


def test_the_similarity_is_the_weighted_sum_of_both(
    both: ConcatenatedEmbedder, first: FakeEmbedder, second: FakeEmbedder
) -> None:
    question = "how do I drain it"
    ours = both.embed_documents(DOCUMENTS) @ both.embed_queries([question])[0]
    halves = [one.embed_queries(DOCUMENTS) @ one.embed_queries([question])[0] for one in (first, second)]
    weighted = 0.75 * halves[0] + 0.25 * halves[1]

    assert np.allclose(ours / ours.max(), weighted / weighted.max(), atol=1e-6)


def test_a_german_question_ignores_a_half_with_no_share(both: ConcatenatedEmbedder, first: FakeEmbedder) -> None:
    vector = both.embed_queries(["Wie entleere ich die Pumpe?"])[0]

    assert not vector[: first.identity.dimension].any()
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_rows_are_normalised(both: ConcatenatedEmbedder) -> None:
    for vectors in (both.embed_documents(DOCUMENTS), both.embed_queries(DOCUMENTS)):
        assert vectors.dtype == np.float32
        assert vectors.shape == (3, 32)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1)


def test_a_document_is_nearest_to_its_own_vector(both: ConcatenatedEmbedder) -> None:
    vectors = both.embed_documents(DOCUMENTS)

    assert (vectors @ vectors.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_the_identity_names_both_and_no_share(first: FakeEmbedder, second: FakeEmbedder) -> None:
    identities = [
        ConcatenatedEmbedder(first, second, detect_language=_detect, first_shares={}, default_share=share).identity
        for share in (0.1, 0.9)
    ]

    assert identities[0] == identities[1]
    assert identities[0].name == "first+second"
    assert identities[0].dimension == 32


def test_no_text_has_no_vector(both: ConcatenatedEmbedder) -> None:
    assert both.embed_documents([]).shape == (0, 32)
    assert both.embed_queries([]).shape == (0, 32)
