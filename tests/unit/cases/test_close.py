"""What people make of cases: closed, answered by hand, learnt from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.case_models import CaseState, HandledCase, MessageKind
from tasks.cases.close import Closing, choose_question, close_case, correct_case
from tasks.errors import ConfigurationError
from tasks.integrations.database.cases import DatabaseOutbox
from tasks.integrations.database.engine import Database
from tests.fakes.cases import NOW, CaseWorld

CLOSING = Closing("berta", NOW)
KINDS: tuple[MessageKind, ...] = ("reply", "draft", "correction")


@pytest.fixture
def world(database: Database, tmp_path: Path) -> CaseWorld:
    return CaseWorld(database, tmp_path)


def draft(world: CaseWorld, body: str = "Is hail insured?") -> HandledCase:
    world.answerer.confidence = 0.1
    (handled,) = world.handler.handle([world.case(body=body)])
    return handled


def test_a_persons_text_replaces_the_draft_and_closes_the_case(world: CaseWorld, database: Database) -> None:
    correct_case(world.store, draft(world), "Only large hail.", CLOSING, signature={"en": "Berta"})
    (message,) = DatabaseOutbox(database).list_due("default", KINDS, NOW, 10)
    assert (message.kind, message.body) == ("correction", "Hello,\n\nOnly large hail.\n\nBerta")
    closed = world.store.find_case("default", "c1")
    assert (closed.state, closed.note) == (CaseState.CLOSED, "corrected by berta")


def test_a_correction_quotes_what_had_been_cited(world: CaseWorld) -> None:
    correction = choose_question(draft(world), None, " Only large hail. ", "berta")
    assert (correction.question, correction.text) == ("Is hail insured?", "Only large hail.")
    assert correction.quoted == (("d1", "Hail is covered."),)


def test_a_case_that_asks_several_things_wants_to_know_which(world: CaseWorld) -> None:
    handled = draft(world, "Is hail insured? Is theft insured?")
    with pytest.raises(ConfigurationError, match="several things"):
        choose_question(handled, None, "Only large hail.", "berta")
    assert choose_question(handled, "Is theft insured?", "No.", "berta").question == "Is theft insured?"


def test_a_case_is_closed_once_and_its_draft_is_taken_back(world: CaseWorld, database: Database) -> None:
    close_case(world.store, draft(world), "called back", CLOSING)
    assert DatabaseOutbox(database).count_waiting("default", KINDS) == 0
    closed = world.store.find_case("default", "c1")
    assert closed.note == "closed by berta: called back"
    with pytest.raises(ConfigurationError, match="closed already"):
        close_case(world.store, closed, "", CLOSING)


def test_a_case_that_is_not_there_or_not_the_only_one_is_named(world: CaseWorld) -> None:
    with pytest.raises(ConfigurationError, match="no case has"):
        world.store.find_case("default", "nothing")
    world.handler.handle([world.case(body="one?"), world.case(body="two?")])
    with pytest.raises(ConfigurationError, match="more than one"):
        world.store.find_case("default", "c1")
