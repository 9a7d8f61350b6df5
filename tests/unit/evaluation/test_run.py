"""A run: what decides its id, what it asks again, what it reports of gold names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from tasks.answer_models import Answer, Question
from tasks.errors import BackendUnavailable
from tasks.evaluation.judge import Judge
from tasks.evaluation.run import ask_as, derive_run_id, evaluate_questions, list_unmatched
from tasks.evaluation.tasks import UNRELATED
from tasks.evaluation_models import EvaluationRun, GoldQuestion
from tasks.integrations.database.engine import Database
from tasks.integrations.database.evaluations import DatabaseEvaluations
from tasks.models import EVERYONE
from tasks.settings import Settings
from tests.databases import on_sqlite_alone
from tests.fakes.searcher import FakeSearcher
from tests.unit.evaluation.cases import LIBRARY, Texts, make_answer, make_question

JUDGE = Judge(LIBRARY, Texts(), depth=10)
QUESTIONS = [make_question(id=str(number), groups=["hr"]) for number in range(5)]


class Answerer:
    """Answers batches until one too many; remembers who asked what."""

    def __init__(self, *, batches: int = 100) -> None:
        self.asked: list[list[Question]] = []
        self._batches = batches

    def __call__(self, questions: Sequence[Question]) -> list[Answer]:
        if len(self.asked) == self._batches:
            raise BackendUnavailable("the generator went away")
        self.asked.append(list(questions))
        return [make_answer("At noon [1]", ("d-md", "noon")) for _ in questions]

    @property
    def ids(self) -> list[list[str | None]]:
        return [[question.id for question in batch] for batch in self.asked]


@pytest.fixture
def store(database: Database) -> DatabaseEvaluations:
    store = DatabaseEvaluations(database)
    store.begin_run(RUN, again=False)
    return store


RUN = EvaluationRun(
    run_id="run", tenant="default", questions_file="q", questions_hash="h", collection="c", generator="none",
    settings={}, total=5, started_at=datetime(2026, 5, 4, tzinfo=UTC),
)  # fmt: skip


def work(store: DatabaseEvaluations, answerer: Answerer) -> list[int]:
    return list(
        evaluate_questions(
            RUN, QUESTIONS, principals=frozenset({"service"}), searcher=FakeSearcher({}),
            answer_questions=answerer, judge=JUDGE, store=store, batch=2,
        )
    )  # fmt: skip


@on_sqlite_alone
def test_what_was_committed_before_a_failure_is_not_asked_again(store: DatabaseEvaluations) -> None:
    with pytest.raises(BackendUnavailable):
        work(store, Answerer(batches=1))
    second = Answerer()
    assert work(store, second) == [2, 4, 5]
    assert second.ids == [["2", "3"], ["4"]]
    third = Answerer()
    assert (work(store, third), third.ids) == ([5], [])
    assert [result.question.id for result in store.read_results("run").values()] == ["0", "1", "2", "3", "4"]


@on_sqlite_alone
def test_a_question_is_asked_as_its_groups_and_the_commands(store: DatabaseEvaluations) -> None:
    answerer = Answerer()
    work(store, answerer)
    assert answerer.asked[0][0].principals == {EVERYONE, "hr", "service"}
    assert ask_as(QUESTIONS[0], tenant="t", principals=frozenset()).tenant == "t"


def test_a_runs_id_depends_on_everything_that_decides_its_results() -> None:
    base = ("default", "hash", "collection", "generator")
    ids = {
        derive_run_id(*base, {"a": 1, "b": None}),
        derive_run_id(*base, {"a": 1, "b": "None"}),
        derive_run_id(*base, {"a": 2, "b": None}),
        derive_run_id("default", "hash", "collection", "another", {"a": 1, "b": None}),
        derive_run_id("default", "other", "collection", "generator", {"a": 1, "b": None}),
    }
    assert len(ids) == 5
    assert derive_run_id(*base, {"b": None, "a": 1}) in ids


def test_settings_that_decide_no_answer_are_settings_and_those_that_do_are_not_among_them() -> None:
    assert set(Settings.model_fields) >= UNRELATED
    assert {"search_alpha", "answer_passages", "answer_tokens", "reranker", "search_limit"}.isdisjoint(UNRELATED)


def test_gold_names_without_a_document_are_reported_once_except_for_unanswerable_questions() -> None:
    questions: list[GoldQuestion] = [
        make_question(documents=["absent.pdf", "a.txt"]),
        make_question(documents=["absent.pdf", "same.txt"]),
        make_question(documents=["never.pdf"], answerable=False),
    ]
    assert list_unmatched(questions, JUDGE) == {"unknown": ["absent.pdf"], "ambiguous": ["same.txt"]}
