"""Words as they are compared: stems of content words, their pieces, and negations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

import Stemmer

from tasks.answering.units import MONTHS, NUMBER_WORDS, WEEKDAYS, find_unit


def _read_list(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STOP_WORDS = {
    "en": _read_list(
        "a about after all also am an and any are as at be because been before being between both but by can could did"
        " do does doing down during each few for from further get gets give given go had has have having he her here"
        " hers him his how i if in into is it its itself just let may me might more most much many must my of off on"
        " once one only or other our out over own per please same shall she should so some such than that the their"
        " them then there these they this those through to too under until up upon us very was we were what when where"
        " which while who whom whose why will with within would you your yours s t re ve ll d tell happen"
        " happens"
    ),
    "de": _read_list(
        "aber alle allem allen aller alles als also am an auch auf aus bei beim bin bis bitte bist da dabei damit"
        " danach dann das dass dein deine dem den denn der des dessen deren dich die dies diese diesem diesen dieser"
        " dieses dir doch dort du durch ein eine einem einen einer eines er es etwa euch euer eure für gegen gibt hab"
        " habe haben hat hatte hier hin ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ins ist ja jede jedem jeden"
        " jeder jedes jetzt kann können könnte lange man mehr mein meine meinem meinen meiner mich mir mit muss müssen"
        " nach noch nun nur ob oder ohne pro sehr sein seine seinem seinen seiner seit sich sie sind so soll sollen"
        " sollte sowie über um und uns unser unsere unter viel viele vom von vor wann war waren warum was weil welche"
        " welchem welchen welcher welches wem wen wenn wer werden wie wieviel wird wir wo wofür womit woran worauf"
        " wurde wurden zu zum zur zwischen darf dürfen passiert"
    ),
}
_DENYING_CLAUSES = _read_list(
    "not never none nor neither cannot nothing nobody nowhere prohibited forbidden excluded unable unsuitable"
    " nicht nie niemals weder nichts niemand nirgends verboten untersagt unzulässig ungeeignet ausgeschlossen"
)
_DENYING_WORDS = _read_list("no non without kein keine keinem keinen keiner keines keinerlei ohne")
LANGUAGES = frozenset(_STOP_WORDS)
"""Those whose denials, modal words and dates are known."""
_PIECE = 4
_DIGIT = re.compile(r"\d")
_ALL_STOP_WORDS = _STOP_WORDS["de"] | _STOP_WORDS["en"]
_STEMMERS = {"en": Stemmer.Stemmer("english"), "de": Stemmer.Stemmer("german")}
_STEMMING = Lock()  # a stemmer has a memory of its own, which threads must not share
_MOST_REMEMBERED = 30_000
"""Sentences whose stems are remembered, about 30 MB: questions meet the same sentences again and again."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_FOLDED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


class Negation(NamedTuple):
    """A word that denies; `end` is the first character after it."""

    end: int
    is_whole: bool
    """Whether it denies its clause ("not"), else the words after it ("no", "ohne")."""


def find_negations(text: str) -> list[Negation]:
    """The negations of a casefolded text in order, in English or German."""
    denying = [match for match in _WORD.finditer(text) if _is_denying(match.group())]
    return [Negation(match.end(), is_whole=match.group() not in _DENYING_WORDS) for match in denying]


def _is_compared(word: str) -> bool:
    counts = word in NUMBER_WORDS or word in MONTHS or word in WEEKDAYS or find_unit(word) is not None
    return counts or _is_denying(word) or _DIGIT.search(word) is not None


def _is_denying(word: str) -> bool:
    return word in _DENYING_CLAUSES or word in _DENYING_WORDS or word.endswith(("n't", "n’t"))


class Stems:
    """Content words of one language as stems.

    Args:
        language: ISO 639-1; anything but German is stemmed as English.
    """

    def __init__(self, language: str) -> None:
        self.language = "de" if language == "de" else "en"

    def find(self, text: str) -> list[str]:
        """Stems of the content words in order; numbers are words, umlauts equal ae, oe and ue."""
        return list(_find_stems(self.language, text))

    def find_pieces(self, text: str) -> frozenset[str]:
        """The pieces of its stems (`cut_pieces`)."""
        return _find_pieces(self.language, text)

    def find_topics(self, text: str) -> list[str]:
        """As `find`, without negations, numbers, dates and units: those are compared by themselves."""
        return list(_find_topics(self.language, text))


@lru_cache(maxsize=_MOST_REMEMBERED)
def _find_stems(language: str, text: str) -> tuple[str, ...]:
    return _stem(language, _split_words(text))


@lru_cache(maxsize=_MOST_REMEMBERED)
def _find_pieces(language: str, text: str) -> frozenset[str]:
    return cut_pieces(_find_stems(language, text))


@lru_cache(maxsize=_MOST_REMEMBERED)
def _find_topics(language: str, text: str) -> tuple[str, ...]:
    return _stem(language, [word for word in _split_words(text) if not _is_compared(word)])


def _stem(language: str, words: Iterable[str]) -> tuple[str, ...]:
    content = [word for word in words if word not in _ALL_STOP_WORDS]
    with _STEMMING:
        stems = _STEMMERS[language].stemWords(content)
    return tuple(stem.translate(_FOLDED) for stem in stems)


def is_stop_word(word: str) -> bool:
    """Whether a word carries no content in English or German."""
    folded = word.casefold()
    return any(folded in words for words in _STOP_WORDS.values()) or _is_denying(folded)


def _split_words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def cut_pieces(stems: Iterable[str]) -> frozenset[str]:
    """The 4-letter pieces of stems: German compounds share them with their parts, loan words with each other."""
    return frozenset(stem[i : i + _PIECE] for stem in stems for i in range(max(1, len(stem) - _PIECE + 1)))
