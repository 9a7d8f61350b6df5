"""How alike two texts are: shingles, MinHash signatures in bands, and numbers that must not differ.

MinHash and banding: Broder, "On the resemblance and containment of documents" (1997), and Leskovec, Rajaraman, Ullman,
"Mining of Massive Datasets", section 3.4. Written with numpy: a hundred lines are less to keep than a library.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_BANDS, _ROWS = 8, 4
"""Two texts that share the share s of their shingles meet in a band with probability 1 - (1 - s^4)^8: .56 has a chance
of one half, .7 of .89, .8 of .98."""
_LETTERS = 5
_WORDS = 3
_WORD = re.compile(r"[^\W_]+")
_RANDOM = np.random.default_rng(20260101)
_FACTORS = _RANDOM.integers(1, 2**63, size=_BANDS * _ROWS, dtype=np.uint64) | np.uint64(1)
_OFFSETS = _RANDOM.integers(0, 2**63, size=_BANDS * _ROWS, dtype=np.uint64)

Shingles = frozenset[int]


def list_words(text: str) -> list[str]:
    """Words and numbers in lower case, without punctuation and typography."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


@lru_cache(maxsize=4096)
def list_numbers(text: str) -> frozenset[str]:
    """Words that hold a digit: quantities, dates, product codes. One other number makes another question."""
    return frozenset(word for word in list_words(text) if any(map(str.isdigit, word)))


@lru_cache(maxsize=4096)
def cut_letters(text: str) -> Shingles:
    """Hashed runs of five letters: for questions and answers, whose words are too few for runs of words."""
    plain = " ".join(list_words(text))
    return _hash_all(plain[i : i + _LETTERS] for i in range(max(1, len(plain) - _LETTERS + 1))) if plain else _NONE


def cut_words(text: str) -> Shingles:
    """Hashed runs of three words: for passages and documents."""
    words = list_words(text)
    width = min(_WORDS, len(words))
    return _hash_all(" ".join(words[i : i + width]) for i in range(len(words) - width + 1)) if words else _NONE


def measure_resemblance(a: Shingles, b: Shingles) -> float:
    """Shared shingles among all of both, 0 to 1."""
    return len(a & b) / len(a | b) if a or b else 1.0


def measure_containment(a: Shingles, b: Shingles) -> float:
    """Share of the smaller text's shingles that the other has, 0 to 1."""
    smaller = min(len(a), len(b))
    return len(a & b) / smaller if smaller else 0.0


def sign_bands(shingles: Shingles) -> tuple[int, ...]:
    """Eight numbers below 2^62; texts that share one may be alike. Equal on every machine, so they can be stored."""
    if not shingles:
        return ()
    values: NDArray[np.uint64] = np.fromiter(shingles, dtype=np.uint64, count=len(shingles))
    lowest = np.full(_BANDS * _ROWS, np.iinfo(np.uint64).max, dtype=np.uint64)
    # In blocks: a whole document times 32 permutations is more memory than it is worth.
    for block in np.array_split(values, max(1, len(values) // 4096)):
        hashed = _mix(block[:, None] * _FACTORS[None, :] + _OFFSETS[None, :])
        lowest = np.minimum(lowest, hashed.min(axis=0))
    bands = lowest.reshape(_BANDS, _ROWS)
    return tuple(
        int.from_bytes(hashlib.blake2b(bytes([number]) + band.tobytes(), digest_size=8).digest(), "big") >> 2
        for number, band in enumerate(bands)
    )


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The low bits of a product depend on the low bits of its factors only; the high ones are what is random."""
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(32))
    return mixed


def _hash_all(pieces: Iterable[str]) -> Shingles:
    return frozenset(
        int.from_bytes(hashlib.blake2b(piece.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        for piece in pieces
    )


_NONE: Shingles = frozenset()
