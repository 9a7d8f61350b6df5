"""The `VectorCache` port: what was embedded once is not embedded again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from tasks.integrations.database.engine import Database, list_batches, upsert
from tasks.integrations.database.schema import cached_vectors
from tasks.models import EmbedderIdentity, derive_id


class DatabaseVectorCache:
    """Vectors by (embedder, sha256 of the embedded text), kept as float16: half the disk, cosine error below 1e-6."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_vectors(self, embedder: EmbedderIdentity, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The known ones, [d] each."""
        query = sa.select(cached_vectors.c.embedding_key, cached_vectors.c.vector).where(
            cached_vectors.c.embedder == _embedder_key(embedder)
        )
        with self._database.read() as connection:
            return {
                row.embedding_key: np.frombuffer(row.vector, dtype="<f2").astype(np.float32)
                for some in list_batches(keys)
                for row in connection.execute(query.where(cached_vectors.c.embedding_key.in_(some)))
            }

    def write_vectors(self, embedder: EmbedderIdentity, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Remember them; the same key again replaces it."""
        name = _embedder_key(embedder)
        rows = [
            {"embedder": name, "embedding_key": key, "vector": vector.astype("<f2").tobytes()}
            for key, vector in vectors.items()
        ]
        with self._database.write() as connection:
            upsert(connection, cached_vectors, rows)


class NoVectorCache:
    """The cache switched off: remembers nothing."""

    def read_vectors(self, embedder: EmbedderIdentity, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:  # noqa: ARG002
        """Nothing is known."""
        return {}

    def write_vectors(self, embedder: EmbedderIdentity, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Nothing is kept."""


def _embedder_key(embedder: EmbedderIdentity) -> str:
    return derive_id("embedder", embedder.model_dump_json())
