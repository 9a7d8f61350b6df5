"""The vector store as an `ErasableStore`: every row of an erased document, in every collection."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasks.erasure_models import Cleaned, Subject
from tasks.models import CollectionSpec
from tasks.ports import VectorIndex


class IndexedTexts:
    """Rows are found by the database's chunks and summaries, which must still be there.

    Args:
        index: The vector store.
        collections: Those that are written to, serving or being built.
        list_rows: chunk_ids and summary_ids of documents, of every version.
    """

    def __init__(
        self,
        index: VectorIndex,
        collections: Sequence[CollectionSpec],
        list_rows: Callable[[Sequence[str]], Sequence[str]],
    ) -> None:
        self._index = index
        self._collections = collections
        self._list_rows = list_rows

    def erase(self, subject: Subject) -> Sequence[Cleaned]:
        """Delete them, and let the store forget what it can at once."""
        row_ids = self._list_rows(subject.document_ids)
        if not row_ids:
            return ()
        return [self._erase_rows(collection, subject.tenant, row_ids) for collection in self._collections]

    def _erase_rows(self, collection: CollectionSpec, tenant: str, row_ids: Sequence[str]) -> Cleaned:
        self._index.ensure_collection(collection)
        present = self._index.fetch_vectors(collection.name, tenant, row_ids)
        self._index.delete_rows(collection.name, tenant, row_ids)
        self._index.optimize(collection.name)
        return Cleaned(store="vector store", what=f"rows of {collection.name}", count=len(present))
