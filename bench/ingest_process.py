"""One process that ingests in turn what its arguments name, through the flow; `bench/ingest.py` starts it.

    python bench/ingest_process.py [--without-embedding] WARM_UP FOLDER [FOLDER ...] [--then-copy FROM TO]

Prints one JSON line a folder: its ledger, with `seconds` on this process's clock. The same folder twice is the run with
nothing changed; `--then-copy` copies FROM's files over TO's at the end and ingests the last folder once more.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from expertloop.prefect_server import start_prefect_server
from tasks.integrations.minilm_encoder import load_minilm
from tasks.models import EmbedderIdentity, EmbedderSpec, IngestRequest
from tasks.ports import Embedder, Vectors
from tasks.settings import Settings
from tasks.wiring import Application, use_application


class FreeEmbedder:
    """Counts MiniLM's tokens, so that chunks are the same, and gives vectors that cost nothing."""

    def __init__(self, counter: Embedder) -> None:
        self._counter = counter
        self.identity = EmbedderIdentity(name="free", revision="1", dimension=counter.identity.dimension)
        self.max_tokens = counter.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """MiniLM's."""
        return self._counter.count_tokens(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """[n x d], all alike."""
        width = self.identity.dimension
        return np.full((len(texts), width), width**-0.5, dtype=np.float32)

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """[n x d], all alike."""
        return self.embed_documents(questions)


class WithoutEmbedding(Application):
    """The product with everything but an encoder."""

    def _build_embedder(self, spec: EmbedderSpec) -> Embedder:  # noqa: ARG002  (there is one, whatever was asked for)
        return FreeEmbedder(load_minilm(self.settings.cache))


def main() -> None:
    """Ingest, and say how long each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--then-copy", nargs=2, type=Path)
    parser.add_argument("--without-embedding", action="store_true")
    arguments = parser.parse_args()
    settings = Settings()
    if arguments.without_embedding:
        use_application(WithoutEmbedding(settings))
    with start_prefect_server(settings)():
        ingest_folders(arguments.folders)
        if arguments.then_copy:
            source, target = arguments.then_copy
            shutil.copytree(source, target, dirs_exist_ok=True)
            ingest_folders(arguments.folders[-1:])


def ingest_folders(folders: Sequence[Path]) -> None:
    """One run of the flow a folder."""
    from flows.ingest import ingest_source

    for folder in folders:
        start = time.perf_counter()
        ledger = ingest_source(IngestRequest(url=str(folder)))
        print(json.dumps(ledger.model_dump(mode="json") | {"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
