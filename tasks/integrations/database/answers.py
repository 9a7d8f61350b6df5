"""Questions and answers by id: what the answer flow passes on, since Prefect keeps parameters in the clear."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from tasks.errors import ConfigurationError
from tasks.integrations.database.engine import Database, upsert
from tasks.integrations.database.schema import answers, is_storable, questions
from tasks.models import Answer, Question, derive_id


class DatabaseAnswers:
    """Stores questions with their askers, and the answers they got."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write_question(self, question: Question) -> str:
        """Store a question; the same question of the same asker has one id."""
        principals = sorted(question.principals)
        question_id = derive_id("question", question.tenant, "\x1f".join(principals), question.text)
        row = {
            "question_id": question_id,
            "tenant": question.tenant,
            "text": question.text,
            "principals": principals,
            "asked_at": datetime.now(UTC),
        }
        with self._database.write() as connection:
            upsert(connection, questions, [row])
        return question_id

    def read_question(self, question_id: str) -> Question:
        """The question of an id.

        Raises:
            ConfigurationError: There is none.
        """
        found = self.find_question(question_id)
        if found is None:
            raise ConfigurationError(f"no question has the id {question_id}", advice="submit the question first")
        return found

    def find_question(self, question_id: str) -> Question | None:
        """The question of an id, None when there is none."""
        query = sa.select(questions).where(questions.c.question_id == question_id)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none() if is_storable(question_id) else None
        if row is None:
            return None
        return Question(text=row.text, principals=frozenset(row.principals), tenant=row.tenant, id=question_id)

    def write_answer(self, question_id: str, answer: Answer) -> str:
        """Store the newest answer to a question; returns its id, which depends on the question alone."""
        answer_id = derive_id("answer", question_id)
        row = {
            "answer_id": answer_id,
            "question_id": question_id,
            "answer": answer.model_dump(mode="json"),
            "answered_at": datetime.now(UTC),
        }
        with self._database.write() as connection:
            upsert(connection, answers, [row])
        return answer_id

    def read_answer(self, answer_id: str) -> Answer:
        """The answer of an id.

        Raises:
            ConfigurationError: There is none.
        """
        found = self.find_answer(answer_id)
        if found is None:
            raise ConfigurationError(f"no answer has the id {answer_id}", advice="run the answer flow first")
        return found

    def find_answer(self, answer_id: str) -> Answer | None:
        """The answer of an id, None when there is none."""
        query = sa.select(answers.c.answer).where(answers.c.answer_id == answer_id)
        with self._database.read() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else Answer.model_validate(found)
