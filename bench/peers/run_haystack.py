"""Haystack's indexing pipeline: converter, DocumentSplitter, SentenceTransformersDocumentEmbedder, DocumentWriter.

Its own converter for unstructured talks to a server; the component here calls the same library in the process.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from haystack import Document, Pipeline, component
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from measured import CHUNK_WORDS, Ingest, list_files, measure, model_path, read_text


@component
class PartitionConverter:
    """Files to documents."""

    @component.output_types(documents=list[Document])
    def run(self, sources: list[Path]) -> dict[str, list[Document]]:
        """One document a file."""
        return {"documents": [Document(content=read_text(file), meta={"file_path": str(file)}) for file in sources]}


def build(*, embeds: bool) -> Ingest:
    """The pipeline is built and its encoder loaded once; each folder fills the same in-memory store."""
    store = InMemoryDocumentStore()
    steps: list[tuple[str, Any]] = [
        ("converter", PartitionConverter()),
        ("splitter", DocumentSplitter(split_by="word", split_length=CHUNK_WORDS, split_overlap=0)),
    ]
    if embeds:
        from haystack_integrations.components.embedders.sentence_transformers import (
            SentenceTransformersDocumentEmbedder,
        )

        steps.append(("embedder", SentenceTransformersDocumentEmbedder(model=model_path(), progress_bar=False)))
    steps.append(("writer", DocumentWriter(store)))
    pipeline = Pipeline()
    for name, step in steps:
        pipeline.add_component(name, step)
    for (giver, _), (taker, _) in pairwise(steps):
        pipeline.connect(f"{giver}.documents", f"{taker}.documents")

    def ingest(folder: Path, _store: Path) -> int:
        written = pipeline.run({"converter": {"sources": list_files(folder)}})
        return int(written["writer"]["documents_written"])

    return ingest


if __name__ == "__main__":
    measure(build)
