"""What is compared of a claim and of a quotable: read once, compared often."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tasks.answering.context import Quotable
from tasks.answering.modals import Force, find_forces
from tasks.answering.names import Slot, find_names, find_nouns, find_slots, learn_names
from tasks.answering.polarity import Clause, split_clauses
from tasks.answering.quantities import Quantity, find_bounds, find_quantities, find_rates, find_singles, find_units
from tasks.answering.sentences import CELL_BORDER, is_row
from tasks.answering.words import Stems

_SEGMENT_BORDER = re.compile(r"[,;]\s|\s/\s")
_LONGEST_LABEL = 80
_LINES_BACK = 12
_WORDS = re.compile(r"[^\W\d_]+")


class Statement(NamedTuple):
    """What is compared of a text."""

    topics: frozenset[str]
    named: frozenset[str]
    """Those of the topics that are names."""
    words: frozenset[str]
    """All words, folded: where names are looked for."""
    names: frozenset[str]
    items: frozenset[str]
    """What a number can be said of: names, in German all nouns."""
    slots: frozenset[Slot]
    quantities: frozenset[Quantity]
    units: frozenset[str]
    rates: frozenset[Quantity]
    bounds: dict[Quantity, str]
    forces: frozenset[Force]
    clauses: tuple[Clause, ...]


class Segment(NamedTuple):
    """A part of a sentence with a number of its own, or a row's cell with its header and the row's first cell."""

    quantities: frozenset[Quantity]
    words: frozenset[str]
    items: frozenset[str]


class Surroundings(NamedTuple):
    """What a reader still has in mind at a sentence."""

    topics: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    quantities: frozenset[Quantity] = frozenset()


class Evidence(NamedTuple):
    """One quotable with what it stands under."""

    quotable: Quotable
    said: Statement
    place: Statement
    """Title, headings and a table's header."""
    context: Surroundings
    """Earlier sentences of its paragraph, and the lines it is listed under."""
    segments: tuple[Segment, ...]
    rivals: frozenset[str]
    """Topics of the first cells of the other rows of its table: what this row does not speak of."""


class Shown(NamedTuple):
    """All that claims are compared with, in reading order."""

    evidence: tuple[Evidence, ...]
    names: frozenset[str]
    weights: dict[str, float]
    """Of each topic: what few sentences speak of weighs more."""


def read_shown(quotables: Sequence[Quotable], stems: Stems) -> Shown:
    """Quotables, ready to be compared with claims."""
    places = dict.fromkeys(one.place for one in quotables)
    names = learn_names([*(one.quote for one in quotables), *places], language=stems.language)
    said = [_read_said(one.quote, stems, names) for one in quotables]
    keys = _list_keys(quotables, stems)
    read_places = {place: read_statement(place, stems, names) for place in places}
    evidence = tuple(
        Evidence(
            quotable,
            said[index],
            read_places[quotable.place],
            _join([said[before] for before in _list_context(quotables, index)]),
            tuple(_list_segments(quotable, stems, names)),
            keys.get(quotable.place, frozenset()) - said[index].topics if quotable.header else frozenset(),
        )
        for index, quotable in enumerate(quotables)
    )
    return Shown(evidence, names, _weigh_topics([one.topics for one in said]))


def read_statement(text: str, stems: Stems, names: frozenset[str] = frozenset()) -> Statement:
    """What is compared of a text."""
    found = find_names(text, language=stems.language, known=names)
    return Statement(
        topics=frozenset(stems.find_topics(text)),
        named=frozenset(stems.find_topics(" ".join(found))),
        words=_list_words(text),
        names=found,
        items=find_items(text, stems, names),
        slots=find_slots(text),
        quantities=find_quantities(text),
        units=find_units(text),
        rates=find_rates(text),
        bounds=find_bounds(text),
        forces=find_forces(text),
        clauses=split_clauses(text, stems),
    )


def _read_said(text: str, stems: Stems, names: frozenset[str]) -> Statement:
    statement = read_statement(text, stems, names)
    return statement._replace(quantities=statement.quantities | find_singles(text))


