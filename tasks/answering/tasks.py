"""Prefect tasks over the answering room."""

from __future__ import annotations

from prefect import task

from tasks.retries import touches_backends
from tasks.wiring import application


@task(**touches_backends())
def answer_stored_question(question_id: str) -> str:
    """Answer a stored question as its asker; returns the id of the stored answer."""
    app = application()
    (answer,) = app.answer_questions([app.answers.read_question(question_id)])
    return app.answers.write_answer(question_id, answer)
