"""Evaluations in the database: resumed, started over, found by the beginning of an id."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.answer_models import Answer
from tasks.errors import ConfigurationError
from tasks.evaluation_models import EvaluationRun, GoldQuestion, JudgedAnswer, Share
from tasks.integrations.database.engine import Database
from tasks.integrations.database.evaluations import DatabaseEvaluations


@pytest.fixture
def store(database: Database) -> DatabaseEvaluations:
    return DatabaseEvaluations(database)


def make_run(run_id: str, *, tenant: str = "default", day: int = 1) -> EvaluationRun:
    return EvaluationRun(
        run_id=run_id, tenant=tenant, questions_file="q.jsonl", questions_hash="h", collection="c", generator="none",
        settings={"depth": 10}, total=2, started_at=datetime(2026, 5, day, tzinfo=UTC),
    )  # fmt: skip


def make_result(number: int) -> JudgedAnswer:
    gold = GoldQuestion.model_validate({"id": str(number), "question": "?", "gold_sentence": "Ä", "documents": ["a"]})
    return JudgedAnswer(
        question=gold, answer=Answer(question="?", text="!"), scores={"em": Share(0.5, 1)}, cluster="a",
        language="en", outcome="right",
    )  # fmt: skip


def test_results_come_back_as_they_were_in_the_order_of_the_file(store: DatabaseEvaluations) -> None:
    store.begin_run(make_run("one"), again=False)
    store.write_results("one", {1: make_result(1)})
    store.write_results("one", {0: make_result(0), 1: make_result(1)})
    assert list(store.read_results("one").items()) == [(0, make_result(0)), (1, make_result(1))]


def test_a_run_goes_on_unless_it_is_told_to_begin_again(store: DatabaseEvaluations) -> None:
    store.begin_run(make_run("one"), again=False)
    store.write_results("one", {0: make_result(0)})
    store.begin_run(make_run("one", day=2), again=False)
    run = store.find_run("default", "one")
    assert (run.judged, run.started_at.day, run.finished_at) == (1, 1, None)
    store.begin_run(make_run("one", day=3), again=True)
    run = store.find_run("default", "one")
    assert (run.judged, run.started_at.day) == (0, 3)


def test_a_finished_run_keeps_its_summary(store: DatabaseEvaluations) -> None:
    store.begin_run(make_run("one"), again=False)
    store.finish_run("one", {"questions": 2})
    (run,) = store.list_runs("default")
    assert run.summary == {"questions": 2}
    assert run.finished_at is not None


def test_runs_are_found_by_the_unique_beginning_of_their_id_within_a_tenant(store: DatabaseEvaluations) -> None:
    for run in (make_run("ab1"), make_run("ab2", day=2), make_run("ac%", tenant="other")):
        store.begin_run(run, again=False)
    assert store.find_run("default", "ab1").run_id == "ab1"
    assert [run.run_id for run in store.list_runs("default")] == ["ab2", "ab1"]
    with pytest.raises(ConfigurationError, match="2 evaluations"):
        store.find_run("default", "ab")
    for unknown in ("ac", "%", "x"):
        with pytest.raises(ConfigurationError, match="no evaluation"):
            store.find_run("default", unknown)
