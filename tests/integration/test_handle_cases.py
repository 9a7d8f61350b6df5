"""The flow over a real database: what waits is worked through, what cannot be delivered leaves later."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from flows.handle_cases import handle_cases
from tasks.answer_models import Answer, Question
from tasks.case_models import CaseState, Decision
from tasks.errors import BackendUnavailable
from tasks.integrations.case_tables import read_table
from tasks.integrations.database.engine import Database
from tasks.settings import Settings
from tasks.wiring import use_application
from tests.fakes.cases import FakeAnswerer, write_process
from tests.fakes.flow_server import FakeFlowServer
from tests.integration.world import World


class CasesWorld(World):
    """Answers are the test's."""

    answerer = FakeAnswerer({"hail": "Hail is covered."})

    def answer_questions(self, questions: Sequence[Question], **_options: object) -> list[Answer]:
        return self.answerer(questions)


@pytest.fixture
def world(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CasesWorld:
    write_process(tmp_path / "processes")
    monkeypatch.setenv("EXPERTLOOP_PROCESSES", str(tmp_path / "processes"))
    monkeypatch.setenv("EXPERTLOOP_OUTBOX_URL", f"sqlite:///{tmp_path / 'erp.db'}?table=letters")
    made = CasesWorld(Settings())
    use_application(made)
    return made


def test_a_run_delivers_each_reply_once(world: CasesWorld, tmp_path: Path, prefect_api: None) -> None:
    rows = [{"id": f"c{n}", "text": "Is hail insured?", "from": f"p{n}@x.example"} for n in range(20)]
    file = tmp_path / "cases.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    assert handle_cases("claims", [str(file)]).delivered == 20
    assert handle_cases("claims", [str(file)]).delivered == 0
    found = world.cases.list_cases("default")
    assert {one.state for one in found} == {CaseState.HANDLED}
    assert {one.outcome.decision for one in found if one.outcome} == {Decision.AUTO_REPLY}
    letters = [row for _, row in read_table(f"sqlite:///{tmp_path / 'erp.db'}?table=letters")]
    assert sorted(row["recipient"] for row in letters) == sorted(row["from"] for row in rows)


@pytest.mark.parametrize("down", [False, True])
def test_who_listens_is_told_of_cases_that_need_a_person(
    world: CasesWorld, tmp_path: Path, prefect_api: None, *, down: bool
) -> None:
    world.flow_server = server = FakeFlowServer()
    server.down = down
    texts = {"sure": "Is hail insured?", "unknown": "Is snow insured?"}
    file = tmp_path / "cases.jsonl"
    file.write_text(
        "\n".join(json.dumps({"id": id_, "text": text, "from": "p@x.example"}) for id_, text in texts.items())
    )
    handle_cases("claims", [str(file)])
    handle_cases("claims")
    handled = {one.case.id: one for one in world.cases.list_cases("default")}
    assert handled["unknown"].outcome, "worked on, whether or not anybody could be told"
    expected = {
        "case_id": handled["unknown"].case.case_id,
        "process": "claims",
        "decision": handled["unknown"].outcome.decision,
    }
    assert [(one.name, one.payload) for one in server.told] == (
        [] if down else [("expertloop.case.needs-person", expected)]
    )


def test_a_database_that_is_locked_loses_no_case_and_none_is_handled_twice(world: CasesWorld, tmp_path: Path) -> None:
    world.database.migrate()
    world.database.close()
    file = world.settings.home / "expertloop.db"
    world.__dict__["database"] = Database(f"sqlite:///{file}", busy_timeout_seconds=0.1)
    process = world.load_process("claims")
    (tmp_path / "cases.jsonl").write_text('{"id": "c1", "text": "Is hail insured?", "from": "p@x.example"}')
    source = world.open_case_source(process, str(tmp_path / "cases.jsonl"))
    with closing(sqlite3.connect(file, isolation_level=None)) as somebody:

        def answer_and_lock(questions: Sequence[Question], **_options: object) -> list[Answer]:
            somebody.execute("BEGIN IMMEDIATE")
            return world.answerer(questions)

        world.__dict__["answer_questions"] = answer_and_lock
        with pytest.raises(BackendUnavailable, match="locked"):
            list(world.open_handler(process).work_through(source))
        somebody.execute("ROLLBACK")
    del world.__dict__["answer_questions"]
    (case,) = world.cases.list_cases("default")
    assert (case.state, case.outcome) == (CaseState.WAITING, None)
    (handled,) = world.open_handler(process).work_through(source)
    assert handled.state is CaseState.HANDLED
    assert world.outbox.count_waiting("default", ["reply"]) == 1


def test_rows_of_a_table_are_cases(world: CasesWorld, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as crm:
        crm.execute('CREATE TABLE tickets (id TEXT PRIMARY KEY, text TEXT, "from" TEXT, colour TEXT)')
        crm.execute("INSERT INTO tickets VALUES ('t1', 'Is hail insured?', 'eva@x.example', 'red')")
    crm.close()
    place = f"sqlite:///{tmp_path / 'crm.db'}?table=tickets"
    (case,) = world.open_case_source(world.load_process("claims"), place).read_cases()
    assert (case.id, case.body, case.sender) == ("t1", "Is hail insured?", "eva@x.example")
