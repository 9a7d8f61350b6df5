"""LlamaIndex's ingestion pipeline: SimpleDirectoryReader, SentenceSplitter, HuggingFaceEmbedding, LanceDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llama_index.core import Document, MockEmbedding, SimpleDirectoryReader
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.readers.base import BaseReader
from llama_index.vector_stores.lancedb import LanceDBVectorStore
from measured import CHUNK_TOKENS, FORMATS, Ingest, measure, model_path, read_text


class PartitionReader(BaseReader):
    """A file as one document."""

    def load_data(self, file: Path, extra_info: dict[str, Any] | None = None) -> list[Document]:
        """Its text and what SimpleDirectoryReader knows of it."""
        return [Document(text=read_text(file), metadata=extra_info or {})]


def build(*, embeds: bool) -> Ingest:
    """The encoder is loaded once, the pipeline built for each folder."""
    embedder: Any = MockEmbedding(embed_dim=384)
    if embeds:
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        embedder = HuggingFaceEmbedding(model_name=model_path())
    reader = PartitionReader()

    def ingest(folder: Path, store: Path) -> int:
        loader = SimpleDirectoryReader(
            str(folder), recursive=True, file_extractor=dict.fromkeys(FORMATS, reader), raise_on_error=True
        )
        pipeline = IngestionPipeline(
            transformations=[SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=0), embedder],
            vector_store=LanceDBVectorStore(uri=str(store), mode="overwrite"),
        )
        return len(pipeline.run(documents=loader.load_data()))

    return ingest


if __name__ == "__main__":
    measure(build)
