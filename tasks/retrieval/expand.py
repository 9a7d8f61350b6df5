"""Abbreviations of a question, expanded: a document may say "NPSH" where it was asked for by its long form, or neither.

What an abbreviation stands for is learnt from documents, and a person may say it in the glossary. It is looked up for
each asker from what that asker may read at this moment: another meaning would tell of a document that is kept from him.
Where documents disagree none is searched, since a wrong one brings up the wrong document with all its words; the
question then finds what it found before. docs/decisions/0022 has the reasons.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tasks.abbreviations import (
    CONNECTING_WORDS,
    WORD,
    Meaning,
    make_long_key,
    make_short_key,
    make_word_key,
    read_short,
)
from tasks.answer_models import Expansion, Question
from tasks.glossary import GlossaryEntry
from tasks.models import EVERYONE
from tasks.ports import DefinitionReader

logger = logging.getLogger(__name__)

AGREED_SHARE = 0.75
"""Of the documents that explain an abbreviation: so many must mean the same."""

_MOST_CHARACTERS = 2000
"""Of a question; a pasted document is full of abbreviations that nobody asked about."""
_MOST_WORDS = 6
"""Content words of a long form that is looked for in a question."""
_LEAST_LETTERS = 6
"""Of a long form of one word: shorter words are everyday ones."""
_MOST_ADDED = 3
_MOST_MEANINGS = 5

_TOKEN = re.compile(r"[^\W_]+(?:[&/.+-][^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
_UNSPEAKABLE = re.compile(r"[b-df-hj-np-tv-xz0-9]{3,10}")
"""In lower case only what no word can be is an abbreviation: "npsh", not "it"."""


class _Mention(NamedTuple):
    """A place in a question that may be a short or a long form."""

    start: int
    end: int
    key: str
    is_short: bool


class _Known(NamedTuple):
    """What one abbreviation stands for, to one asker."""

    short: str
    longs: tuple[str, ...]
    """What is searched instead of it; none where documents disagree or a person has switched it off."""
    rivals: tuple[str, ...]
    """Meanings among which nobody can choose."""
    document_ids: tuple[str, ...]

    @property
    def long_keys(self) -> frozenset[str]:
        return frozenset(map(make_long_key, self.longs))


class AbbreviationExpander:
    """The `QuestionExpander` port.

    Args:
        reader: What documents say.
        stated: What people say, by tenant and short form; it is stronger than documents, and an empty list switches an
            abbreviation off.
    """

    def __init__(self, reader: DefinitionReader, *, stated: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        self._reader = reader
        self._shorts = {tenant: frozenset(said) for tenant, said in stated.items()}
        self._stated = {tenant: list(map(_read_stated, said.items())) for tenant, said in stated.items()}

    def expand(self, questions: Sequence[Question]) -> list[Question]:
        """The questions with their expansions; one without abbreviations is searched exactly as without them."""
        mentions = [list(self._list_mentions(question)) for question in questions]
        askers: defaultdict[tuple[str, frozenset[str]], list[int]] = defaultdict(list)
        for place, question in enumerate(questions):
            if mentions[place]:
                askers[question.tenant, question.principals | {EVERYONE}].append(place)
        expanded = [question.model_copy(update={"expansions": ()}) for question in questions]
        for (tenant, principals), places in askers.items():
            known = self._look_up(tenant, principals, [one for place in places for one in mentions[place]])
            for place in places:
                found = _list_expansions(questions[place].text, mentions[place], known)
                expanded[place] = expanded[place].model_copy(update={"expansions": tuple(dict.fromkeys(found))})
        counted = [one for question in expanded for one in question.expansions or ()]
        if counted:
            unclear = sum(not one.added for one in counted)
            logger.info("questions expanded count=%s expansions=%s unclear=%s", len(questions), len(counted), unclear)
        return expanded

    def _list_mentions(self, question: Question) -> Iterator[_Mention]:
        text = question.text[:_MOST_CHARACTERS]
        yield from _list_shorts(text, self._shorts.get(question.tenant, frozenset()))
        yield from _list_longs(text)

    def _look_up(self, tenant: str, principals: frozenset[str], mentions: Sequence[_Mention]) -> dict[str, _Known]:
        """By short key."""
        shorts = {one.key for one in mentions if one.is_short}
        longs = {one.key for one in mentions if not one.is_short}
        meanings: defaultdict[str, list[Meaning]] = defaultdict(list)
        for meaning in self._reader.find_meanings(tenant, principals, shorts=shorts, longs=longs):
            meanings[make_short_key(meaning.short)].append(meaning)
        known = {key: settle_meanings(found) for key, found in meanings.items()}
        return known | {make_short_key(one.short): one for one in self._stated.get(tenant, ())}


def list_entries(meanings: Sequence[Meaning], stated: Mapping[str, Sequence[str]]) -> list[GlossaryEntry]:
    """Every meaning by abbreviation, and whether it is searched; what people say comes first.

    Args:
        meanings: Of documents, all of each abbreviation.
        stated: What people say, by short form.
    """
    by_key: defaultdict[str, list[Meaning]] = defaultdict(list)
    for meaning in meanings:
        by_key[make_short_key(meaning.short)].append(meaning)
    people = {make_short_key(short): (short, longs) for short, longs in stated.items()}
    entries = []
    for key in sorted({*by_key, *people}):
        if key in people:
            short, longs = people[key]
            entries += [_describe_stated(short, long) for long in longs or (None,)]
        # What people say replaces what documents say.
        searched = frozenset() if key in people else settle_meanings(by_key[key]).long_keys
        entries += [_describe_meaning(one, searched) for one in by_key[key]]
    return entries


def _describe_stated(short: str, long: str | None) -> GlossaryEntry:
    return GlossaryEntry(short=short, long=long, searched=long is not None, origin="people", documents=0)


def _describe_meaning(meaning: Meaning, searched: frozenset[str]) -> GlossaryEntry:
    return GlossaryEntry(
        short=meaning.short,
        long=meaning.long,
        searched=any(_begins(make_long_key(meaning.long), key) for key in searched),
        origin="documents",
        documents=meaning.documents,
        document_id=meaning.document_id,
    )


def settle_meanings(meanings: Sequence[Meaning]) -> _Known:
    """What one abbreviation stands for, where documents agree.

    Args:
        meanings: Of one short form; at least one.
    """
    variants = _join_variants(meanings)
    best, *others = sorted(variants, key=lambda one: (-one.documents, one.long))
    if best.documents >= AGREED_SHARE * sum(one.documents for one in variants):
        return _Known(best.short, (best.long,), (), (best.document_id,))
    rivals = [best, *others][:_MOST_MEANINGS]
    return _Known(best.short, (), tuple(one.long for one in rivals), tuple(one.document_id for one in rivals))


def _join_variants(meanings: Sequence[Meaning]) -> list[Meaning]:
    """A longer form that begins with all words of a shorter one says no more than that: "… for pumps"."""
    joined: dict[str, Meaning] = {}
    for meaning in sorted(meanings, key=lambda one: len(one.long)):
        key = make_long_key(meaning.long)
        shorter = next((known for known in joined if _begins(key, known)), key)
        former = joined.get(shorter, meaning._replace(documents=0))
        joined[shorter] = former._replace(documents=former.documents + meaning.documents)
    return list(joined.values())


def _begins(key: str, beginning: str) -> bool:
    return f"{key} ".startswith(f"{beginning} ")


def _read_stated(said: tuple[str, Sequence[str]]) -> _Known:
    short, longs = said
    return _Known(short, tuple(longs), (), ())


# --- in a question ----------------------------------------------------------------------------------------------------


def _list_shorts(text: str, stated: frozenset[str]) -> Iterator[_Mention]:
    """Words that look like abbreviations, and those that people call so whatever they look like."""
    # Who shouts writes every word like an abbreviation.
    shouts = text.isupper() and len(text.split()) > 2
    for token in _TOKEN.finditer(text):
        for part in {token.span(), *(found.span() for found in _PART.finditer(text, *token.span()))}:
            word = text[slice(*part)]
            if word in stated or _is_short(word.lower() if shouts else word):
                yield _Mention(*part, make_short_key(read_short(word) or word), is_short=True)


def _is_short(word: str) -> bool:
    return read_short(word) is not None or _UNSPEAKABLE.fullmatch(word) is not None


def _list_longs(text: str) -> Iterator[_Mention]:
    """Every run of content words."""
    words = [word for word in WORD.finditer(text) if word.group().casefold() not in CONNECTING_WORDS]
    keys = [make_word_key(word.group()) for word in words]
    for first in range(len(words)):
        for last in range(first, min(first + _MOST_WORDS, len(words))):
            key = " ".join(keys[first : last + 1])
            if last > first or len(key) >= _LEAST_LETTERS:
                yield _Mention(words[first].start(), words[last].end(), key, is_short=False)


def _list_expansions(text: str, mentions: Sequence[_Mention], known: Mapping[str, _Known]) -> Iterator[Expansion]:
    """One a form that is said, the longest first where they overlap."""
    by_long = {key: one for one in known.values() for key in one.long_keys}
    said_longs = {one.key for one in mentions if not one.is_short}
    said_shorts = {one.key for one in mentions if one.is_short}
    taken: list[_Mention] = []
    for mention in sorted(mentions, key=lambda one: (one.start - one.end, one.start)):
        meant = known.get(mention.key) if mention.is_short else by_long.get(mention.key)
        if meant is None or any(mention.start < other.end and other.start < mention.end for other in taken):
            continue
        taken.append(mention)
        # Whoever writes both forms has said all there is to say.
        said_both = said_longs & meant.long_keys if mention.is_short else make_short_key(meant.short) in said_shorts
        if not said_both and (meant.longs or meant.rivals):
            yield _expand(text[mention.start : mention.end], mention, meant)


def _expand(said: str, mention: _Mention, meant: _Known) -> Expansion:
    sources = meant.document_ids
    if mention.is_short:
        return Expansion(said=said, added=meant.longs[:_MOST_ADDED], meanings=meant.rivals, document_ids=sources)
    others = (long for long in meant.longs if make_long_key(long) != mention.key)
    return Expansion(said=said, added=(meant.short, *others)[:_MOST_ADDED], document_ids=sources)
