"""An answer in pieces is the answer, and a piece's citations are those of its marks."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from expertloop.server.events import find_marks, format_event, split_pieces
from tasks.answer_models import Answer, Citation


def citation(number: int) -> Citation:
    return Citation(
        number=number, document_id=f"d{number}", chunk_id="c", uri="u", title="t", page=None, quote="q", start=0, end=1
    )


def answer(text: str, *numbers: int) -> Answer:
    return Answer(question="?", text=text, citations=tuple(citation(number) for number in numbers))


@given(
    st.lists(st.sampled_from(["It is so.", " ", "\n", "[1]", "[2]", "[9]", "[", "]", "Ä"]), max_size=30).map("".join)
)
def test_the_pieces_are_the_text_and_each_mark_has_its_citation(text: str) -> None:
    given_answer = answer(text, 1, 2)
    pieces = list(split_pieces(given_answer.text, given_answer.citations))
    assert "".join(piece.text for piece in pieces) == text
    for piece in pieces:
        assert text[piece.start : piece.start + len(piece.text)] == piece.text
        assert {one.number for one in piece.citations} == {n for n in (1, 2) if f"[{n}]" in piece.text}


def test_a_sentence_is_streamed_together_with_its_marks() -> None:
    pieces = list(split_pieces("It weighs 5 kg. [1] [2]\nIt is red. [1]", [citation(1), citation(2)]))
    assert [(piece.text, [c.number for c in piece.citations]) for piece in pieces] == [
        ("It weighs 5 kg. [1] [2]\n", [1, 2]),
        ("It is red. [1]", [1]),
    ]


def test_marks_without_a_citation_are_text() -> None:
    (mark,) = find_marks("see [1] and [7]", [citation(1)])
    assert (mark.start, mark.end, mark.citation.number) == (4, 7, 1)


@given(st.text())
def test_an_event_is_two_lines_whatever_it_says(text: str) -> None:
    lines = format_event("delta", {"text": text}).split("\n")
    assert (lines[0], lines[2:]) == ("event: delta", ["", ""])
    assert json.loads(lines[1].removeprefix("data: ")) == {"text": text}


def test_an_event_is_two_lines_to_readers_who_know_more_line_breaks() -> None:
    text = "Grüße\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029!"
    first, second, end = format_event("delta", {"text": text}).splitlines()
    assert (first, end) == ("event: delta", "")
    assert json.loads(second.removeprefix("data: ")) == {"text": text}
    assert "Grüße" in second, "what breaks no line stays readable"
