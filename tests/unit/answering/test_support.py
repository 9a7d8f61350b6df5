"""What a claim may say of a span."""

from __future__ import annotations

import pytest

from tasks.answering.context import list_quotables
from tasks.answering.support import find_support, read_evidence
from tasks.answering.words import Stems
from tasks.models import Hit
from tests.fakes.passage_reader import FakePassageReader

TEXTS = {
    "en": "The TX-200 pump needs 2 litres of oil every 12 months. It must not run dry. Gloves are worn at all times.",
    "de": "Die Pumpe TX-200 braucht alle 12 Monate 2 Liter Öl. Sie darf nicht trocken laufen. Handschuhe sind Pflicht.",
}


def supported_by(claim: str, language: str) -> str | None:
    passages = FakePassageReader().add_document("manual.md", [TEXTS[language]], title="Manual")
    quotables = list_quotables([Hit(rank=1, score=1, passage=passages[0])])
    stems = Stems(language)
    support = find_support(claim, read_evidence(quotables, stems), stems)
    return " ".join(one.quote for one in support.quotables) if support else None


@pytest.mark.parametrize(
    ("claim", "language"),
    [
        ("The TX-200 pump needs two liters of oil every 12 months.", "en"),
        ("Oil is needed every twelve months by the TX-200 pump.", "en"),
        ("It must not run dry.", "en"),
        ("Alle zwölf Monate braucht die TX-200 Pumpe 2 l Öl.", "de"),
        ("Die Pumpe darf nicht trocken laufen.", "de"),
    ],
)
def test_what_the_document_says_is_supported(claim: str, language: str) -> None:
    assert supported_by(claim, language)


@pytest.mark.parametrize(
    ("claim", "language"),
    [
        ("The TX-200 pump needs 3 litres of oil every 12 months.", "en"),
        ("The TX-200 pump needs 2 gallons of oil every 12 weeks.", "en"),
        ("The TX-300 pump needs 2 litres of oil every 12 months.", "en"),
        ("It must run dry.", "en"),
        ("The TX-200 pump needs no oil.", "en"),
        ("The pump is painted blue by the maker.", "en"),
        ("Die Pumpe TX-200 braucht alle 12 Tage 2 Liter Öl.", "de"),
        ("Sie darf trocken laufen.", "de"),
        ("...", "en"),
    ],
)
def test_another_number_unit_product_or_negation_is_not(claim: str, language: str) -> None:
    assert supported_by(claim, language) is None


def test_a_claim_over_two_sentences_is_carried_by_both() -> None:
    claim = "The TX-200 pump needs 2 litres of oil every 12 months and must not run dry."
    assert supported_by(claim, "en") == ("The TX-200 pump needs 2 litres of oil every 12 months. It must not run dry.")
