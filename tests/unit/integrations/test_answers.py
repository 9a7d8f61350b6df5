"""Questions with a key, on both databases: one answer a key, also when two come at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tasks.answer_models import Answer, Citation, Question
from tasks.answering.once import Given, KeptAnswers, check_key
from tasks.errors import BackendUnavailable, ConfigurationError, DeviceBusy, KeyReused
from tasks.integrations.database.answers import KEYS_HOLD, DatabaseAnswers
from tasks.integrations.database.engine import Database
from tasks.integrations.database.leases import Leases
from tasks.integrations.database.schema import questions
from tasks.models import SearchFilter, derive_id
from tests.fakes.passage_reader import FakePassageReader

NOTICE = Question(text="How long is the notice period?", principals=frozenset({"everyone", "anna", "hr"}))
CANTEEN = NOTICE.model_copy(update={"text": "When does the canteen open?"})
ONLY_PDF = NOTICE.model_copy(update={"filter": SearchFilter(types=("pdf",))})
TEXT = "The notice period is six weeks."


class Office:
    """A document, and whoever answers from it."""

    def __init__(self) -> None:
        self.reader = FakePassageReader()
        (self.passage,) = self.reader.add_document("notice.txt", [TEXT], readers=["hr"])
        self.calls = 0

    def keep(self, database: Database, *, patience_seconds: float = 60) -> KeptAnswers:
        """As a process of its own would."""
        return KeptAnswers(
            DatabaseAnswers(database),
            reader=self.reader,
            hold=Leases(database, lease_seconds=60).hold,
            patience_seconds=patience_seconds,
        )

    def answer(self) -> Answer:
        self.calls += 1
        citation = Citation(
            number=1,
            document_id=self.passage.document_id,
            chunk_id=self.passage.chunk_id,
            uri=self.passage.uri,
            title=self.passage.title,
            page=None,
            quote=TEXT,
            start=0,
            end=len(TEXT),
        )
        return Answer(question=NOTICE.text, text=f"Six weeks, said {self.calls} times. [1]", citations=(citation,))


def test_the_same_question_with_the_same_key_is_answered_once(database: Database) -> None:
    office = Office()
    kept = office.keep(database)
    first = kept.answer_once(NOTICE, "order-1", office.answer)
    assert kept.answer_once(NOTICE, "order-1", office.answer) == Given(first.answer, replayed=True)
    assert (first.replayed, office.calls) == (False, 1)
    assert kept.answer_once(NOTICE, "order-2", office.answer).replayed is False
    other = NOTICE.model_copy(update={"principals": frozenset({"everyone", "ben", "hr"})})
    assert kept.answer_once(other, "order-1", office.answer).replayed is False
    acme = NOTICE.model_copy(update={"tenant": "acme"})
    assert kept.answer_once(acme, "order-1", office.answer).replayed is False
    assert office.calls == 4


@pytest.mark.parametrize("other", [CANTEEN, ONLY_PDF])
def test_a_key_that_stands_for_another_request_is_refused(database: Database, other: Question) -> None:
    office = Office()
    kept = office.keep(database)
    kept.answer_once(NOTICE, "order-1", office.answer)
    with pytest.raises(KeyReused, match="another request") as caught:
        kept.answer_once(other, "order-1", office.answer)
    assert "new key" in caught.value.advice
    assert office.calls == 1


def test_a_key_is_forgotten_after_a_day(database: Database) -> None:
    office = Office()
    kept = office.keep(database)
    kept.answer_once(NOTICE, "order-1", office.answer)
    age(database, KEYS_HOLD - timedelta(minutes=1))
    assert kept.answer_once(NOTICE, "order-1", office.answer).replayed
    age(database, KEYS_HOLD + timedelta(minutes=1))
    assert not kept.answer_once(CANTEEN, "order-1", office.answer).replayed
    assert kept.answer_once(CANTEEN, "order-1", office.answer).replayed


def test_a_stored_question_is_read_as_it_was_asked(database: Database) -> None:
    store = DatabaseAnswers(database)
    dated = ONLY_PDF.model_copy(update={"filter": SearchFilter(modified_after=datetime(2026, 1, 1, tzinfo=UTC))})
    for number, asked in enumerate((NOTICE, ONLY_PDF, dated)):
        question_id = store.write_question(asked, key=f"order-{number}")
        assert store.read_question(question_id) == asked.model_copy(update={"id": question_id})
    assert store.write_question(NOTICE) == store.write_question(NOTICE)
    # Asked otherwise it is another question: nobody's search is widened by a later one.
    assert store.write_question(ONLY_PDF) != store.write_question(NOTICE)


def test_old_questions_go_with_their_answers(database: Database) -> None:
    office = Office()
    store = DatabaseAnswers(database)
    office.keep(database).answer_once(NOTICE, "order-1", office.answer)
    question_id = store.write_question(NOTICE, key="order-1")
    assert store.prune(datetime.now(UTC) - timedelta(days=1)) == 0
    assert store.prune(datetime.now(UTC) + timedelta(days=1)) == 1
    assert store.find_question(question_id) is None
    assert store.find_answer(derive_id("answer", question_id)) is None


def test_what_may_not_be_read_any_more_is_not_given_again(database: Database) -> None:
    office = Office()
    kept = office.keep(database)
    kept.answer_once(NOTICE, "order-1", office.answer)
    office.reader.readers[office.passage.document_id] = frozenset({"management"})
    answered_anew = Answer(question=NOTICE.text, text="I may not say.", abstained=True)
    assert kept.answer_once(NOTICE, "order-1", lambda: answered_anew) == Given(answered_anew, replayed=False)
    office.reader.readers[office.passage.document_id] = frozenset({"hr"})
    assert kept.answer_once(NOTICE, "order-1", office.answer).answer == answered_anew


def test_an_error_is_not_kept(database: Database) -> None:
    office = Office()
    kept = office.keep(database)

    def fail() -> Answer:
        raise BackendUnavailable("the index does not answer")

    with pytest.raises(BackendUnavailable):
        kept.answer_once(NOTICE, "order-1", fail)
    assert kept.answer_once(NOTICE, "order-1", office.answer).replayed is False


def test_of_two_at_once_one_answers_and_the_other_waits_for_it(open_database: Callable[[], Database]) -> None:
    office = Office()
    databases = [open_database(), open_database()]
    databases[0].migrate()
    begun, free = threading.Event(), threading.Event()

    def answer_slowly() -> Answer:
        begun.set()
        assert free.wait(timeout=60)
        return office.answer()

    with ThreadPoolExecutor(max_workers=2) as threads:
        first = threads.submit(office.keep(databases[0]).answer_once, NOTICE, "order-1", answer_slowly)
        assert begun.wait(timeout=60)
        hurried = office.keep(databases[1], patience_seconds=0)
        with pytest.raises(DeviceBusy, match="same key"):
            hurried.answer_once(NOTICE, "order-1", office.answer)
        second = threads.submit(office.keep(databases[1]).answer_once, NOTICE, "order-1", office.answer)
        free.set()
        outcomes = [first.result(timeout=60), second.result(timeout=60)]
    assert [outcome.replayed for outcome in outcomes] == [False, True]
    assert outcomes[0].answer == outcomes[1].answer
    assert office.calls == 1


@pytest.mark.parametrize("key", ["", " x", "x ", "a\nb", "ä", "x" * 201])
def test_keys_that_cannot_be_are_refused(key: str) -> None:
    with pytest.raises(ConfigurationError, match="a key has"):
        check_key(key)


def age(database: Database, by: timedelta) -> None:
    with database.write() as connection:
        connection.execute(sa.update(questions).values(asked_at=datetime.now(UTC) - by))
