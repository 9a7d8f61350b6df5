"""What questions mean, as vectors: those nearest to a few of them among very many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tasks.ports import Vectors


class Meanings:
    """Vectors by the id of their pair, in half precision as the database keeps them: a kilobyte a pair of 512 numbers.

    They lie in blocks: one more batch copies few of those before, and a product needs room for one block alone.

    Args:
        block_rows: Vectors of a block.
    """

    def __init__(self, *, block_rows: int = 8192) -> None:
        self._block_rows = block_rows
        self._ids: list[str] = []
        self._blocks: list[Vectors] = []

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Keep [n x d] vectors."""
        for start in range(0, len(ids), self._block_rows):
            self._blocks.append(vectors[start : start + self._block_rows].astype(np.float16))
            self._join_small()
        self._ids += ids

    def _join_small(self) -> None:
        """Two blocks of a size become one until they are full, so that few remain however small the batches are."""
        while len(self._blocks) > 1 and len(self._blocks[-2]) <= len(self._blocks[-1]) < self._block_rows:
            self._blocks[-2:] = [np.concatenate(self._blocks[-2:])]

    def find_near(self, vectors: Vectors, *, least: float, most: int) -> list[dict[str, float]]:
        """For each of [m x d] vectors the nearest ones, nearest first, with their cosines.

        Args:
            vectors: Of unit length.
            least: Smallest cosine that counts.
            most: Of one vector.
        """
        near: list[list[tuple[float, str]]] = [[] for _ in vectors]
        for row, cosine, pair_id in self._find_all(vectors, least):
            near[row].append((cosine, pair_id))
        # Sorted by cosine alone: of equal ones the first that was added.
        return [{one: cosine for cosine, one in sorted(found, key=lambda two: -two[0])[:most]} for found in near]

    def _find_all(self, vectors: Vectors, least: float) -> Iterator[tuple[int, float, str]]:
        start = 0
        for block in self._blocks:
            cosines = vectors @ block.astype(np.float32).T
            for row, place in np.argwhere(cosines >= least):
                yield int(row), float(cosines[row, place]), self._ids[start + place]
            start += len(block)
