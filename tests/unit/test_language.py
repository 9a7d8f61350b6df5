from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.language import detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How long may a battery stay in the charger?", "en"),
        ("Where is HQ?", "en"),
        ("What is SLA?", "en"),
        ("WHO SIGNS THE TRAVEL REQUEST?", "en"),
        ("Wie lange darf der Akku im Ladegerät bleiben?", "de"),
        ("Wer ist Chef?", "de"),
        ("Passwort zurücksetzen", "de"),
        ("Öffnungszeiten", "de"),
        ("Welche Kuendigungsfrist gilt?", "de"),
        ("Was kostet der SmartPump 3000 Controller im Service Level Gold?", "de"),
        ("Quel est le délai de livraison des pompes ?", "fr"),
        ("Сколько стоит насос?", "ru"),
    ],
)
def test_short_questions_are_recognised(text: str, language: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize("text", ["", "   ", "123-456", "?!", "E-204", "SLA", "OK", "\ud800", "\x00", "😀"])
def test_text_that_does_not_tell_is_undetermined(text: str) -> None:
    assert detect_language(text) == "und"


def test_decomposed_umlauts_are_umlauts() -> None:
    assert detect_language("Ist die U\u0308berwachung no\u0308tig?") == "de"


def test_a_very_long_text_is_judged_by_its_beginning() -> None:
    assert detect_language("Die Pumpe läuft nicht an und muss entlüftet werden. " * 100_000) == "de"


@pytest.mark.parametrize("language", ["en", "de"])
def test_real_questions_and_paragraphs_are_recognised(shared_data: Path, language: str) -> None:
    file = shared_data / "xquad_en_de" / f"xquad.{language}.json"
    paragraphs = [p for article in json.loads(file.read_text())["data"] for p in article["paragraphs"]]
    questions = [answered["question"] for paragraph in paragraphs for answered in paragraph["qas"]]
    assert all(detect_language(paragraph["context"]) == language for paragraph in paragraphs)
    right = sum(detect_language(question) == language for question in questions)
    assert right / len(questions) > 0.99
