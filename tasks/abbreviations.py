"""Abbreviations and what they stand for: the nouns, and the keys by which texts and questions name the same one.

Short and long forms are compared by keys, so that "SOPs" is SOP and "Betriebsanweisungen" are the "Betriebsanweisung"
of another document. The ending of a word is cut in one way for all languages: a German handbook explains English
abbreviations, and the same words must not be two meanings because they stood in two languages' documents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")

MOST_SHORT_CHARACTERS = 10
"""Schwartz and Hearst, 2003: short forms have two to ten characters."""

CONNECTING_WORDS = frozenset(
    "a an and as at by for from in into of on or the to with within "
    "am an auf aus bei beim das dem den der des die ein eine einer für im in mit nach oder ohne sowie über um und "
    "unter vom von vor zu zum zur".casefold().split()
)
"""Words that a short form may pass over (Technische Regeln für Gefahrstoffe, TRGS)."""

_SHORT = re.compile(r"[^\W_](?:[&/.+-]?[^\W_])+")
_MARKS = re.compile(r"[.\s]")
_PLURAL = re.compile(r"(?<=[A-ZÄÖÜ])s$")
_LEAST_CAPITALS = 2
_ENDINGS = ("ies", "ern", "en", "em", "er", "es", "e", "n", "s")
_LEAST_STEM = 4


class Definition(NamedTuple):
    """A short form and what it stands for, as one document states it."""

    short: str
    long: str


class Meaning(NamedTuple):
    """What a short form stands for, in all the documents that say so and that somebody may read."""

    short: str
    long: str
    documents: int
    document_id: str
    """One of them."""


def read_short(text: str) -> str | None:
    """The short form that a text is, in the singular; None where it is none.

    Two to ten characters without a blank, two of them capitals: kg, Nr. and P7 are no abbreviations that anybody would
    look up, and a word like Dr has one meaning everywhere.
    """
    short = _PLURAL.sub("", text)
    if len(short) > MOST_SHORT_CHARACTERS or not _SHORT.fullmatch(short):
        return None
    return short if sum(map(str.isupper, short)) >= _LEAST_CAPITALS else None


def make_short_key(short: str) -> str:
    """Equal for S.O.P., SOP and sop."""
    return _MARKS.sub("", unicodedata.normalize("NFKC", short)).casefold()


def make_long_key(text: str) -> str:
    """Equal for the same content words with other endings, capitals, accents, hyphens and connecting words."""
    return " ".join(list_content_keys(WORD.findall(text)))


def list_content_keys(words: Sequence[str]) -> list[str]:
    """The key of each content word, in order."""
    return [make_word_key(word) for word in words if word.casefold() not in CONNECTING_WORDS]


def make_word_key(word: str) -> str:
    """Without capitals, accents and one ending."""
    folded = fold(word)
    for ending in _ENDINGS:
        if folded.endswith(ending) and len(folded) - len(ending) >= _LEAST_STEM:
            return folded.removesuffix(ending) + ("y" if ending == "ies" else "")
    return folded


def fold(text: str) -> str:
    """In lower case and without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def write_readings(text: str, forms: Mapping[str, Sequence[str]], *, keeping: bool) -> tuple[str, ...]:
    """Texts that ask the same: the text, then it with the other forms.

    Args:
        text: A question.
        forms: What else it could say, by what it says; each at least one.
        keeping: Whether other forms stand behind what is said, in brackets, instead of in its place.
    """
    if not forms:
        return (text,)
    # The longest first: one that is a part of another must not be found inside it.
    said = "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
    written = re.compile(rf"(?<![^\W_])(?:{said})(?![^\W_])")
    readings = [text]
    for place in range(max(map(len, forms.values()))):
        chosen = {one: others[min(place, len(others) - 1)] for one, others in forms.items()}
        if keeping:
            chosen = {one: f"{one} ({other})" for one, other in chosen.items()}
        readings.append(written.sub(lambda found, chosen=chosen: chosen[found[0]], text))  # type: ignore[misc]
    return tuple(dict.fromkeys(readings))
