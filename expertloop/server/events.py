"""Answers as a stream: an answer's text is cut into sentences, each with the citations that its marks name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tasks.answer_models import Citation

_PIECES = re.compile(r".*?(?:\[\d{1,4}\]\s*)+|.+\Z", re.DOTALL)
# Line breaks to many readers, none to JSON, which need not escape them. It escapes the others itself.
_ESCAPES = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}
_MARK = re.compile(r"\[(\d{1,4})\]")


class Piece(NamedTuple):
    """A part of an answer's text, and where in it it starts; the texts of all pieces together are the answer's."""

    text: str
    start: int
    citations: tuple[Citation, ...]


class Mark(NamedTuple):
    """A citation's mark in the text: `text[start:end] == "[number]"`."""

    start: int
    end: int
    citation: Citation


def split_pieces(text: str, citations: Sequence[Citation], *, start: int = 0) -> Iterator[Piece]:
    """The sentences of an answer's text from a place on, each up to and with its marks."""
    for match in _PIECES.finditer(text, start):
        marks = find_marks(match.group(), citations)
        yield Piece(match.group(), match.start(), tuple(dict.fromkeys(mark.citation for mark in marks)))


def find_marks(text: str, citations: Sequence[Citation]) -> list[Mark]:
    """The marks in a text that name one of the citations."""
    numbered = {citation.number: citation for citation in citations}
    found = ((match.start(), match.end(), int(match[1])) for match in _MARK.finditer(text))
    return [Mark(start, end, numbered[number]) for start, end, number in found if number in numbered]


def format_event(name: str, data: Mapping[str, Any]) -> str:
    """One server-sent event."""
    return f"event: {name}\n{format_data(data)}"


def format_data(data: Mapping[str, Any]) -> str:
    """The data of an event and its end: one line to every reader, readable JSON otherwise."""
    return f"data: {json.dumps(data, ensure_ascii=False).translate(_ESCAPES)}\n\n"
