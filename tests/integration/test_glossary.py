"""Abbreviations from the document to the answer: learnt by an ingest, used by searches and answers, gone with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from tasks.answer_models import Question
from tasks.answering.once import still_holds
from tasks.integrations.database.definitions_schema import definitions
from tasks.integrations.database.schema import versions
from tasks.models import EVERYONE, Hit
from tests.databases import on_sqlite_alone
from tests.integration.world import World

FILES = {
    "glossary.txt": "# Begriffe\nJede Betriebsanweisung (BA) hängt am Arbeitsplatz aus.",
    "lye.txt": "# Natronlauge\nDie Betriebsanweisung für Natronlauge verlangt eine Schutzbrille.",
    "acid.txt": "# Säure\nDie BA für Schwefelsäure verlangt Handschuhe.",
    "leave.txt": "# Leave\nEveryone gets 30 days of annual leave.",
    "board.txt": "# Vorstand\nDas Projekt Zugspitze (PZ) beginnt im Mai.",
    "plan.txt": "# Plan\nDas Projekt Zugspitze kostet 3 Millionen EUR.",
}


def fill(world: World) -> World:
    world.source.files = {name: text.encode() for name, text in FILES.items()}
    world.source.groups["board.txt"] = ("board",)
    world.ingest()
    return world


def ask(text: str, *groups: str) -> Question:
    return Question(text=text, principals=frozenset({EVERYONE, *groups}))


def search(world: World, text: str, *groups: str) -> list[Hit]:
    return world.searcher.search([ask(text, *groups)], limit=4)[0]


def change(world: World, **settings: object) -> World:
    """The same documents with other settings."""
    other = World(world.settings.model_copy(update=settings))
    other.database, other.fake_index, other.index = world.database, world.fake_index, world.fake_index
    return other


def titles(hits: list[Hit]) -> list[str]:
    return [hit.passage.title for hit in hits]


def test_either_form_finds_documents_that_have_only_the_other(world_on_both: World) -> None:
    # Words alone: the fake embedder knows none.
    world = change(fill(world_on_both), search_alpha=0.0)
    without = change(world, expand_abbreviations=False)
    for text, found in (("Welche BA gibt es?", "Natronlauge"), ("Betriebsanweisungen?", "Säure")):
        assert found in titles(search(world, text))
        assert found not in titles(search(without, text))
    (question,) = world.expand_questions([ask("Welche BA gilt?")])
    assert [(one.said, one.added) for one in question.expansions or ()] == [("BA", ("Betriebsanweisung",))]


def test_an_answer_says_what_was_expanded_and_quotes_the_other_form(world_on_both: World) -> None:
    world = fill(world_on_both)
    (answer,) = world.answer_questions([ask("Was verlangt die BA für Natronlauge?")], generate=False, max_error=1)
    assert "Schutzbrille" in answer.text
    assert [one.added for one in answer.expansions] == [("Betriebsanweisung",)]
    (plain,) = world.answer_questions([ask("How many days of annual leave?")], generate=False, max_error=1)
    assert plain.expansions == ()


def test_a_definition_of_a_document_that_one_may_not_read_changes_nothing(world_on_both: World) -> None:
    world = fill(world_on_both)
    without = change(world, expand_abbreviations=False)
    assert search(world, "Was kostet PZ?") == search(without, "Was kostet PZ?")
    (answer,) = world.answer_questions([ask("Was kostet PZ?")], generate=False, max_error=1)
    assert answer.expansions == ()
    assert search(world, "Was kostet PZ?", "board")[0].passage.title == "Plan"
    del world.source.files["board.txt"]
    world.ingest(confirm_prune=True)
    assert world.expand_questions([ask("Was kostet PZ?", "board")])[0].expansions == ()


def test_withdrawing_is_effective_with_the_next_ingest_and_a_changed_text_with_its_publication(world: World) -> None:
    fill(world)
    assert len(world.list_abbreviations()) == 2
    (kept,) = world.answer_questions([ask("Was verlangt die BA für Natronlauge?")], generate=False, max_error=1)
    assert still_holds(kept, ask(""), world.passages)
    world.source.groups["glossary.txt"] = ("hr",)
    world.source.files["board.txt"] = b"# Vorstand\nDas Projekt beginnt im Mai."
    world.ingest()
    assert world.expand_questions([ask("Welche BA?")])[0].expansions == ()
    assert [one.short for one in world.list_abbreviations()] == ["BA"]
    assert world.list_abbreviations(frozenset({EVERYONE})) == []
    # What was learnt from a document is not given again to who may not read it any more.
    assert not still_holds(kept, ask(""), world.passages)
    assert still_holds(kept, ask("", "hr"), world.passages)


def test_a_question_without_an_abbreviation_is_searched_exactly_as_before(world: World) -> None:
    without = change(fill(world), expand_abbreviations=False)
    for text in ("How many days of annual leave?", "Was verlangt Schwefelsäure?", "what is ba", "EUR P7 E-204"):
        assert search(world, text) == search(without, text)
    assert search(world, "Welche BA für Natronlauge?") != search(without, "Welche BA für Natronlauge?")


def test_documents_that_were_there_before_are_learnt_from_without_being_read_or_embedded(world_on_both: World) -> None:
    world = fill(world_on_both)
    with world.database.write() as connection:
        connection.execute(sa.delete(definitions))
        connection.execute(sa.update(versions).values(definition_rules=None))
    world.source.opened.clear()
    embedded = world.fake_embedder.embedded
    assert world.ingest().unchanged == len(FILES)
    assert (world.source.opened, world.fake_embedder.embedded) == ([], embedded)
    assert [one.short for one in world.list_abbreviations()] == ["BA", "PZ"]


def test_people_add_replace_and_switch_off(world: World, tmp_path: Path) -> None:
    file = tmp_path / "glossary.yaml"
    file.write_text("abbreviations:\n  BA: Bauabschnitt\n  PZ: []\n  AL: [annual leave, Urlaub]\n", encoding="utf-8")
    edited = change(fill(world), glossary=file)
    shown = [(one.short, one.long, one.searched, one.origin) for one in edited.list_abbreviations()]
    assert shown == [
        ("AL", "annual leave", True, "people"),
        ("AL", "Urlaub", True, "people"),
        ("BA", "Bauabschnitt", True, "people"),
        ("BA", "Betriebsanweisung", False, "documents"),
        ("PZ", None, False, "people"),
        ("PZ", "Projekt Zugspitze", False, "documents"),
    ]
    (question,) = edited.expand_questions([ask("AL in BA, PZ?", "board")])
    assert question.readings == ("AL in BA, PZ?", "annual leave in Bauabschnitt, PZ?", "Urlaub in Bauabschnitt, PZ?")


@on_sqlite_alone
def test_the_command_lists_what_everybody_and_what_one_group_may_know(
    world_on_both: World, capsys: pytest.CaptureFixture[str]
) -> None:
    from expertloop.glossary import glossary

    fill(world_on_both)
    glossary(as_groups=["hr"], as_json=True)
    (record,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(record) == {"short", "long", "searched", "origin", "documents", "document_id"}
    assert (record["short"], record["long"], record["documents"]) == ("BA", "Betriebsanweisung", 1)
    glossary(as_groups=None, as_json=False)
    assert "Projekt Zugspitze" in capsys.readouterr().out
