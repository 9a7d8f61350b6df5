"""Exact match, F1 and containment in English and German."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.texts import contains_answer, is_exact, measure_f1, normalise_answer

WORDS = st.lists(st.sampled_from(["pump", "the", "der", "3.0", "m", "Öl", "-5"]), min_size=1, max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("The pump.", "pump"),
        ("Die Pumpe [1]", "eine pumpe"),
        ("81 %", "81 percent"),
        ("81 Prozent", "81%"),
        ("8.000 Stunden", "8,000 stunden"),
        ("3,0 m", "3.0 m"),
        ("60Hz", "60 Hz"),
        ("STRASSE", "Straße"),
        ("Öl", "O\u0308l"),
        ("the", "The"),
        ("−5 °C", "-5 °C"),
        ("Joe's", "Joes"),
    ],
)
def test_what_says_the_same_is_an_exact_match(text: str, gold: str) -> None:
    assert is_exact(text, ["something else", gold])
    assert measure_f1(text, [gold]) == 1


@pytest.mark.parametrize(
    ("text", "gold"),
    [("3.0 m", "30 m"), ("5 °C", "-5 °C"), ("1.5 bar", "15 bar"), ("Öl", "Ol"), ("0.125", "0125"), ("81 %", "81")],
)
def test_what_says_something_else_is_none(text: str, gold: str) -> None:
    assert not is_exact(text, [gold])


def test_f1_is_the_harmonic_mean_over_words_counted_as_often_as_they_occur() -> None:
    # Two of four words said are right, two of three wanted are said: 2 * (1/2 * 2/3) / (1/2 + 2/3) = 4/7.
    assert measure_f1("pump pump runs hot", ["the pump runs well"]) == pytest.approx(4 / 7)
    assert measure_f1("anything", []) == 0


def test_an_answer_is_contained_as_whole_words_in_a_row() -> None:
    assert contains_answer(["…", "Es sind 1,1 Liter Öl."], ["1.1 liter"])
    assert not contains_answer(["Es sind 11,1 Liter."], ["1,1 Liter"])
    assert not contains_answer(["1,1 dicke Liter"], ["1,1 Liter"])
    assert not contains_answer(["cats", "dogs"], ["cats dogs"])
    assert not contains_answer(["anything"], ["…", ""])
    assert not contains_answer([], ["a"])


@given(text=st.text(max_size=60), answers=st.lists(st.text(max_size=60), max_size=3))
def test_f1_is_between_0_and_1_and_1_for_an_exact_match(text: str, answers: list[str]) -> None:
    f1 = measure_f1(text, answers)
    assert 0 <= f1 <= 1
    if is_exact(text, answers):
        assert f1 == 1


@given(text=st.text(max_size=80))
def test_a_text_that_says_something_matches_and_contains_itself(text: str) -> None:
    assert is_exact(text, [text])
    assert contains_answer([text], [text]) == bool(normalise_answer(text))


@given(before=WORDS, gold=WORDS, after=WORDS)
def test_an_answer_is_found_wherever_it_stands(before: str, gold: str, after: str) -> None:
    if normalise_answer(gold)[0] not in {"the", "der"}:
        assert contains_answer([f"{before} . {gold} . {after}"], [gold])


@given(words=st.permutations(["pump", "runs", "hot", "today"]))
def test_f1_does_not_see_the_order_of_words(words: list[str]) -> None:
    assert measure_f1(" ".join(words), ["hot pump today"]) == pytest.approx(6 / 7)
