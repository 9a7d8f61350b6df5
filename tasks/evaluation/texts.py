"""Whether a text says what a gold answer says, in English or German.

Exact match and F1 of words are SQuAD's (Rajpurkar et al. 2016, section 6.1): small letters, no punctuation, no
articles. Here German articles fall away too, a percent sign is the word, and numbers keep their decimals and their
minus, so that 3.0 is not 30 while 8.000 and 8,000 are one number.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

ARTICLES = frozenset({"a", "an", "the"} | {"der", "die", "das", "den", "dem", "des"} | {
    "ein", "eine", "einen", "einem", "einer", "eines",
})  # fmt: skip

_MARK = re.compile(r"\s?\[\d{1,4}\]")
_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}([.,'’])\d{3}(?:\1\d{3})*(?!\d|[.,]\d)")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_TOKEN = re.compile(r"(?:(?<![^\s(])-)?\d+(?:\.\d+)*|[^\W\d_]+|[€$£]")
_WORDS = {"prozent": "percent"}
_SIGNS = str.maketrans({"%": " percent ", "−": "-"})


def normalise_answer(text: str) -> list[str]:
    """The words that count, in order; when nothing but articles is left, those.

    Args:
        text: An answer; marks such as [1] are not part of what it says.
    """
    text = unicodedata.normalize("NFKC", _MARK.sub("", text)).casefold().translate(_SIGNS)
    text = _THOUSANDS.sub(lambda number: re.sub(r"\D", "", number.group()), text)
    text = _DECIMAL_COMMA.sub(".", text)
    words = [_WORDS.get(word, word) for word in _TOKEN.findall(text.replace("'", "").replace("’", ""))]
    return [word for word in words if word not in ARTICLES] or words


def is_exact(text: str, answers: Iterable[str]) -> bool:
    """Whether the text says one of the answers and nothing else."""
    said = normalise_answer(text)
    return any(said == normalise_answer(answer) for answer in answers)


def measure_f1(text: str, answers: Iterable[str]) -> float:
    """The best harmonic mean of precision and recall over words, counted as often as they occur; 0 to 1."""
    said = normalise_answer(text)
    return max((_overlap(said, normalise_answer(answer)) for answer in answers), default=0.0)


def contains_answer(texts: Iterable[str], answers: Iterable[str]) -> bool:
    """Whether the words of one answer stand in one of the texts, all of them, in their order, with none between."""
    rows = [_row(normalise_answer(text)) for text in texts]
    wanted = [_row(words) for answer in answers if (words := normalise_answer(answer))]
    return any(answer in row for row in rows for answer in wanted)


def _overlap(said: Sequence[str], gold: Sequence[str]) -> float:
    if not said or not gold:
        return float(said == gold)
    common = (Counter(said) & Counter(gold)).total()
    return 2 * common / (len(said) + len(gold))


def _row(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "
