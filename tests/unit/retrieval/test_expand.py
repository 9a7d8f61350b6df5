"""Abbreviations of questions: what is searched instead, for whom, and what is left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.answer_models import Expansion, Question
from tasks.models import EVERYONE
from tasks.retrieval.expand import AbbreviationExpander, list_entries
from tests.fakes.definitions import FakeDefinitions, Stated

NPSH = Stated("NPSH", "Net Positive Suction Head", 3)
BA = Stated("BA", "Betriebsanweisung", 9)
AGENCY = Stated("BA", "Bundesagentur für Arbeit", 2)


def expand(
    text: str,
    *stated: Stated,
    people: Mapping[str, Sequence[str]] | None = None,
    groups: tuple[str, ...] = (),
    tenant: str = "default",
) -> Question:
    expander = AbbreviationExpander(FakeDefinitions(*stated), stated={"default": people or {}})
    (question,) = expander.expand([Question(text=text, principals=frozenset(groups), tenant=tenant)])
    return question


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("What is the NPSH of pump P7?", "What is the Net Positive Suction Head of pump P7?"),
        ("what is the npsh of pump p7?", "what is the Net Positive Suction Head of pump p7?"),
        ("Welcher NPSH-Wert gilt?", "Welcher Net Positive Suction Head-Wert gilt?"),
        ("Which net positive suction heads do pumps need?", "Which NPSH do pumps need?"),
        ("Wo hängt die BA für Natronlauge?", "Wo hängt die Betriebsanweisung für Natronlauge?"),
        ("Wo hängen die BAs?", "Wo hängen die Betriebsanweisung?"),
        ("Wo hängen die Betriebsanweisungen?", "Wo hängen die BA?"),
        ("WO IST DIE NPSH ANGEGEBEN?", "WO IST DIE Net Positive Suction Head ANGEGEBEN?"),
    ],
)
def test_a_question_is_also_read_with_the_other_form(text: str, other: str) -> None:
    assert expand(text, NPSH, BA).readings == (text, other)


@pytest.mark.parametrize(
    "text",
    [
        "How long is the notice period?",
        "what is it for, and who is ba?",  # small letters may be words
        "Wie ist das mit der Betriebsanleitung?",
        "Is the Net Positive Suction Head (NPSH) given?",  # says both
        "Where do BACnet and NPSHx stand?",
        "",
        "?!",
    ],
)
def test_a_question_without_an_abbreviation_is_the_same(text: str) -> None:
    question = expand(text, NPSH, BA, Stated("IT", "Information Technology"))
    assert (question.readings, question.expansions) == ((text,), ())


def test_it_is_said_what_was_searched_and_which_document_says_so() -> None:
    question = expand("Which BA and which NPSH?", NPSH, BA)
    assert sorted(question.expansions or (), key=lambda one: one.said) == [
        Expansion(said="BA", added=("Betriebsanweisung",), document_ids=("document of Betriebsanweisung",)),
        Expansion(
            said="NPSH", added=("Net Positive Suction Head",), document_ids=("document of Net Positive Suction Head",)
        ),
    ]


def test_what_the_asker_may_not_read_is_not_used_and_not_hinted_at() -> None:
    secret = Stated("PZ", "Projekt Zugspitze", reader="board")
    assert expand("What is PZ?", secret, groups=("hr",)).expansions == ()
    assert expand("What is Projekt Zugspitze?", secret, groups=("hr",)).expansions == ()
    assert expand("What is PZ?", secret, groups=("board",)).readings[1] == "What is Projekt Zugspitze?"
    # A secret second meaning must not show in the first one being given up.
    rival = Stated("BA", "Bieterauswahl", 9, reader="board")
    assert expand("Which BA?", BA, rival).readings == ("Which BA?", "Which Betriebsanweisung?")
    assert expand("Which BA?", BA, rival, groups=("board",)).readings == ("Which BA?",)


def test_tenants_are_separate() -> None:
    assert expand("Which BA?", BA, tenant="other").expansions == ()
    assert expand("Which XY?", people={"XY": ["xylem yield"]}, tenant="other").expansions == ()


def test_of_several_meanings_one_is_searched_only_when_most_documents_agree() -> None:
    assert expand("Which BA?", BA, AGENCY).readings == ("Which BA?", "Which Betriebsanweisung?")
    (unclear,) = expand("Which BA?", BA._replace(documents=5), AGENCY).expansions or ()
    assert (unclear.added, unclear.meanings) == ((), ("Betriebsanweisung", "Bundesagentur für Arbeit"))
    assert len(unclear.document_ids) == 2
    # The long form is clear; what its short form would find is not.
    assert expand("Welche Betriebsanweisung?", BA._replace(documents=5), AGENCY).expansions == ()


def test_a_longer_wording_is_no_other_meaning() -> None:
    longer = Stated("BA", "Betriebsanweisungen für Anlagen", 4)
    assert expand("Which BA?", BA._replace(documents=1), longer).readings[1] == "Which Betriebsanweisung?"


def test_what_people_say_is_stronger_than_documents() -> None:
    people = {"BA": ["Bestellanforderung", "purchase requisition"], "NPSH": [], "pH": ["Säuregrad"]}
    assert expand("Which BA?", BA, people=people).readings == (
        "Which BA?",
        "Which Bestellanforderung?",
        "Which purchase requisition?",
    )
    assert expand("Where is the purchase requisition?", BA, people=people).readings == (
        "Where is the purchase requisition?",
        "Where is the BA?",
        "Where is the Bestellanforderung?",
    )
    assert expand("Which NPSH?", NPSH, people=people).expansions == ()
    assert expand("Which pH?", people=people).readings[1] == "Which Säuregrad?"


def test_one_look_up_serves_all_who_ask_alike() -> None:
    reader = FakeDefinitions(BA)
    questions = [Question(text=text) for text in ("Which BA?", "Which BA, please?", "")]
    expanded = AbbreviationExpander(reader, stated={}).expand(questions)
    assert [len(one.readings) for one in expanded] == [2, 2, 1]
    assert reader.asked == 1


def test_the_list_says_which_meaning_is_searched() -> None:
    reader = FakeDefinitions(BA._replace(documents=5), AGENCY, NPSH)
    keys = {"ba", "npsh"}
    meanings = reader.find_meanings("default", frozenset({"everyone"}), shorts=keys, longs=())
    shown = [
        (one.short, one.long, one.searched, one.origin) for one in list_entries(meanings, {"PO": ["order"], "XX": []})
    ]
    assert shown == [
        ("BA", "Betriebsanweisung", False, "documents"),
        ("BA", "Bundesagentur für Arbeit", False, "documents"),
        ("NPSH", "Net Positive Suction Head", True, "documents"),
        ("PO", "order", True, "people"),
        ("XX", None, False, "people"),
    ]


@given(
    st.text(max_size=60), st.lists(st.sampled_from(("NPSH", "BA", "Betriebsanweisung", "und", "(", "?")), max_size=6)
)
def test_the_first_reading_is_always_the_question_itself(noise: str, said: list[str]) -> None:
    text = f"{noise} {' '.join(said)}"
    question = expand(text, NPSH, BA)
    assert question.readings[0] == question.text == text
    assert all(one.said in text for one in question.expansions or ())


askers = st.builds(
    Question,
    text=st.lists(st.sampled_from(("BA", "NPSH", "PZ", "Betriebsanweisung", "Projekt Zugspitze")), max_size=3).map(
        " ".join
    ),
    principals=st.frozensets(st.sampled_from(("hr", "board")), max_size=2),
    tenant=st.sampled_from(("default", "other")),
)
definitions = st.builds(
    Stated,
    short=st.sampled_from(("BA", "NPSH", "PZ")),
    long=st.sampled_from(("Betriebsanweisung", "Projekt Zugspitze", "Net Positive Suction Head")),
    documents=st.integers(1, 5),
    reader=st.sampled_from((EVERYONE, "hr", "board")),
    tenant=st.sampled_from(("default", "other")),
)


@given(st.lists(askers, max_size=5), st.lists(definitions, max_size=6))
def test_nobody_learns_what_a_neighbour_in_the_batch_may_know(asked: list[Question], stated: list[Stated]) -> None:
    expander = AbbreviationExpander(FakeDefinitions(*stated), stated={})
    for question, expanded in zip(asked, expander.expand(asked), strict=True):
        assert [expanded] == expander.expand([question])
        mine = [
            one for one in stated if one.tenant == question.tenant and one.reader in question.principals | {EVERYONE}
        ]
        known = {form for one in mine for form in (one.short, one.long)}
        for expansion in expanded.expansions or ():
            assert {*expansion.added, *expansion.meanings} <= known
