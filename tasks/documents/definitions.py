"""What abbreviations stand for, found where a document states it.

Short form and long form are matched letter by letter, after Schwartz and Hearst, "A Simple Algorithm for Identifying
Abbreviation Definitions in Biomedical Text", Pacific Symposium on Biocomputing 2003, section 3: every letter of the
short form stands in the long form, in order, and the first one begins it. Three things differ. Every content word of
the long form must give its first letter ("safety data of chemicals (SDS)" is nothing); connecting words may be passed
over, but begin nothing; and more letters may follow from inside a word, which is what German compounds need
(SicherheitsDatenBlatt, SDB).

Found are: the long form with the short one in brackets behind it, and the other way round; lines that begin with the
short form ("NPSH: …", "BA – …", "BA = …"); "stands for"; rows of two cells; and tables whose header says which column
holds abbreviations, where the author's word is enough and no letter need match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tasks.abbreviations import (
    CONNECTING_WORDS,
    MOST_SHORT_CHARACTERS,
    WORD,
    Definition,
    fold,
    make_long_key,
    read_short,
)

RULES_VERSION = 1
"""Raise it when the same text would give other definitions: every text is read again by the next ingest."""

_LONGEST = 100
"""Characters of a long form."""
_MOST_WORDS = 10
_CELL_BORDER = " | "

_QUOTES = "\"'„“”‚‘’«»*"
_BRACKETS = re.compile(r"\(([^()\n]{2,160})\)")
_PIECES = re.compile(r"[,;:–—|]")
_SENTENCE_BORDER = re.compile(r"[.;:!?()\[\]|\n]")
_LABEL = re.compile(
    r"\A(?:kurz(?:form)?|[Aa]bgekürzt|[Aa]bk(?:ürzung|\.)|short|abbr(?:eviated|\.)|acronym|[Ii]m [Ff]olgenden"
    r"|nachfolgend|hereinafter|hereafter|also|auch|[Ee]ngl(?:isch|\.)|stands for|steht für|für|for|as|to)(?:[.:]|\s)\s*"
)
_CALLED = re.compile(r"\s+(?:genannt|called)\Z", re.IGNORECASE)
_LINE = re.compile(
    r"^[ \t]*(?:[-*•·–][ \t]+)?(\S{2,12}?)(?:[ \t]*[:=][ \t]+|[ \t]+[–—-][ \t]+|\t+)(\S[^\n|]*)$", re.MULTILINE
)
_STANDS_FOR = re.compile(
    r"[ \t]+(?:stands for|is short for|is the abbreviation (?:for|of)|steht für|ist die Abkürzung (?:für|von)|bedeutet)"
    r"[ \t]+(?:(?:the|die|der|das|den)[ \t]+)?",
    re.IGNORECASE,
)
_NO_ABBREVIATIONS = frozenset(("PS", "NB", "TO", "CC", "BCC", "AN", "RE", "AW", "WG", "FW", "FWD", "OK"))
"""What stands before a colon in letters and mails."""

_SHORT_HEADS = frozenset(
    "abkürzung abkürzungen abk abk. kürzel kurzform kurzzeichen akronym akronyme abbreviation abbreviations abbr abbr. "
    "acronym acronyms short_form".casefold().split()
)
_LONG_HEADS = frozenset(
    "bedeutung bezeichnung langform erklärung erläuterung beschreibung begriff definition meaning description term "
    "explanation name long_form full_form full_name stands_for steht_für".casefold().split()
)
"""Of a table's columns; a blank is written _ here."""


def find_definitions(text: str) -> list[Definition]:
    """Every definition that a document's text states, each once, in the order of the ways it is looked for.

    Args:
        text: The document's text: table rows are lines whose cells are joined by " | ".
    """
    ways = (_find_in_brackets, _find_in_lines, _find_in_sentences, _find_in_tables)
    found = (definition for way in ways for definition in way(text))
    return list({(one.short, make_long_key(one.long)): one for one in found if _is_longer(one)}.values())


def _is_longer(definition: Definition) -> bool:
    """Whether the long form explains: it is longer, of one line, and does not use the short form itself."""
    short, long = definition
    says_itself = short in WORD.findall(long)
    return len(short) < len(long) <= _LONGEST and not says_itself and any(map(str.isalpha, make_long_key(long)))


# --- where definitions stand ------------------------------------------------------------------------------------------


def _find_in_brackets(text: str) -> Iterator[Definition]:
    """`long (SHORT)` and `SHORT (long)`; of several things in brackets each may be one, or two explain each other."""
    for brackets in _BRACKETS.finditer(text):
        before = text[max(0, brackets.start() - 2 * _LONGEST) : brackets.start()]
        said = brackets[1]
        pieces = [_strip_label(piece) for piece in _PIECES.split(said)]
        for place, piece in enumerate(pieces):
            short = read_short(piece)
            around = [_SENTENCE_BORDER.split(before)[-1], *pieces[:place][-1:]]
            longs = (_read_backward(short, phrase) for phrase in around) if short else ()
            yield from (Definition(short, long) for long in longs if short and long)
        yield from _read_explained(before.split()[-1:], (_first_piece(said), pieces[0]))


def _read_explained(before: Sequence[str], phrases: Sequence[str]) -> Iterator[Definition]:
    short = read_short(before[0].strip(_QUOTES)) if before else None
    longs = (_read_whole(short, phrase) for phrase in phrases) if short else ()
    yield from (Definition(short, long) for long in longs if short and long)


