from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.retrieval.analysis import analyse_question, analyse_text


def shared_tokens(text: str, language: str, question: str) -> set[str]:
    return set(analyse_text(text, language).split()) & set(analyse_question(question).split())


def shared_stems(text: str, language: str, question: str) -> set[str]:
    grams = {token for token in analyse_text(text, language).split() if token.startswith("4")}
    return shared_tokens(text, language, question) - grams


@pytest.mark.parametrize(
    "written", ["Kündigung", "Kuendigung", "Kundigung", "KÜNDIGUNG", "Ku\u0308ndigung", "Kündigungen"]
)
def test_umlauts_are_found_however_they_are_written(written: str) -> None:
    assert shared_stems("Die Kündigung ist schriftlich.", "de", written) == {"kundig"}


@pytest.mark.parametrize(("text", "question"), [("Straße", "Strasse"), ("GRÖSSE", "Größe"), ("Maß", "Mass")])
def test_sharp_s_is_double_s(text: str, question: str) -> None:
    assert shared_stems(text, "de", question)


@pytest.mark.parametrize(("text", "question"), [("batteries", "battery"), ("cancelled orders", "cancelling an order")])
def test_english_endings_do_not_matter(text: str, question: str) -> None:
    assert shared_stems(text, "en", question)


@pytest.mark.parametrize(("text", "question"), [("Häuser", "Haus"), ("der Pumpen", "Pumpe"), ("geprüfte", "geprüft")])
def test_german_endings_do_not_matter(text: str, question: str) -> None:
    assert shared_stems(text, "de", question)


@pytest.mark.parametrize(
    ("text", "question"),
    [("Kündigungsfristen", "Frist"), ("Wartungsvertrag", "Vertrag"), ("Wartungsvertrag", "Wartung")],
)
def test_parts_of_german_compounds_are_found(text: str, question: str) -> None:
    assert shared_tokens(text, "de", question)


def test_an_english_text_is_found_by_a_german_question_through_names_and_numbers() -> None:
    assert {"jackson", "1995"} <= shared_stems("Michael Jackson sang it in 1995.", "en", "Was sang Jackson 1995?")


@pytest.mark.parametrize(
    ("text", "question"), [("E-204", "e204"), ("1,000 kg", "1000 kg"), ("3.5.1", "351"), ("E204", "E-204")]
)
def test_codes_and_numbers_are_found_with_and_without_separators(text: str, question: str) -> None:
    assert shared_stems(text, "en", question)


def test_grams_stand_once_and_stems_as_often_as_they_are_written() -> None:
    tokens = analyse_text("Pumpe Pumpe Pumpe", "de").split()
    assert tokens == ["pump", "pump", "pump", "4pump", "4umpe"]


def test_function_words_have_no_grams() -> None:
    assert analyse_text("which", "en") == "which"


@pytest.mark.parametrize("text", ["", " \n", "?!…", "\x00", "\ud800"])
def test_text_without_words_has_no_keywords(text: str) -> None:
    assert analyse_text(text, "und") == ""
    assert analyse_question(text) == ""


def test_the_keywords_of_a_pasted_page_are_bounded() -> None:
    assert len(analyse_question(" ".join(f"word{number}" for number in range(5000))).split()) == 512


@given(st.text())
def test_every_token_is_letters_and_digits_only(text: str) -> None:
    for token in [*analyse_text(text, "de").split(), *analyse_question(text).split()]:
        assert token.isalnum() or not token.isascii()


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzäöüß ", max_size=60))
def test_a_text_is_found_by_its_own_words(text: str) -> None:
    assert set(analyse_text(text, "de").split()) <= set(analyse_question(text).split())


def test_threads_get_what_one_thread_gets() -> None:
    words = [f"{stem}{ending}" for stem in ("prüf", "wart", "pump") for ending in ("ung", "ungen", "en", "te") * 50]
    alone = [analyse_text(word, "de") for word in words]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda word: analyse_text(word, "de"), words)) == alone


def test_another_process_makes_the_same_tokens() -> None:
    text = "Die Kündigungsfristen der Wartungsverträge"
    code = f"from tasks.retrieval.analysis import analyse_text; print(analyse_text({text!r}, 'de'))"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONIOENCODING": "utf-8"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout
    assert printed.decode().strip() == analyse_text(text, "de")
