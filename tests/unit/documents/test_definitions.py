"""What abbreviations stand for, where texts say so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.abbreviations import make_long_key, make_short_key, read_short
from tasks.documents.definitions import find_definitions


@pytest.mark.parametrize(
    ("text", "short", "long"),
    [
        ("The required Net Positive Suction Head (NPSH) is 3 m.", "NPSH", "Net Positive Suction Head"),
        ("NPSH (Net Positive Suction Head, in m) falls.", "NPSH", "Net Positive Suction Head"),
        ("Jede Betriebsanweisung (BA) hängt aus.", "BA", "Betriebsanweisung"),
        ("Das aktuelle Sicherheitsdatenblatt (SDB) liegt bei.", "SDB", "Sicherheitsdatenblatt"),
        ("Es gelten Technische Regeln für Gefahrstoffe (TRGS).", "TRGS", "Technische Regeln für Gefahrstoffe"),
        ("nach Betriebssicherheitsverordnung (BetrSichV)", "BetrSichV", "Betriebssicherheitsverordnung"),
        ("persönliche Schutzausrüstung (kurz: PSA)", "PSA", "persönliche Schutzausrüstung"),
        ("die Betriebs- und Wartungsanleitung (BWA)", "BWA", "Betriebs- und Wartungsanleitung"),
        ("eine Kraft-Wärme-Kopplung (im Folgenden „KWK“ genannt)", "KWK", "Kraft-Wärme-Kopplung"),
        ("das Sicherheitsdatenblatt (engl. Safety Data Sheet, SDS)", "SDS", "Safety Data Sheet"),
        ("All Standard Operating Procedures (SOPs) are signed.", "SOP", "Standard Operating Procedures"),
        ("Environment, Health and Safety (EHS)", "EHS", "Environment, Health and Safety"),
        ("the Total Cost of Ownership (TCO)", "TCO", "Total Cost of Ownership"),
        ("Research & Development (R&D) decides.", "R&D", "Research & Development"),
        ("hoses of Polyvinylidenfluorid (PVDF)", "PVDF", "Polyvinylidenfluorid"),
        ("Notes\n\n- MAWP: maximum allowable working pressure (gauge)", "MAWP", "maximum allowable working pressure"),
        ("BA – Betriebsanweisung", "BA", "Betriebsanweisung"),
        ("UVV = Unfallverhütungsvorschrift; see there", "UVV", "Unfallverhütungsvorschrift"),
        ("SOP stands for standard operating procedure and is used here.", "SOP", "standard operating procedure"),
        ("BA steht für Betriebsanweisung und wird ausgehängt.", "BA", "Betriebsanweisung"),
        ("GL | Geschäftsleitung", "GL", "Geschäftsleitung"),
        ("Abkürzung | Bedeutung\nPO | Bestellung", "PO", "Bestellung"),
        ("Acronym | Owner | Meaning\nEHS | Ada | Arbeitsschutz (Werk 2)", "EHS", "Arbeitsschutz"),
    ],
)  # fmt: skip
def test_a_definition_is_found_where_it_stands(text: str, short: str, long: str) -> None:
    assert find_definitions(text) == [(short, long)]


@pytest.mark.parametrize(
    "text",
    [
        "24 months (Germany), 50 Hz (Europe), Kowalski (Dayton), 23 PL (USA), Hameln (EUR)",
        "Call 112 (see P7). The seal (part E-204) costs EUR 12 (net).",
        "the safety data of chemicals (SDS)",  # a word that gives no letter
        "as described in the manual (IM)",  # a connecting word begins nothing
        "The EU (EU) is the EU.",
        "PS: please send",
        "An: Anna Neumann\nCC: Carla Cramer",
        "Name | Ort\nMM | Hameln",
        "Part | Weight\nPVDF | 12 kg",
        "NPSH (see page 4). NPSH () [NPSH]",
        "",
    ],
)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert find_definitions(text) == []


def test_a_document_that_explains_it_twice_says_it_once() -> None:
    text = "Betriebsanweisung (BA)\n\nBA: Betriebsanweisung\n\nAlle Betriebsanweisungen (BA) liegen aus."
    assert find_definitions(text) == [("BA", "Betriebsanweisung")]


@pytest.mark.parametrize(
    ("text", "short"),
    [("SOPs", "SOP"), ("R&D", "R&D"), ("mRNA", "mRNA"), ("DNA", "DNA"), ("EN-ISO", "EN-ISO"), ("kg", None),
     ("P7", None), ("NPSH-Wert!", None), ("A" * 11, None), ("Dr", None), ("GmbH", "GmbH"), ("", None)],
)  # fmt: skip
def test_two_capitals_make_a_short_form(text: str, short: str | None) -> None:
    assert read_short(text) == short


def test_one_meaning_has_one_key_in_every_inflection_and_spelling() -> None:
    assert make_short_key("S.O.P.") == make_short_key("SOP") == make_short_key("sop")
    for forms in (
        ("Betriebsanweisung", "Betriebsanweisungen", "BETRIEBSANWEISUNG"),
        ("Sicherheitsdatenblatt", "Sicherheitsdatenblätter", "Sicherheitsdatenblatts"),
        ("Net Positive Suction Head", "net-positive suction heads"),
        ("Technische Regeln für Gefahrstoffe", "Technischen Regeln Gefahrstoffe"),
        ("company policy", "company policies"),
    ):
        assert len(set(map(make_long_key, forms))) == 1, forms
    assert make_long_key("Betriebsanweisung") != make_long_key("Bundesagentur")


words = st.text("abcdefghijklmnopqrstuvwxyzäöü", min_size=3, max_size=12).map(str.capitalize)


@given(st.lists(words, min_size=4, max_size=6))
def test_the_initials_of_any_words_are_explained_by_them(named: list[str]) -> None:
    short, long = "".join(word[0] for word in named), " ".join(named)
    for text in (f"{long} ({short})", f"{short}: {long}", f"{short} | {long}", f"{short} ({long})"):
        found = dict(find_definitions(text))
        # Of words that repeat each other's letters a part may explain all of them.
        assert short in found, text
        assert long.endswith(found[short]) or found[short] in long


@given(st.text(alphabet="AB ab(),:;|\n-–=.„“äÜß9", max_size=80))
def test_no_text_is_too_strange_and_nothing_is_made_up(text: str) -> None:
    for short, long in find_definitions(text):
        assert long in text
        assert short in text
