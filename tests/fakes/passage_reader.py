"""The database's side of a search, in dictionaries that a test may change at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tasks.models import EVERYONE, Chunk, Passage, derive_chunk_id, derive_document_id, derive_version_id, hash_text


class StoredDocument(NamedTuple):
    """A live version; its readers stand in `FakePassageReader.readers`."""

    tenant: str
    text: str
    passages: tuple[Passage, ...]


class FakePassageReader:
    """Documents whose readers can change between the writing of an index and a search."""

    def __init__(self) -> None:
        self.documents: dict[str, StoredDocument] = {}
        self.readers: dict[str, frozenset[str]] = {}

    def add_document(
        self,
        path: str,
        chunks: Sequence[str],
        *,
        readers: Sequence[str] = (EVERYONE,),
        tenant: str = "default",
        title: str | None = None,
        language: str = "en",
        pages: Sequence[int] | None = None,
        headings: Sequence[tuple[str, ...]] | None = None,
    ) -> list[Passage]:
        """A live document whose text is the chunks with blank lines between; its passages in reading order."""
        document_id = derive_document_id(tenant, "test", path)
        text, offset = "\n\n".join(chunks), 0
        content_hash = hash_text(text)
        passages = []
        for position, chunk_text in enumerate(chunks):
            chunk = Chunk(
                position=position,
                start=offset,
                end=offset + len(chunk_text),
                text=chunk_text,
                language=language,
                page=pages[position] if pages else None,
                heading_path=headings[position] if headings else (),
            )
            offset = chunk.end + 2
            passages.append(
                Passage(
                    chunk_id=derive_chunk_id(document_id, content_hash, "f", position),
                    document_id=document_id,
                    version_id=derive_version_id(document_id, content_hash, "f"),
                    content_hash=content_hash,
                    uri=f"file:///test/{path}",
                    title=title or path,
                    source="test",
                    document_type=path.rpartition(".")[2],
                    modified=None,
                    outdated=False,
                    chunk=chunk,
                )
            )
        self.documents[document_id] = StoredDocument(tenant, text, tuple(passages))
        self.readers[document_id] = frozenset(readers)
        return passages

    def read_passages(self, tenant: str, chunk_ids: Sequence[str], principals: frozenset[str]) -> dict[str, Passage]:
        wanted = set(chunk_ids)
        return {
            passage.chunk_id: passage
            for document_id, stored in self.documents.items()
            if self._may_read(tenant, document_id, principals)
            for passage in stored.passages
            if passage.chunk_id in wanted
        }

    def read_neighbours(
        self, tenant: str, version_id: str, positions: Sequence[int], principals: frozenset[str]
    ) -> dict[int, Passage]:
        return {
            passage.chunk.position: passage
            for document_id, stored in self.documents.items()
            if self._may_read(tenant, document_id, principals)
            for passage in stored.passages
            if passage.version_id == version_id and passage.chunk.position in positions
        }

    def read_text(self, tenant: str, document_id: str, principals: frozenset[str]) -> str | None:
        if document_id not in self.documents or not self._may_read(tenant, document_id, principals):
            return None
        return self.documents[document_id].text

    def list_readable(self, tenant: str, uris: Sequence[str], principals: frozenset[str]) -> frozenset[str]:
        return frozenset(
            passage.uri
            for document_id, stored in self.documents.items()
            if self._may_read(tenant, document_id, principals)
            for passage in stored.passages
            if passage.uri in uris
        )

    def _may_read(self, tenant: str, document_id: str, principals: frozenset[str]) -> bool:
        return self.documents[document_id].tenant == tenant and not principals.isdisjoint(self.readers[document_id])
