"""The nearest of many vectors, however they came."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.curation.meanings import Meanings


@pytest.mark.parametrize("batch", [1, 3, 64, 500])
def test_blocks_find_what_one_product_finds(batch: int) -> None:
    chance = np.random.default_rng(3)
    vectors = chance.standard_normal((300, 8)).astype(np.float16).astype(np.float32)
    ids = [f"pair {number}" for number in range(300)]
    kept = Meanings(block_rows=64)
    for start in range(0, 300, batch):
        kept.add(ids[start : start + batch], vectors[start : start + batch])
    assert len(kept) == 300
    cosines = vectors[:5] @ vectors.T
    for found, row in zip(kept.find_near(vectors[:5], least=4.0, most=6), cosines, strict=True):
        best = [place for place in np.argsort(-row, kind="stable") if row[place] >= 4.0][:6]
        assert list(found) == [ids[place] for place in best]
        assert list(found.values()) == pytest.approx([row[place] for place in best])


def test_nothing_is_near_to_nothing() -> None:
    assert Meanings().find_near(np.zeros((2, 8), dtype=np.float32), least=0.5, most=3) == [{}, {}]
