"""Any sentence-transformers model, by folder or hub id, in its plain form: torch, as its authors published it.

Questions and documents get the prompts that the model's own configuration names ("query: ", "passage: ").
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from tasks.errors import ArtifactCorrupt, ConfigurationError
from tasks.integrations.model_cache import hash_file
from tasks.integrations.onnx_encoder import replace_surrogates
from tasks.models import EmbedderIdentity
from tasks.ports import Vectors

logger = logging.getLogger(__name__)

_BATCH_TEXTS = 32
_UNBOUNDED_TOKENS = 512
_DECIDING_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")
_HUB_FILES = [*_DECIDING_FILES, *(f"*/{pattern}" for pattern in _DECIDING_FILES)]
_ADVICE = "set EXPERTLOOP_EMBEDDER to default, a folder with safetensors weights, or a hub id that can be reached"


class SentenceTransformersEmbedder:
    """Loaded at the first use; batches are sorted by length, on the GPU when there is one.

    Args:
        model: A folder, or a hub id that is cached or can be downloaded.
    """

    def __init__(self, model: str) -> None:
        self._name = model
        self._lock = Lock()

    @cached_property
    def identity(self) -> EmbedderIdentity:
        """The model's name, and the sha256 over its weights and configuration."""
        dimension = int(self._model.get_embedding_dimension())
        return EmbedderIdentity(
            name=Path(self._name).name, revision=f"{_hash_folder(self._folder)} torch", dimension=dimension
        )

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that the model reads."""
        return int(self._model.max_seq_length or _UNBOUNDED_TOKENS)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text, special tokens included."""
        if not texts:
            return []
        encoded = self._model.tokenizer(
            [replace_surrogates(text) for text in texts], truncation=False, padding=False, verbose=False
        )
        return [len(ids) for ids in encoded["input_ids"]]

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """[n x d], in the order of `texts`."""
        return self._encode(self._model.encode_document, texts)

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """[n x d], in the order of `questions`."""
        return self._encode(self._model.encode_query, questions)

    def _encode(self, encode: Any, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.identity.dimension), dtype=np.float32)
        vectors = encode(
            [replace_surrogates(text) for text in texts],
            batch_size=_BATCH_TEXTS,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)

    @cached_property
    def _folder(self) -> Path:
        folder = Path(self._name).expanduser()
        if not folder.is_dir():
            folder = _fetch_model(self._name)
        if not any(folder.rglob("*.safetensors")):
            raise ConfigurationError(
                f"model {self._name} has no safetensors weights", advice="pickled weights are never loaded"
            )
        return folder

    @property
    def _model(self) -> Any:
        with self._lock:
            return self._loaded

    @cached_property
    def _loaded(self) -> Any:
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            model = SentenceTransformer(
                str(self._folder),
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True, "dtype": "float32"},
            )
        except SafetensorError as error:
            raise ArtifactCorrupt(f"the weights of {self._name} are damaged", advice="copy the model again") from error
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(f"model {self._name}: {str(error)[:200]}", advice=_ADVICE) from error
        logger.info("embedder loaded model=%s device=%s", self._name, model.device)
        return model


def _hash_folder(folder: Path) -> str:
    """sha256 over the files that decide a vector: weights, tokenizer, configuration."""
    digest = hashlib.sha256()
    for file in sorted(file for pattern in _DECIDING_FILES for file in folder.rglob(pattern)):
        digest.update(f"{file.relative_to(folder)} {hash_file(file)}\n".encode())
    return digest.hexdigest()


def _fetch_model(name: str) -> Path:
    """The hub's copy: the newest, or the cached one when the hub cannot be reached."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except (HFValidationError, OSError) as error:
        raise ConfigurationError(
            f"embedding model {name} is not on this machine and cannot be fetched", advice=_ADVICE
        ) from error
