"""An `Embedder` over an ONNX graph and an embedding table in the model cache, run by ONNX Runtime.

Texts are encoded one a run, several runs at once in threads: no padding is computed, a vector does not depend on its
neighbours in a batch (dynamic int8 would make it), and the session owns no threads that a fork would lose. The longest
texts go first, so that the threads end together. Only numpy, ONNX Runtime and a compiled tokenizer are imported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.errors import ArtifactCorrupt
from tasks.integrations.model_cache import build_once
from tasks.integrations.processor import Backend, describe_processor
from tasks.models import EmbedderIdentity, hash_text
from tasks.ports import Vectors

logger = logging.getLogger(__name__)

GRAPH_FILE = "graph.onnx"
TABLE_FILE = "table.npy"

TokenIds = NDArray[np.int64]


class Tokenize(Protocol):
    """Text to token ids, special tokens included, never cut."""

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""


class Encoder(NamedTuple):
    """A model that a package carries, and how it is run.

    `pins` are the sha256 of its files and `version` is that of the graph we write: others are another vector space.
    `build` writes graph and table into an empty folder and takes `int8`; `load_tokenizer` returns the tokenizer; `feed`
    makes the graph's inputs of one text's ids and the table.
    """

    name: str
    pins: Sequence[str]
    version: int
    dimension: int
    max_tokens: int
    build: Callable[..., None]
    load_tokenizer: Callable[[], Tokenize]
    feed: Callable[[TokenIds, NDArray[Any]], Mapping[str, NDArray[Any]]]
    question: str = ""
    """Written before a text that asks."""
    document: str = ""
    """Written before a text that is asked for."""


class OnnxEmbedder:
    """An encoder of questions and documents; tokenizer and model are loaded at the first use of each.

    The model is built into the cache then, once a machine. As many texts are encoded at once as there are usable cores.

    Args:
        encoder: Which one.
        cache: The model cache.
        backend: "onnx-int8", else fp32, whose vectors equal the plain form's ("torch" gains nothing here).
    """

    def __init__(self, encoder: Encoder, *, cache: Path, backend: Backend) -> None:
        self._encoder = encoder
        self._cache = cache
        self._int8 = backend == "onnx-int8"
        self._form = f"{'onnx-int8' if self._int8 else 'onnx-fp32'}-{encoder.version}"
        self._threads = max(1, describe_processor().cores)
        self._lock = Lock()
        self._tokenize: Tokenize | None = None
        self._model: tuple[Any, NDArray[Any]] | None = None

    @property
    def identity(self) -> EmbedderIdentity:
        """Model, weights and form; known without loading anything."""
        model = self._encoder
        revision = hash_text(" ".join((*model.pins, self._form)))
        return EmbedderIdentity(name=model.name, revision=revision, dimension=model.dimension)

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read; what follows is not."""
        return self._encoder.max_tokens

    def load(self) -> None:
        """Load tokenizer and model now, not at the first text."""
        self._tokenizer()
        self._loaded_model()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text as a document, special tokens included."""
        return [len(ids) for ids in self._cut_up(self._encoder.document, texts)]

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """[n x d], in the order of `texts`.

        Raises:
            ArtifactCorrupt: The files in the model cache are not what was written.
        """
        return self._embed(self._cut_up(self._encoder.document, texts))

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """[n x d], in the order of `questions`."""
        return self._embed(self._cut_up(self._encoder.question, questions))

    def _cut_up(self, before: str, texts: Sequence[str]) -> list[list[int]]:
        return self._tokenizer()([before + replace_surrogates(text) for text in texts])

    def _embed(self, rows: list[list[int]]) -> Vectors:
        vectors = np.empty((len(rows), self._encoder.dimension), dtype=np.float32)
        model = self._loaded_model()

        def encode(index: int) -> None:
            vectors[index] = self._encode(self._cut(rows[index]), *model)

        longest_first = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
        if min(len(rows), self._threads) <= 1:
            for index in longest_first:
                encode(index)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(encode, longest_first))
        return vectors

    def _cut(self, ids: list[int]) -> TokenIds:
        """The first tokens that fit, closed by the last one, which ends every text."""
        kept = ids if len(ids) <= self.max_tokens else [*ids[: self.max_tokens - 1], ids[-1]]
        return np.asarray(kept, dtype=np.int64)

    def _encode(self, ids: TokenIds, session: Any, table: NDArray[Any]) -> NDArray[np.float32]:
        vector = session.run(None, self._encoder.feed(ids, table))[0].reshape(-1)
        normalised: NDArray[np.float32] = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return normalised

    def _build(self, folder: Path) -> None:
        self._encoder.build(folder, int8=self._int8)

    def _tokenizer(self) -> Tokenize:
        with self._lock:
            if self._tokenize is None:
                self._tokenize = self._encoder.load_tokenizer()
            return self._tokenize

    def _loaded_model(self) -> tuple[Any, NDArray[Any]]:
        with self._lock:
            if self._model is None:
                self._model = _open_model(build_once(self._cache, f"{self._encoder.name}-{self._form}", self._build))
            return self._model


def _open_model(folder: Path) -> tuple[Any, NDArray[Any]]:
    """The session, without threads of its own, and the table, mapped: processes share its pages."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The graph is written fused; of what "extended" adds, SkipLayerNormalization is five times slower than its parts.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    failures: tuple[type[Exception], ...] = (OSError, ValueError, *_runtime_errors())
    try:
        session = ort.InferenceSession(str(folder / GRAPH_FILE), options, providers=["CPUExecutionProvider"])
        table = np.load(folder / TABLE_FILE, mmap_mode="r", allow_pickle=False)
    except failures as error:
        raise ArtifactCorrupt(
            f"the cached model {folder.name} cannot be opened: {str(error)[:200]}",
            advice=f"delete {folder}; it is built again at the next start",
        ) from error
    logger.debug("encoder loaded folder=%s", folder.name)
    return session, table


def _runtime_errors() -> tuple[type[Exception], ...]:
    """ONNX Runtime's exceptions, which share no root of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (state.Fail, state.InvalidProtobuf, state.InvalidGraph, state.NoSuchFile, state.InvalidArgument)


def replace_surrogates(text: str) -> str:
    """The text with its lone surrogates replaced, which neither tokenizers nor JSON take."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