def _find_in_lines(text: str) -> Iterator[Definition]:
    for line in _LINE.finditer(text):
        short = read_short(line[1].strip(_QUOTES))
        if short and short.upper() not in _NO_ABBREVIATIONS:
            long = _read_whole(short, _first_piece(line[2]))
            if long:
                yield Definition(short, long)


def _find_in_sentences(text: str) -> Iterator[Definition]:
    for connector in _STANDS_FOR.finditer(text):
        before = text[max(0, connector.start() - MOST_SHORT_CHARACTERS - 4) : connector.start()].split()
        short = read_short(before[-1].strip(_QUOTES)) if before else None
        if short:
            rest = _SENTENCE_BORDER.split(text[connector.end() : connector.end() + _LONGEST])[0]
            long = _read_forward(short, rest)
            if long:
                yield Definition(short, long)


def _find_in_tables(text: str) -> Iterator[Definition]:
    header: tuple[int, int] | None = None
    for line in text.split("\n"):
        cells = [cell.strip().strip(_QUOTES) for cell in line.split(_CELL_BORDER)]
        if len(cells) < 2:
            header = None
        elif found := _read_header(cells):
            header = found
        else:
            yield from _read_row(cells, header)


def _read_header(cells: Sequence[str]) -> tuple[int, int] | None:
    """The columns of short and long forms."""
    heads = [cell.casefold().rstrip(":").replace(" ", "_") for cell in cells]
    short = next((place for place, head in enumerate(heads) if head in _SHORT_HEADS), None)
    long = next((place for place, head in enumerate(heads) if head in _LONG_HEADS), None)
    return None if short is None or long is None else (short, long)


def _read_row(cells: Sequence[str], header: tuple[int, int] | None) -> Iterator[Definition]:
    if header is None and len(cells) != 2:
        return
    short_place, long_place = header or (0, 1)
    short = read_short(cells[short_place]) if max(short_place, long_place) < len(cells) else None
    if not short:
        return
    phrase = _first_piece(cells[long_place])
    long = _read_whole(short, phrase) if header is None else phrase
    if long and len(long.split()) <= _MOST_WORDS:
        yield Definition(short, long)


def _first_piece(text: str) -> str:
    """Up to the first mark that ends a phrase."""
    return _PIECES.split(_SENTENCE_BORDER.split(text)[0])[0].strip().strip(_QUOTES).strip()


def _strip_label(piece: str) -> str:
    """Without what introduces a short form: "kurz", "hereinafter", "im Folgenden … genannt"."""
    piece = _CALLED.sub("", piece.strip())
    while (bare := _LABEL.sub("", piece)) != piece:
        piece = bare
    return piece.strip(_QUOTES).strip()


# --- letters ------------------------------------------------------------------------------------------------------


def _read_backward(short: str, phrase: str) -> str | None:
    """The long form that a phrase ends with: the shortest, and what belongs to it by its letters, too."""
    words = list(WORD.finditer(phrase))
    if not words or phrase[words[-1].end() :].strip(_QUOTES + " \t"):
        return None
    found = None
    for start in range(len(words) - 1, max(-1, len(words) - 1 - _most_words(short)), -1):
        if _is_aligned(short, [word.group() for word in words[start:]]):
            found = start
        elif found is not None:
            break
    return None if found is None else phrase[words[found].start() : words[-1].end()]


def _read_forward(short: str, phrase: str) -> str | None:
    """The long form that a phrase begins with, as `_read_backward`."""
    words = list(WORD.finditer(phrase))
    found = None
    for end in range(1, min(len(words), _most_words(short)) + 1):
        if _is_aligned(short, [word.group() for word in words[:end]]):
            found = end
        elif found is not None:
            break
    return None if found is None else phrase[words[0].start() : words[found - 1].end()]


def _read_whole(short: str, phrase: str) -> str | None:
    """The phrase, when all of it is the long form."""
    words = list(WORD.finditer(phrase))
    if not 1 <= len(words) <= _most_words(short) or not _is_aligned(short, [word.group() for word in words]):
        return None
    return phrase[words[0].start() : words[-1].end()]


def _most_words(short: str) -> int:
    """Schwartz and Hearst, section 3.1."""
    return min(len(short) + 5, 2 * len(short))


def _is_aligned(short: str, words: Sequence[str]) -> bool:
    """Whether the words give all letters of the short form in order, each content word its first one at least."""
    if words[0].casefold() in CONNECTING_WORDS:
        return False
    letters = [letter for letter in fold(short) if letter.isalnum()]
    counts = {0}
    for place, word in enumerate(words):
        folded = fold(word)
        passed = {*counts} if 0 < place < len(words) - 1 and word.casefold() in CONNECTING_WORDS else set[int]()
        counts = passed | {
            taken for count in counts for taken in range(count + 1, _take_letters(letters, count, folded) + 1)
        }
    return len(letters) in counts


def _take_letters(letters: Sequence[str], count: int, word: str) -> int:
    """How many letters are taken when the word gives as many as it can: its first, then others in order."""
    if count == len(letters) or not word.startswith(letters[count]):
        return count
    place, count = 1, count + 1
    while count < len(letters) and (place := word.find(letters[count], place) + 1):
        count += 1
    return count
