"""Claims and citations: an answer's text is written here, and no other place writes a mark.

A mark [n] exists only together with the citation it names: whatever brackets a model or a document wrote are taken
away or made round first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tasks.answer_models import Citation
from tasks.answering.context import Quotable
from tasks.answering.editions import tell_date
from tasks.answering.sentences import CELL_BORDER, cut_sentences, is_row
from tasks.models import Passage

_MARKS = re.compile(r"\s{0,3}\[\s{0,3}\d{1,4}(?:\s{0,3}[,;]\s{0,3}\d{1,4}){0,9}\s{0,3}\]")
_NUMBER = re.compile(r"\d{1,4}")
_TRAILING_MARKS = re.compile(r"([.!?])((?:\s{0,3}\[[\d,; ]{1,40}\])+)")
_UNFINISHED = re.compile(r"(?:\[[\d,; ]{0,40})?\S*\Z")
"""The word, or the mark, that is being written."""
_ROUND = str.maketrans("[]", "()")


class Claim(NamedTuple):
    """A sentence of a generated answer without its marks, and the passage numbers it was marked with."""

    text: str
    marks: frozenset[int]


class Statement(NamedTuple):
    """A sentence of an answer and the sentences in a row that carry it."""

    text: str
    quotables: tuple[Quotable, ...]

    @property
    def passage(self) -> Passage:
        """The passage they stand in."""
        return self.quotables[0].passage

    @property
    def span(self) -> tuple[int, int]:
        """Characters of the document's text from the first sentence's start to the last one's end."""
        return self.quotables[0].start, self.quotables[-1].end

    @property
    def quote(self) -> str:
        """The passage's text over the span."""
        start, end = self.span
        chunk = self.passage.chunk
        return chunk.text[start - chunk.start : end - chunk.start]


def split_claims(text: str) -> list[Claim]:
    """The sentences of a generated text; marks after a full stop belong to the sentence before it."""
    text = _TRAILING_MARKS.sub(r"\2\1", text)
    claims = []
    for start, end in cut_sentences(text):
        sentence = text[start:end]
        marks = frozenset(int(number) for mark in _MARKS.findall(sentence) for number in _NUMBER.findall(mark))
        bare = _MARKS.sub("", sentence).strip()
        if any(character.isalnum() for character in bare):
            claims.append(Claim(bare, marks))
    return claims


def split_finished(text: str) -> list[Claim]:
    """The claims of a text that is still being written which stay as they are whatever is written next.

    A sentence is finished when the first word of the next one is: that word may be a mark, or tell that "3." was an
    ordinal. A row or a list that only shows itself later in its line can still join or part sentences of that line.
    """
    settled = text[: _UNFINISHED.search(text).start()]  # type: ignore[union-attr]
    return split_claims(settled)[:-1]


def quote_statement(*quotables: Quotable) -> Statement:
    """Sentences in a row as a part of an extractive answer; a table's row is shown with its header."""
    first = quotables[0]
    if first.header:
        return Statement(_label_row(first), (first,))
    return Statement("\n".join(one.quote for one in quotables), quotables)


def write_answer(statements: Sequence[Statement]) -> tuple[str, tuple[Citation, ...]]:
    """The answer's text with marks, and the citation of each mark, numbered from 1 in order of appearance."""
    citations: dict[tuple[str, int, int], Citation] = {}
    sentences = []
    for statement in statements:
        place = (statement.passage.document_id, *statement.span)
        citation = citations.setdefault(place, _cite(statement, number=len(citations) + 1))
        sentences.append(f"{' '.join(statement.text.split()).translate(_ROUND)} [{citation.number}]")
    return "\n".join(sentences), tuple(citations.values())


def _cite(statement: Statement, *, number: int) -> Citation:
    passage = statement.passage
    start, end = statement.span
    return Citation(
        number=number,
        document_id=passage.document_id,
        chunk_id=passage.chunk_id,
        uri=passage.uri,
        title=passage.title,
        page=passage.chunk.page,
        quote=statement.quote,
        start=start,
        end=end,
        outdated=passage.outdated,
        trust=passage.trust,
        dated=tell_date(passage),
    )


def _label_row(row: Quotable) -> str:
    """ "Article: A-12; Price: 30" where header and row have the same number of cells, else header and row."""
    last_header_line = row.header.strip().splitlines()[-1]
    names, cells = ([cell.strip() for cell in line.split(CELL_BORDER)] for line in (last_header_line, row.quote))
    if not is_row(last_header_line) or len(names) != len(cells):
        return f"{row.header} – {row.quote}"
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=True) if cell)