def _join(statements: Sequence[Statement]) -> Surroundings:
    return Surroundings(
        frozenset().union(*(one.topics for one in statements)),
        frozenset().union(*(one.words for one in statements)),
        frozenset().union(*(one.quantities for one in statements)),
    )


def _weigh_topics(sentences: Sequence[frozenset[str]]) -> dict[str, float]:
    """Inverse document frequency over sentences."""
    counts = Counter(topic for topics in sentences for topic in topics)
    return {topic: math.log(1 + len(sentences) / count) for topic, count in counts.items()}


def _list_words(text: str) -> frozenset[str]:
    return frozenset(_WORDS.findall(text.casefold()))


# --- context ------------------------------------------------------------------------------------------------------


def _list_context(quotables: Sequence[Quotable], index: int) -> Iterator[int]:
    """What a reader still has in mind: the paragraph so far, and labels above it until one of their kind follows."""
    shapes, in_paragraph = {_shape(quotables[index].quote)}, True
    for place in range(index - 1, max(-1, index - 1 - _LINES_BACK), -1):
        before, after = quotables[place], quotables[place + 1]
        if before.passage.chunk_id != after.passage.chunk_id:
            return
        in_paragraph = in_paragraph and "\n" not in _gap(before, after)
        shape = _shape(before.quote)
        if in_paragraph or (_is_label(before.quote) and shape not in shapes):
            yield place
        shapes.add(shape)


def _gap(before: Quotable, after: Quotable) -> str:
    offset = before.passage.chunk.start
    return before.passage.chunk.text[before.end - offset : after.start - offset]


def _is_label(line: str) -> bool:
    return len(line) <= _LONGEST_LABEL and not is_row(line) and line[-1] not in ".!?"


def _shape(line: str) -> str:
    """ "2. CloudElite (Business Class)" is "0. w (w)": lines of one shape are of one kind."""
    return re.sub(r"w(?:[ -]w)+", "w", re.sub(r"\d+", "0", _WORDS.sub("w", line)))


# --- rows and segments ------------------------------------------------------------------------------------------------


def _list_keys(quotables: Sequence[Quotable], stems: Stems) -> dict[str, frozenset[str]]:
    """Topics of the first cells of all rows under one place, which ends with their table's header."""
    keys: dict[str, frozenset[str]] = {}
    for row in quotables:
        if row.header:
            key = row.quote.split(CELL_BORDER)[0]
            keys[row.place] = keys.get(row.place, frozenset()) | frozenset(stems.find_topics(key))
    return keys


def _list_segments(quotable: Quotable, stems: Stems, names: frozenset[str]) -> Iterator[Segment]:
    for text in _split_row(quotable) if is_row(quotable.quote) else _split_sentence(quotable.quote):
        quantities = find_quantities(text) | find_singles(text)
        yield Segment(quantities, _list_words(text), find_items(text, stems, names))


def find_items(text: str, stems: Stems, names: frozenset[str]) -> frozenset[str]:
    """What a number can be said of: names, in German all nouns."""
    if stems.language == "de":
        return find_nouns(text)
    return find_names(text, language=stems.language, known=names)


def _split_row(quotable: Quotable) -> Iterator[str]:
    first, *cells = quotable.quote.split(CELL_BORDER)
    header = (quotable.header.strip().splitlines() or [""])[-1].split(CELL_BORDER)[1:]
    header = header if len(header) == len(cells) else [""] * len(cells)
    for name, cell in zip(header, cells, strict=True):
        yield f"{first}\n{name}\n{cell}"


def _split_sentence(sentence: str) -> Iterator[str]:
    """Parts between commas; one without a number belongs to the one before."""
    parts: list[str] = []
    counted = False
    for piece in _SEGMENT_BORDER.split(sentence):
        counts = bool(find_quantities(piece))
        if counted and counts:
            yield ", ".join(parts)
            parts, counted = [], False
        parts.append(piece)
        counted = counted or counts
    yield ", ".join(parts)
