"""Questions and answers by id: what the answer flow passes on, since Prefect keeps parameters in the clear.

A question that came with a key has its id from the key: asked again with it, it is the same question.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.answer_models import Answer, Question
from tasks.errors import ConfigurationError, KeyReused
from tasks.integrations.database.engine import Database, insert_new, upsert
from tasks.integrations.database.schema import answers, is_storable, questions
from tasks.models import derive_id

KEYS_HOLD = timedelta(hours=24)
"""After that a key may stand for another request."""

_TERMS = {"filter", "token_budget"}
"""How a question is asked besides its words and its asker; how long it may take is no part of it."""


class DatabaseAnswers:
    """Stores questions with their askers, and the answers they got."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write_question(self, question: Question, *, key: str | None = None) -> str:
        """Store a question; the same one of the same asker has one id, and with a key another one for each key.

        Raises:
            KeyReused: The asker's key stands for another question.
        """
        row = _question_row(question, key)
        with self._database.write() as connection:
            if key is None:
                upsert(connection, questions, [row])
            elif not insert_new(connection, questions, row):
                _claim_key(connection, row)
        return str(row["question_id"])

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
        asked = {"text": row.text, "principals": row.principals, "tenant": row.tenant, "id": question_id}
        return Question.model_validate(asked | (row.terms or {}))

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

    def prune(self, before: datetime) -> int:
        """Forget questions that are older, with their answers; returns how many."""
        with self._database.write() as connection:
            return connection.execute(sa.delete(questions).where(questions.c.asked_at < before)).rowcount


def _question_row(question: Question, key: str | None) -> dict[str, Any]:
    principals = sorted(question.principals)
    terms = question.model_dump(mode="json", include=_TERMS, exclude_defaults=True)
    asked = (question.text, json.dumps(terms, sort_keys=True)) if terms else (question.text,)
    named = asked if key is None else ("key", key)
    return {
        "question_id": derive_id("question", question.tenant, "\x1f".join(principals), *named),
        "tenant": question.tenant,
        "text": question.text,
        "principals": principals,
        "terms": terms or None,
        "asked_at": datetime.now(UTC),
    }


def _claim_key(connection: Connection, row: dict[str, Any]) -> None:
    """Leave the key's question as it is when it is this one; begin anew when the key is forgotten by now."""
    mine = questions.c.question_id == row["question_id"]
    kept = connection.execute(sa.select(questions).where(mine).with_for_update()).one()
    if kept.asked_at < row["asked_at"] - KEYS_HOLD:
        connection.execute(sa.delete(questions).where(mine))
        connection.execute(sa.insert(questions).values(row))
    elif (kept.text, kept.terms) != (row["text"], row["terms"]):
        raise KeyReused(
            "this key came with another request before", advice="take a new key for each request; a key holds 24 hours"
        )
