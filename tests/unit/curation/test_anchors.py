"""Quotes as people copy them, and what stands there instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.curation.anchors import find_nearest, locate_quote, mark_changes

TEXT = 'Part | Oil\nD240 | 1,1 Liter\n\nThe pump – a "D240" – must be\nvented first. Vent it. The seal lasts 18 months.'


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("vented first", "vented first"),
        ("must be vented", "must be\nvented"),
        ("D240 1,1 Liter", "D240 | 1,1 Liter"),
        ("pump - a „D240“ - must", 'pump – a "D240" – must'),
        ("must be vented second", None),
        ("  ", None),
        ("(.*)", None),
    ],
)
def test_a_quote_is_found_however_it_was_copied(quote: str, found: str | None) -> None:
    span = locate_quote(TEXT, quote)
    assert (TEXT[span.start : span.end] if span else None) == found


@given(st.text(max_size=80), st.integers(0, 60), st.integers(1, 30))
def test_every_piece_of_a_text_is_found_in_it(text: str, start: int, length: int) -> None:
    piece = text[start : start + length]
    span = locate_quote(text, piece, near=start)
    if piece.strip(" \t\r\n|"):
        assert span is not None
        assert text[span.start : span.end] == piece
    else:
        assert span is None


def test_of_several_places_the_one_nearest_to_the_former_counts() -> None:
    text = "on. off. on. off. on."
    assert [locate_quote(text, "on.", near=near) for near in (0, 8, 20)] == [(0, 3), (9, 12), (18, 21)]


def test_the_nearest_sentence_is_what_a_changed_document_says_now() -> None:
    assert find_nearest(TEXT, "The seal lasts 12 months.") == "The seal lasts 18 months."
    assert find_nearest(TEXT, "Travel expenses are signed by the head of department.") is None


def test_changes_are_marked_word_by_word() -> None:
    assert mark_changes("It lasts 12 months", "It lasts 18 months now") == "It lasts [-12-] {+18+} months {+now+}"
