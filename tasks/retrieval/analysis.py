"""Text to keywords, ourselves: whatever store counts them gives the same ranking.

A chunk becomes a string of tokens separated by blanks; a store splits at blanks and does nothing else. Two kinds:

- stems: words cut by Snowball in the text's language, umlauts folded (Kündigung, Kuendigung and Kundigung are one);
- grams: the 4-letter pieces of every word, each once a chunk. They find the parts of German compounds
  (Kündigungsfristen by Frist) and names and loan words across languages (Reformation, Universität, Parlament) without
  a dictionary: McNamee and Mayfield, "Character N-Gram Tokenization for European Language Text Retrieval",
  Information Retrieval 7, 2004.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

ANALYSIS_VERSION = "1"
"""Raise it when the same text would give other tokens; part of the pipeline's fingerprint."""

_WORD = re.compile(r"[^\W_]+")
_CODE = re.compile(r"[^\W_]+(?:[-./,'’_][^\W_]+)+")
_DIGIT = re.compile(r"\d")
_TRANSCRIBED = re.compile(r"([aou])e")
_GRAM_LETTERS = 4
_GRAM_MARK = "4"
"""Keeps a gram apart from a word of four letters, also in stores that know only letters and digits."""

_MOST_QUESTION_TOKENS = 512
"""Of a pasted page the first words are asked; a question has about 10 words, 60 tokens."""

_FUNCTION_WORDS = frozenset(
    # English
    "a an and are as at be been but by can could did do does for from had has have he her his how i if in into is it "
    "its me my no not of on or our she should such that the their them then there these they this to was we were what "
    "when where which who whom whose why will with would you your "
    # German
    "aber als am an auch auf aus bei beim bin bis da dann das dass daß dem den denn der des die dies diese diesem "
    "diesen dieser dieses doch du durch ein eine einem einen einer eines er es für gegen hat hatte hatten habe haben "
    "ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ins ist ja kann kein keine können man mein mich mir mit muss "
    "nach nicht noch nun nur ob oder ohne sein seine seinem seinen seiner sich sie sind so soll über um und uns unser "
    "unter vom von vor wann war waren warum was weil welche welchem welchen welcher welches wem wen wenn wer werden "
    "wie wieso wird wo wofür womit wurde wurden zu zum zur".casefold().split()
)


def analyse_text(text: str, language: str) -> str:
    """The keywords of a chunk.

    Args:
        text: What is indexed, the heading path included.
        language: ISO 639-1; German is stemmed as German, everything else as English, which leaves other languages'
            words alone but for common endings.

    Returns:
        Tokens separated by blanks, stems in the order of the text, then each gram once.
    """
    words = list(_split_words(text))
    stemmer = "german" if language == "de" else "english"
    return " ".join([*(_stem(word, stemmer) for word in words), *_list_grams(words)])


def list_stems(text: str, language: str) -> list[str]:
    """The stems of a text's content words, in their order.

    Args:
        text: Any.
        language: See `analyse_text`.
    """
    stemmer = "german" if language == "de" else "english"
    return [_stem(word, stemmer) for word in _split_words(text) if word not in _FUNCTION_WORDS]


def analyse_question(text: str) -> str:
    """The keywords of a question, each once: stems of both languages, since nobody knows what the answer is written in.

    Args:
        text: The question, in any language.

    Returns:
        Tokens separated by blanks.
    """
    words = list(_split_words(text))
    stems = (_stem(word, stemmer) for word in words for stemmer in ("english", "german"))
    return " ".join(list(dict.fromkeys([*stems, *_list_grams(words)]))[:_MOST_QUESTION_TOKENS])


def _split_words(text: str) -> Iterator[str]:
    """Words in lower case; after the parts of a code or number (E-204, 1,000) also the whole (e204, 1000)."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    position = 0
    for code in _CODE.finditer(folded):
        yield from _WORD.findall(folded, position, code.end())
        position = code.end()
        if _DIGIT.search(code.group()):
            yield "".join(_WORD.findall(code.group()))
    yield from _WORD.findall(folded, position)


def _list_grams(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(gram for word in words if word not in _FUNCTION_WORDS for gram in _grams(word)))


@lru_cache(maxsize=1 << 16)
def _stem(word: str, language: str) -> str:
    # Snowball's German stemmer reads ä and ae alike and drops the umlaut; its English one wants plain letters.
    plain = word if language == "german" else _fold(word)
    return _fold(_stemmer(language).stemWord(plain))


@lru_cache(maxsize=1 << 16)
def _grams(word: str) -> tuple[str, ...]:
    plain = _TRANSCRIBED.sub(r"\1", _fold(word))
    return tuple(_GRAM_MARK + plain[i : i + _GRAM_LETTERS] for i in range(len(plain) - _GRAM_LETTERS + 1))


def _fold(word: str) -> str:
    """Without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


@lru_cache(maxsize=2)
def _stemmer(language: str) -> Any:
    import Stemmer

    return Stemmer.Stemmer(language, 0)  # its own cache is not safe between threads; ours is
