"""What the worker makes of a batch: nobody pays for a neighbour, a generator may be down, everything is noted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from expertloop.server.metrics import Metrics
from expertloop.server.work import PAUSE_SECONDS, AnswerJob, AnswerWork, SearchJob, SearchOutcome, SearchWork, ask_as
from tasks.access_models import AuditEntry, Caller, ServedAnswer
from tasks.answer_models import Answer, Citation, Question
from tasks.errors import BackendUnavailable, ConfigurationError, ProductError, RateLimited
from tasks.integrations.opentelemetry import OpenTelemetry
from tasks.models import Hit, hash_text
from tasks.ports import Listener, Searcher
from tests.fakes.passage_reader import FakePassageReader
from tests.fakes.searcher import FakeSearcher

ANNA = Caller(principal="anna", groups=("hr",), tenant="default", key_id="k1")
PASSAGES = FakePassageReader().add_document("pump.txt", ["The pump weighs 5 kg.", "It is red."])


class Log:
    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.answers: list[ServedAnswer] = []

    def record(self, entries: Sequence[AuditEntry], answers: Sequence[ServedAnswer] = ()) -> None:
        self.entries += entries
        self.answers += answers


class Answerer:
    """Answers with the question; fails as told when it may generate."""

    def __init__(self, *failures: ProductError) -> None:
        self.failures = list(failures)
        self.calls: list[tuple[list[str], bool]] = []
        self.left: list[float | None] = []

    def __call__(
        self,
        questions: Sequence[Question],
        *,
        searcher: Searcher,
        generate: bool,
        listeners: Sequence[Listener | None] = (),
    ) -> list[Answer]:
        self.calls.append(([question.text for question in questions], generate))
        self.left += [question.within_seconds for question in questions]
        searcher.search(questions, limit=10)
        if generate and self.failures:
            raise self.failures.pop(0)
        if any(question.text == "forbidden" for question in questions):
            raise ConfigurationError("the endpoint refuses this")
        if any(question.text == "bug" for question in questions):
            raise ZeroDivisionError
        for listener in filter(None, listeners):
            listener.hear("FIRST", ())
            listener.hear("FIRST AND LAST", ())
        mode = "generated" if generate else "extractive"
        return [Answer(question=q.text, text=q.text.upper(), mode=mode, id=q.id) for q in questions]


class Bench:
    def __init__(self, answerer: Answerer, *, fallback: bool = True) -> None:
        self.now = 0.0
        self.log = Log()
        self.answerer = answerer
        self.metrics = Metrics()
        self.work = AnswerWork(
            answerer,
            searcher=FakeSearcher({"pump?": PASSAGES}),
            log=self.log,
            metrics=self.metrics,
            telemetry=OpenTelemetry(),
            fallback=fallback,
            clock=lambda: self.now,
        )

    def ask(self, *texts: str) -> list[Answer | Exception]:
        return self.work([AnswerJob(ask_as(ANNA, f"r{n}", text), ANNA, f"r{n}") for n, text in enumerate(texts)])


def modes(outcomes: Sequence[Answer | Exception]) -> list[str]:
    return [outcome.mode if isinstance(outcome, Answer) else type(outcome).__name__ for outcome in outcomes]


def test_a_batch_is_one_call() -> None:
    bench = Bench(Answerer())
    assert modes(bench.ask("a", "b", "c")) == ["generated"] * 3
    assert bench.answerer.calls == [(["a", "b", "c"], True)]


def test_while_the_generator_is_down_documents_are_quoted_and_the_answer_says_so() -> None:
    bench = Bench(Answerer(BackendUnavailable("the endpoint does not answer")))
    (answer,) = bench.ask("a")
    assert isinstance(answer, Answer)
    assert (answer.mode, answer.versions["generator"]) == ("extractive", "unavailable")


def test_a_generator_that_is_down_is_left_alone_for_a_while() -> None:
    bench = Bench(Answerer(BackendUnavailable("down")))
    bench.ask("a")
    bench.ask("b")
    bench.now = PAUSE_SECONDS
    assert modes(bench.ask("c")) == ["generated"]
    assert [generate for _, generate in bench.answerer.calls] == [True, False, False, True]


def test_a_generator_that_asks_for_patience_gets_it() -> None:
    bench = Bench(Answerer(RateLimited("later", retry_after_seconds=90)))
    bench.ask("a")
    bench.now = 89.0
    assert modes(bench.ask("b")) == ["extractive"]
    bench.now = 91.0
    assert modes(bench.ask("c")) == ["generated"]


def test_without_leave_to_quote_a_generator_that_is_down_is_an_error() -> None:
    bench = Bench(Answerer(BackendUnavailable("down")), fallback=False)
    with pytest.raises(BackendUnavailable, match="down"):
        bench.ask("a")
    assert bench.log.entries == []


def test_a_question_that_is_refused_does_not_take_its_neighbours_along() -> None:
    bench = Bench(Answerer())
    assert modes(bench.ask("a", "forbidden", "b")) == ["generated", "ConfigurationError", "generated"]
    assert [entry.question_hash for entry in bench.log.entries] == [hash_text("a"), hash_text("b")]


def test_a_question_that_meets_a_bug_does_not_take_its_neighbours_along_either() -> None:
    bench = Bench(Answerer())
    assert modes(bench.ask("a", "bug", "b")) == ["generated", "ZeroDivisionError", "generated"]
    assert [entry.question_hash for entry in bench.log.entries] == [hash_text("a"), hash_text("b")]


def test_a_question_whose_time_is_over_costs_nothing_and_the_others_are_told_what_is_left() -> None:
    bench = Bench(Answerer())
    bench.now = 10.0
    jobs = [
        AnswerJob(ask_as(ANNA, str(n), text), ANNA, str(n), deadline=deadline)
        for n, (text, deadline) in enumerate([("late", 9.9), ("soon", 15.0), ("free", None)])
    ]
    assert modes(bench.work(jobs)) == ["DeadlineExceeded", "generated", "generated"]
    assert bench.answerer.calls == [(["soon", "free"], True)]
    assert bench.answerer.left == [5.0, None]
    assert modes(bench.work(jobs[:1])) == ["DeadlineExceeded"]
    assert len(bench.answerer.calls) == 1


def test_the_audit_says_who_was_shown_what_without_the_words() -> None:
    bench = Bench(Answerer())
    bench.ask("pump?")
    (entry,), (kept,) = bench.log.entries, bench.log.answers
    assert (entry.principal, entry.key_id, entry.request_id, entry.action) == ("anna", "k1", "r0", "answer")
    assert entry.document_ids == (PASSAGES[0].document_id,)
    assert entry.question_hash == hash_text("pump?")
    assert "pump" not in entry.model_dump_json()
    assert (kept.answer.question, kept.principals) == ("pump?", ("anna", "everyone", "hr"))


def test_what_was_found_is_reported_before_the_answer() -> None:
    heard: list[list[Hit]] = []
    bench = Bench(Answerer())
    job = AnswerJob(ask_as(ANNA, "r", "pump?"), ANNA, "r", lambda hits: heard.append(list(hits)))
    bench.work([job, AnswerJob(ask_as(ANNA, "s", "other?"), ANNA, "s")])
    assert [[hit.passage.chunk.text for hit in hits] for hits in heard] == [["The pump weighs 5 kg.", "It is red."]]


class Ear:
    """Remembers what it heard, and how many notes there were then."""

    has_left = False

    def __init__(self, log: Log) -> None:
        self.heard: list[tuple[str, int]] = []
        self._log = log

    def hear(self, text: str, citations: tuple[Citation, ...]) -> None:
        self.heard.append((text, len(self._log.entries)))


def test_nothing_of_an_answer_is_heard_before_the_audit_says_who_hears_it() -> None:
    bench = Bench(Answerer())
    ear = Ear(bench.log)
    bench.work([AnswerJob(ask_as(ANNA, "r", "pump?"), ANNA, "r", listener=ear)])
    assert ear.heard == [("FIRST", 1), ("FIRST AND LAST", 1)]
    first, last = bench.log.entries
    assert (first.action, first.mode, first.document_ids) == ("answer", None, (PASSAGES[0].document_id,))
    assert last == first.model_copy(update={"mode": "generated"}), "the same moment: the last one replaces it"


def test_what_the_audit_cannot_note_is_not_heard() -> None:
    class Full(Log):
        def record(self, entries: Sequence[AuditEntry], answers: Sequence[ServedAnswer] = ()) -> None:
            raise BackendUnavailable("the disk is full")

    bench = Bench(Answerer(), fallback=False)
    bench.work = AnswerWork(
        bench.answerer,
        searcher=FakeSearcher({}),
        log=Full(),
        metrics=bench.metrics,
        telemetry=OpenTelemetry(),
        fallback=False,
    )
    ear = Ear(bench.log)
    with pytest.raises(BackendUnavailable, match="full"):
        bench.work([AnswerJob(ask_as(ANNA, "r", "pump?"), ANNA, "r", listener=ear)])
    assert ear.heard == []


def test_the_same_request_sent_again_has_the_same_answer_id_and_another_asker_has_another() -> None:
    ben = ANNA.model_copy(update={"principal": "ben"})
    assert ask_as(ANNA, "r", "x").id == ask_as(ANNA, "r", "x").id
    assert len({ask_as(ANNA, "r", "x").id, ask_as(ben, "r", "x").id, ask_as(ANNA, "s", "x").id}) == 3


class FailingSearcher(FakeSearcher):
    """Fails with the error while a certain question is among those asked."""

    def __init__(self, error: Exception) -> None:
        super().__init__({"pump?": PASSAGES})
        self._error = error

    def search(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        if any(question.text == "fatal" for question in questions):
            raise self._error
        return super().search(questions, limit=limit)


def search_pump_and_fatal(error: Exception, log: Log) -> list[SearchOutcome | Exception]:
    jobs = [SearchJob(ask_as(ANNA, text, text), ANNA, text, 5) for text in ("pump?", "fatal")]
    return SearchWork(FailingSearcher(error), expand=list, log=log)(jobs)


@pytest.mark.parametrize("error", [OverflowError("date value out of range"), ConfigurationError("refused")])
def test_a_search_that_fails_does_not_take_its_neighbours_along(error: Exception) -> None:
    log = Log()
    found, failed = search_pump_and_fatal(error, log)
    assert isinstance(found, SearchOutcome)
    assert len(found.hits) == 2
    assert failed is error
    assert [entry.question_hash for entry in log.entries] == [hash_text("pump?")]


def test_when_the_index_is_down_nobody_is_tried_again() -> None:
    log = Log()
    with pytest.raises(BackendUnavailable, match="down"):
        search_pump_and_fatal(BackendUnavailable("down"), log)
    assert log.entries == []


def test_searches_of_different_lengths_get_their_own_hits_in_their_order() -> None:
    searcher, log = FakeSearcher({"pump?": PASSAGES}), Log()
    jobs = [
        SearchJob(ask_as(ANNA, str(k), text), ANNA, str(k), k) for k, text in ((1, "pump?"), (2, "x"), (2, "pump?"))
    ]
    found = SearchWork(searcher, expand=list, log=log)(jobs)
    assert [len(one.hits) for one in found if isinstance(one, SearchOutcome)] == [1, 0, 2]
    assert len(searcher.asked) == 2
    assert [entry.action for entry in log.entries] == ["search"] * 3
