"""Names of people, places and products: what a claim may not exchange for another of its kind.

A capital letter tells a name within an English sentence. German writes all nouns with one: there a word is a name when
it stands bare beside another capitalised word ("Ilona Petersen", "Werk Hameln"), in the claim or in the passages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise, zip_longest
from typing import NamedTuple

from tasks.answering.units import MONTHS, WEEKDAYS, find_unit
from tasks.answering.words import is_stop_word

_TOKEN = re.compile(r"[^\W\d_]+")
_STARTS = re.compile(r"(?:^|[.!?:;|\n\"“„»–•]\s?)$")
_INFLECTED = re.compile(r"e[mnrs]?$")
_LEAST_LETTERS = 2
_BEFORE_NAMES = (
    "in",
    "at",
    "from",
    "near",
    "is",
    "aus",
    "bei",
    "nach",
    "von",
    "ist",
    "frau",
    "herr",
    "dr",
    "mr",
    "mrs",
)


class Slot(NamedTuple):
    """A word with a capital and its neighbours, folded."""

    word: str
    before: str
    after: str
    after_is_capital: bool


class _Token(NamedTuple):
    text: str
    is_capital: bool
    is_first: bool
    """Whether it starts a sentence, a cell or what stands in quotation marks or parentheses."""
    joined: bool
    """Whether only a space or a hyphen parts it from the token before."""


def find_names(text: str, *, language: str, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """The names in a text, folded, a word each.

    Args:
        language: "de" or any other, which is read as English.
        known: Names that the passages told (`learn_names`); they are names wherever they have a capital.
    """
    tokens = list(_read_tokens(text))
    find = _list_german if language == "de" else _list_english
    names = {token.text.casefold() for token in [*find(tokens), *filter(_is_odd, tokens)]}
    names |= {token.text.casefold() for token in tokens if token.is_capital} & known
    return frozenset(name for name in names if _may_name(name))


def learn_names(texts: Iterable[str], *, language: str) -> frozenset[str]:
    """The names in passages, less those that are also written small."""
    texts = list(texts)
    small = {token.text.casefold() for text in texts for token in _read_tokens(text) if not token.is_capital}
    return frozenset().union(*(find_names(text, language=language) for text in texts)) - small


def find_slots(text: str) -> frozenset[Slot]:
    """Every word with a capital that could be a name, between its neighbours."""
    tokens = list(_read_tokens(text))
    slots = []
    for before, token, after in zip_longest([None, *tokens], tokens, tokens[1:]):
        if token and token.is_capital and _may_name(token.text.casefold()):
            following = after if after and after.joined else None
            slots.append(
                Slot(
                    token.text.casefold(),
                    before.text.casefold() if before and token.joined else "",
                    following.text.casefold() if following else "",
                    following is not None and following.is_capital,
                )
            )
    return frozenset(slots)


def find_nouns(text: str) -> frozenset[str]:
    """Every word with a capital that could be a name."""
    return frozenset(slot.word for slot in find_slots(text))


def are_rivals(one: Slot, other: Slot, *, language: str) -> bool:
    """Whether two words stand in the same place: "in Houston" and "in Dayton", "Silver members" and "Gold members".

    A German noun may be exchanged for another that means the same; there the neighbours must be such as names have.
    """
    if one.word == other.word:
        return False
    if one.before == other.before and one.before in _BEFORE_NAMES:
        return True
    if not one.after or one.after != other.after or is_stop_word(one.after):
        return False
    return language != "de" or (one.after_is_capital and other.after_is_capital)


def _read_tokens(text: str) -> Iterator[_Token]:
    end = 0
    for match in _TOKEN.finditer(text):
        gap = text[end : match.start()]
        is_first = end == 0 or _STARTS.search(text[max(0, match.start() - 2) : match.start()]) is not None
        yield _Token(match.group(), match.group()[0].isupper(), is_first, gap in (" ", "-") and end > 0)
        end = match.end()


def _list_english(tokens: list[_Token]) -> Iterator[_Token]:
    """Capitals within a sentence, and at its start those that another follows."""
    for token, following in zip_longest(tokens, tokens[1:]):
        followed = following is not None and following.is_capital and following.joined
        if token and token.is_capital and (not token.is_first or followed):
            yield token


def _list_german(tokens: list[_Token]) -> Iterator[_Token]:
    """Capitals that follow another: the first of a pair is as often a plain noun ("Werk Hameln")."""
    for before, token in pairwise(tokens):
        if token.is_capital and token.joined and before.is_capital and not _is_plain(before):
            yield token


def _is_plain(token: _Token) -> bool:
    """Not the first half of a name: a unit, a month, an adjective that starts a sentence."""
    folded = token.text.casefold()
    if folded == "uhr" or (token.is_first and _INFLECTED.search(folded)):
        return True
    return is_stop_word(folded) or find_unit(folded) is not None or folded in MONTHS


def _is_odd(token: _Token) -> bool:
    """Capitals inside ("CloudElite") or throughout ("LKR")."""
    return any(letter.isupper() for letter in token.text[1:])


def _may_name(folded: str) -> bool:
    is_date = folded in MONTHS or folded in WEEKDAYS
    return len(folded) >= _LEAST_LETTERS and not is_stop_word(folded) and not is_date and find_unit(folded) is None
