"""Citation marks in the answers that are learnt: after each sentence, as the prompt asks for them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tasks.training_ports import SentenceSplitter

_WORD = re.compile(r"\w+")
_MARKS = re.compile(r"\s*\[\d{1,4}(?:[,; ]+\d{1,4})*\]")


def add_marks(answer: str, passages: Mapping[int, str], split_sentences: SentenceSplitter) -> str:
    """The answer with the number of the passage that carries it after each sentence.

    Args:
        answer: As an expert wrote it; marks in it name passages of another day and are taken away.
        passages: The shown ones that hold a quoted span, by their number; none: no marks.
        split_sentences: Must not split where answering would not.
    """
    bare = _MARKS.sub("", answer).strip()
    if not passages:
        return bare
    parts, written = [], 0
    for start, end in split_sentences(bare):
        parts += [bare[written:end], f" [{_choose(bare[start:end], passages)}]"]
        written = end
    return "".join([*parts, bare[written:]])


def _choose(sentence: str, passages: Mapping[int, str]) -> int:
    """The passage that shares most words with the sentence; of equals the first."""
    words = set(_WORD.findall(sentence.lower()))
    shared = {number: len(words & set(_WORD.findall(text.lower()))) for number, text in passages.items()}
    return max(shared, key=lambda number: (shared[number], -number))
