"""Answers as a stream: an answer's text is cut into sentences, each with the citations that its marks name.

An answer is streamed when all of it is verified, so nothing is taken back: no citation is sent before it was compared
with the document's text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tasks.models import Answer, Citation

_PIECES = re.compile(r".*?(?:\[\d{1,4}\]\s*)+|.+\Z", re.DOTALL)
_MARK = re.compile(r"\[(\d{1,4})\]")


class Piece(NamedTuple):
    """A part of an answer's text; the texts of all pieces together are the answer's."""

    text: str
    start: int
    citations: tuple[Citation, ...]


class Mark(NamedTuple):
    """A citation's mark in the text: `text[start:end] == "[number]"`."""

    start: int
    end: int
    citation: Citation


def split_pieces(answer: Answer) -> Iterator[Piece]:
    """The answer's sentences, each up to and with its marks."""
    for match in _PIECES.finditer(answer.text):
        marks = find_marks(match.group(), answer)
        yield Piece(match.group(), match.start(), tuple(dict.fromkeys(mark.citation for mark in marks)))


def find_marks(text: str, answer: Answer) -> list[Mark]:
    """The marks in a text that name a citation of the answer."""
    numbered = {citation.number: citation for citation in answer.citations}
    found = ((match.start(), match.end(), int(match[1])) for match in _MARK.finditer(text))
    return [Mark(start, end, numbered[number]) for start, end, number in found if number in numbered]


def format_event(name: str, data: Mapping[str, Any]) -> str:
    """One server-sent event; JSON has no line breaks of its own, so it is one line."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
