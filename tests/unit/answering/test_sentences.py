"""Sentences, list items and rows, with their places, in two languages."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.answering.sentences import split_sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        (
            "See e.g. Mr. Miller of Acme Inc. in May. He knows.",
            ["See e.g. Mr. Miller of Acme Inc. in May.", "He knows."],
        ),
        ("It costs 3.50 EUR. Not 4.00 EUR.", ["It costs 3.50 EUR.", "Not 4.00 EUR."]),
        ("Built in 2023. Then sold.", ["Built in 2023.", "Then sold."]),
        ('"Stop." He went on (really.) Then left.', ['"Stop."', "He went on (really.)", "Then left."]),
        (
            "Dr. Meier prüft z. B. Nr. 5 am 3. März. Danach nicht.",
            ["Dr. Meier prüft z. B. Nr. 5 am 3. März.", "Danach nicht."],
        ),
        ("Im 4. Quartal gilt das ca. 2 Std. lang. Ende.", ["Im 4. Quartal gilt das ca. 2 Std. lang.", "Ende."]),
        ("Wert: 1.200,50 €. Gilt ab 1.1.2024. Immer.", ["Wert: 1.200,50 €.", "Gilt ab 1.1.2024.", "Immer."]),
        ("これは文です。次の文。", ["これは文です。", "次の文。"]),
    ],
)
def test_prose_is_split_at_the_ends_of_sentences_and_nowhere_else(text: str, sentences: list[str]) -> None:
    assert split(text) == sentences


def test_list_items_lose_their_bullet_and_keep_their_number() -> None:
    assert split("- Oil: 2 l\n• Water\n1. Open the valve. Wait.\n2) Close it") == [
        "Oil: 2 l",
        "Water",
        "1. Open the valve.",
        "Wait.",
        "2) Close it",
    ]


def test_items_that_run_in_one_line_after_a_colon_are_items() -> None:
    assert split("Highlights: - Five courses - Wine") == ["Highlights:", "Five courses", "Wine"]
    assert split("The A380 - our flagship - flies.") == ["The A380 - our flagship - flies."]


def test_the_fields_of_a_mail_s_head_are_lines_however_long() -> None:
    head = [
        "From: Amy Reinholt of the service desk <amy.reinholt@company.example>",
        "To: Greg Sandoval of the water works <g.sandoval@customer.example>",
        "Date: Thu, 19 Mar 2026 11:35:00 -0400",
    ]
    assert split("\n".join(head)) == head
    wrapped = "The pump must be primed wet before it is started for the first time\nNote that this holds for all."
    assert split(wrapped) == [wrapped]


def test_a_row_of_a_table_is_one_sentence() -> None:
    assert split("Article | Price\nA-12 | 3.50 EUR. Net.\nA-13 | 4 EUR") == [
        "Article | Price",
        "A-12 | 3.50 EUR. Net.",
        "A-13 | 4 EUR",
    ]


def test_a_wrapped_line_goes_on_and_a_heading_does_not() -> None:
    assert split("The pump runs\nwithout oil.\nSafety\nWear gloves.") == [
        "The pump runs\nwithout oil.",
        "Safety",
        "Wear gloves.",
    ]


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from(" .!?|-:\n1aA•")), max_size=400))
def test_spans_are_in_order_apart_and_never_blank_and_leave_no_letter_out(text: str) -> None:
    spans = split_sentences(text)
    assert all(start < end and not text[start].isspace() and not text[end - 1].isspace() for start, end in spans)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    covered = {place for start, end in spans for place in range(start, end)}
    assert not [place for place, character in enumerate(text) if character.isalnum() and place not in covered]


@pytest.mark.parametrize("piece", [".", "a. ", "| ", "\n", "1. ", ": - ", "a\n", "x" * 70 + "\n", " ", "e.g. ", "(. "])
def test_twice_the_text_takes_about_twice_the_time(piece: str) -> None:
    def measure(count: int) -> float:
        started = time.process_time()
        split_sentences(piece * count)
        return time.process_time() - started

    measure(1_000)
    small, large = min(measure(5_000) for _ in range(3)), min(measure(40_000) for _ in range(3))
    assert large < 32 * max(small, 0.002)
