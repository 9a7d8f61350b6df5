"""Alike and not alike."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from tasks.curation.texts import (
    cut_letters,
    cut_words,
    list_numbers,
    measure_containment,
    measure_resemblance,
    sign_bands,
)

OIL = "How much oil does a D240 gearbox take?"


def test_texts_that_differ_in_a_few_letters_share_a_band() -> None:
    other = "How much oil does the D240 gearbox take"
    assert set(sign_bands(cut_letters(OIL))) & set(sign_bands(cut_letters(other)))
    assert measure_resemblance(cut_letters(OIL), cut_letters(other)) > 0.6


def test_texts_about_other_things_share_none() -> None:
    other = "Who signs travel expenses above 500 euros?"
    assert not set(sign_bands(cut_letters(OIL))) & set(sign_bands(cut_letters(other)))
    assert measure_resemblance(cut_letters(OIL), cut_letters(other)) < 0.1


def test_another_number_is_another_question() -> None:
    assert list_numbers(OIL) != list_numbers(OIL.replace("D240", "D480"))
    assert list_numbers(OIL) == list_numbers("how much OIL does a d240 gearbox take")


def test_a_part_is_contained_in_the_whole() -> None:
    whole = "The pump must be vented before it is started. Then the valve is opened slowly, and the pressure is read."
    assert measure_containment(cut_words(whole[46:]), cut_words(whole)) > 0.9
    assert measure_containment(frozenset(), cut_words(whole)) == 0


def test_bands_are_the_same_in_every_process() -> None:
    code = "from tasks.curation.texts import *; print(sign_bands(cut_letters('How much oil?')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(sign_bands(cut_letters("How much oil?")))


@given(st.text(max_size=200))
def test_bands_fit_a_database_and_equal_texts_have_equal_ones(text: str) -> None:
    bands = sign_bands(cut_letters(text))
    assert all(0 <= band < 2**62 for band in bands)
    assert bands == sign_bands(cut_letters(f"  {text.strip()} "))
