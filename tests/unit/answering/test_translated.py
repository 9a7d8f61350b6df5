"""What a claim may say of a span in another language."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tasks.answering.context import list_quotables
from tasks.answering.support import find_support, read_evidence
from tasks.answering.words import Stems
from tasks.models import EmbedderSpec, Hit
from tasks.ports import Embedder
from tasks.settings import Settings
from tasks.wiring import Application
from tests.fakes.embedder import ConceptEmbedder
from tests.fakes.passage_reader import FakePassageReader

MANUAL = (
    "The diaphragm of the TX-200 pump is replaced every 12 months. Sulphuric acid is not suitable for this pump. "
    "Gloves must be worn at all times. The office calls back within 2 hours. Silver customers wait 48 hours, gold "
    "customers 12 hours. Contracts are signed by Anna Weber. The canteen has a new coffee machine."
)
HOUSE = (
    "Der Mindestbeitrag beträgt 25 Euro im Monat. Das Büro ist im ersten Stock. Hunde sind im Haus nicht erlaubt. "
    "Der Parkplatz schließt abends. Die Kantine bietet montags Fisch an."
)
ALIKE = (
    "diaphragm membran", "replaced gewechselt", "pump pumpe", "acid säure", "suitable eignet", "gloves handschuhe",
    "worn getragen", "office büro", "calls ruft", "customers kunden", "wait waits warten wartet", "contracts verträge",
    "signed unterschreibt unterschrieben", "canteen kantine", "coffee kaffee", "machine maschine",
)  # fmt: skip
BILINGUAL = ConceptEmbedder(ALIKE)


class Judge:
    """The `EntailmentJudge` port: so sure of premises that hold a word, and of others not at all."""

    name = "fake"

    def __init__(self, sure: float, word: str = "") -> None:
        self._sure = sure
        self._word = word

    def measure_entailment(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [self._sure if self._word in premise else 0.0 for premise, _ in pairs]


def supported_by(
    claim: str, embedder: Embedder | None, text: str = MANUAL, *, judge: Judge | None = None, languages: str = "en de"
) -> str | None:
    spoken, asked = languages.split()
    passages = FakePassageReader().add_document("manual.md", [text], title="Manual", language=spoken)
    stems = Stems(asked)
    shown = read_evidence(list_quotables([Hit(rank=1, score=1, passage=passages[0])]), stems)
    support = find_support(claim, shown, stems, embedder=embedder, judge=judge)
    return " ".join(one.quote for one in support.quotables) if support else None


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("Die Membran der Pumpe TX-200 wird alle zwölf Monate gewechselt.", "The diaphragm of"),
        ("Säure eignet sich nicht für die Pumpe.", "Sulphuric acid is not"),
        ("Handschuhe müssen immer getragen werden.", "Gloves must be"),
        ("Das Büro ruft innerhalb von 120 Minuten zurück.", "The office calls"),
        ("Anna Weber unterschreibt die Verträge.", "Contracts are signed"),
    ],
)
def test_what_a_document_says_in_another_language_is_supported(claim: str, sentence: str) -> None:
    found = supported_by(claim, BILINGUAL)
    assert found is not None
    assert found.startswith(sentence)
    assert supported_by(claim, BILINGUAL, judge=Judge(1.0)) == found
    assert supported_by(claim, BILINGUAL, judge=Judge(0.1)) is None


@pytest.mark.parametrize(
    "claim",
    [
        "Die Membran der Pumpe TX-200 wird alle zehn Monate gewechselt.",
        "Die Membran der Pumpe TX-200 wird alle zwölf Wochen gewechselt.",
        "Die Membran der Pumpe TX-300 wird alle zwölf Monate gewechselt.",
        "Säure eignet sich für die Pumpe.",
        "Das Büro ruft nicht innerhalb von 2 Stunden zurück.",
        "Handschuhe dürfen immer getragen werden.",
        "Clara Weber unterschreibt die Verträge.",
        "Gold-Kunden warten 48 Stunden.",
        "Die Kantine verkauft Obst am Montag.",
        "Der Parkplatz ist überdacht.",
    ],
)
def test_another_number_unit_product_name_force_denial_or_subject_is_not(claim: str) -> None:
    assert supported_by(claim, BILINGUAL) is None


def test_without_vectors_or_without_other_sentences_to_compare_nothing_tells() -> None:
    claim = "Das Büro ruft innerhalb von 2 Stunden zurück."
    assert supported_by(claim, None) is None
    assert supported_by(claim, BILINGUAL, "The office calls back within 2 hours.") is None
    assert supported_by(claim, BILINGUAL, "The office calls back within 2 hours. The canteen has coffee.")


def test_words_of_another_language_do_not_hide_that_it_denies() -> None:
    """Names and numbers alone make the sentences near, by which no verb is seen to be denied."""
    claim = "TX-200, TX-300 und Senta werden 2026 nach Dayton geliefert."
    said = "TX-200, TX-300 and Senta are {} to Dayton in 2026."
    assert supported_by(claim, BILINGUAL, said.format("shipped"))
    assert supported_by(claim, BILINGUAL, said.format("not shipped")) is None


@pytest.mark.parametrize(
    ("claim", "clear", "mistakable"),
    [
        (
            "Die Pumpe wartet 12 Stunden.",
            "The pump waits 12 hours.",
            "The old pump waits 48 hours, the new one 12 hours.",
        ),
        ("Die Pumpe wartet 12 Stunden.", "The pump waits 12 hours.", "The old pump waits 48, the new 12 hours."),
        ("Die Pumpe wartet 2 Wochen.", "The pump waits 2 weeks.", "The pump waits 2 weeks, the machine 3 months."),
        (
            "Die Pumpe der Kunden wartet 12 Stunden.",
            "The customers' pump waits 12 hours.",
            "Pump 4 waits 12, 6.",
        ),
        (
            "Die Pumpe wartet 12 Stunden, die Maschine 48 Stunden.",
            "",
            "The pump waits 48 hours, the machine waits 12 hours.",
        ),
        (
            "Verträge werden nicht unterschrieben.",
            "Contracts are not signed.",
            "Gloves are not worn, contracts are signed.",
        ),
        ("Verträge werden nicht unterschrieben.", "No contracts are signed.", "Contracts without a stamp are signed."),
        ("Handschuhe werden getragen.", "Gloves are worn.", "Gloves are not worn, and the machine is."),
        ("Handschuhe sind nicht verboten.", "", "Gloves are forbidden for customers."),
    ],
)
def test_whose_a_number_is_and_what_is_denied_is_not_guessed(claim: str, clear: str, mistakable: str) -> None:
    others = " The canteen has coffee. The office calls. The diaphragm is replaced."
    assert supported_by(claim, BILINGUAL, mistakable + others) is None
    if clear:
        assert supported_by(claim, BILINGUAL, clear + others) == clear


def test_no_language_is_compared_whose_denials_are_not_known() -> None:
    french = "Gants: ne gloves worn pas. Pump machine. Canteen coffee. Office calls."
    claim = "Handschuhe werden bei der Arbeit immer getragen."
    assert supported_by(claim, BILINGUAL, french, languages="en de")
    assert supported_by(claim, BILINGUAL, french, languages="fr de") is None


def test_an_answer_in_its_documents_language_is_compared_by_words_whatever_was_asked_in() -> None:
    text = "Gloves are worn in the laboratory, but not in the office."
    assert supported_by("Gloves are worn in the laboratory.", BILINGUAL, text)


def test_a_judge_hears_of_translations_beside_sentences_that_share_a_name() -> None:
    text = (
        "Senta probes are blue. Senta probes cost little. Senta was founded in Dayton. Senta sells probes in Dayton. "
        "Senta moved to Dayton. The canteen has coffee. Gloves are worn."
    )
    assert supported_by("Bei Senta werden Handschuhe getragen.", BILINGUAL, text, judge=Judge(1.0, "Gloves"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["default", "e5"])
@pytest.mark.parametrize(
    ("languages", "text", "claim", "wrong"),
    [
        (
            "en de",
            MANUAL,
            "Die Membran der TX-200 wird alle 12 Monate gewechselt.",
            "Die Membran der TX-200 wird alle 18 Monate gewechselt.",
        ),
        (
            "de en",
            HOUSE,
            "The minimum contribution is 25 euros a month.",
            "The minimum contribution is 35 euros a month.",
        ),
    ],
)
def test_the_packaged_encoders_tell_what_is_meant(name: str, languages: str, text: str, claim: str, wrong: str) -> None:
    embedder = Application(Settings()).asking_embedder(EmbedderSpec(name=name))
    assert supported_by(claim, embedder, text, languages=languages)
    assert supported_by(wrong, embedder, text, languages=languages) is None
