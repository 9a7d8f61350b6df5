"""What a claim may say of a span."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.answering.context import list_quotables
from tasks.answering.support import find_support, read_evidence
from tasks.answering.words import Stems
from tasks.models import Hit
from tests.fakes.passage_reader import FakePassageReader

TEXTS = {
    "en": "The TX-200 pump needs 2 litres of oil every 12 months. It must not run dry. Gloves are worn at all times.",
    "de": "Die Pumpe TX-200 braucht alle 12 Monate 2 Liter Öl. Sie darf nicht trocken laufen. Handschuhe sind Pflicht.",
}
CONTRACT = (
    "Contracts are signed by Anna Weber in Dayton. The hotline calls back within 2 hours. Fees may apply at night."
    " The engineer should bring a badge. A visit takes at least 3 hours.\n"
    "Deposits: 5,000 EUR (Spain), 7,000 EUR (Malta).\n"
    "Level | Response | Discount\nSilver | 48 h | 5 %\nGold | 12 h | 15 %"
)


def supported_by(claim: str, language: str, text: str | None = None) -> str | None:
    passages = FakePassageReader().add_document("manual.md", [text or TEXTS[language]], title="Manual")
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


@pytest.mark.parametrize(
    "claim",
    [
        "Anna Weber signs the contracts in Dayton.",
        "The hotline will call back within 120 minutes.",
        "At night fees may apply.",
        "The engineer should have a badge.",
        "Visits take 3 hours or more, at least 3 hours.",
        "In Malta the deposit is 7,000 EUR.",
        "Gold customers get a response within 12 hours.",
        "The discount for Silver is 5 percent.",
    ],
)
def test_a_claim_in_its_own_words_is_supported(claim: str) -> None:
    assert supported_by(claim, "en", CONTRACT)


@pytest.mark.parametrize(
    "claim",
    [
        "Carl Weber signs the contracts in Dayton.",
        "Anna Weber signs the contracts in Houston.",
        "The hotline will call back within 2 days.",
        "At night fees apply.",
        "At night fees must apply.",
        "The engineer must bring a badge.",
        "A visit takes at most 3 hours.",
        "In Spain the deposit is 7,000 EUR.",
        "Silver customers get a response within 12 hours.",
        "The discount for Gold is 5 percent.",
    ],
)
def test_a_name_a_modal_word_a_bound_or_another_ones_number_makes_it_unsupported(claim: str) -> None:
    assert supported_by(claim, "en", CONTRACT) is None


def test_the_number_of_another_sentence_supports_nothing() -> None:
    text = "Hotel rooms cost up to 135 euros a night. Guests of the company cost up to 25 euros a night."
    assert supported_by("Hotel rooms may cost 135 euros a night.", "en", text)
    assert supported_by("Hotel rooms may cost 25 euros a night.", "en", text) is None


def test_a_list_item_speaks_of_the_line_above_its_list_and_of_no_earlier_one() -> None:
    text = "1. Alpha (Basic)\nSeats: 8\nMeals: 2\n2. Beta (Extra)\nSeats: 42\nMeals: 3"
    assert supported_by("Beta has 42 seats.", "en", text)
    assert supported_by("Alpha has 42 seats.", "en", text) is None


@given(st.integers(1, 5_000), st.integers(1, 5_000), st.sampled_from(["litres", "EUR", "days", "percent", "kg"]))
def test_any_changed_number_in_a_supported_claim_is_rejected(said: int, claimed: int, unit: str) -> None:
    text = f"The filter of the press holds {said} {unit}. It is cleaned on Fridays."
    assert (supported_by(f"The press filter holds {claimed} {unit}.", "en", text) is None) == (said != claimed)


class Judge:
    """The `EntailmentJudge` port: sure of premises that hold a word."""

    name = "fake"

    def __init__(self, word: str) -> None:
        self._word = word
        self.asked: list[tuple[str, str]] = []

    def measure_entailment(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        self.asked += pairs
        return [0.9 if self._word in premise else 0.1 for premise, _ in pairs]


def judged_by(judge: Judge, claim: str) -> str | None:
    passages = FakePassageReader().add_document("manual.md", [TEXTS["en"]], title="Manual")
    stems = Stems("en")
    shown = read_evidence(list_quotables([Hit(rank=1, score=1, passage=passages[0])]), stems)
    support = find_support(claim, shown, stems, judge=judge)
    return " ".join(one.quote for one in support.quotables) if support else None


def test_a_model_may_carry_a_claim_in_other_words_and_refuse_one_in_the_same() -> None:
    assert supported_by("Gloves are put on by the staff on site.", "en") is None
    judge = Judge("Gloves")
    assert judged_by(judge, "Gloves are put on by the staff on site.") == "Gloves are worn at all times."
    assert ("Manual\nGloves are worn at all times.", "Gloves are put on by the staff on site.") in judge.asked
    assert judged_by(Judge("nothing"), "Gloves are worn at all times.") is None


def test_no_model_is_asked_about_a_wrong_number() -> None:
    judge = Judge("oil")
    assert judged_by(judge, "The TX-200 pump needs 3 litres of oil every 12 months.") is None
    assert judge.asked == []
