"""Prefect tasks over the answering room."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import task
from prefect.runtime import flow_run

from tasks.errors import DeadlineExceeded
from tasks.retries import touches_backends
from tasks.wiring import application


@task(**touches_backends())
def answer_stored_question(question_id: str, within_seconds: float | None = None) -> str:
    """Answer a stored question as its asker; returns the id of the stored answer.

    Args:
        question_id: Of the question.
        within_seconds: Time since the flow run was scheduled; None: any.

    Raises:
        DeadlineExceeded: It was over before the question was begun.
    """
    app = application()
    question = app.answers.read_question(question_id)
    if within_seconds is not None:
        left = within_seconds - (datetime.now(UTC) - flow_run.scheduled_start_time).total_seconds()
        if left <= 0:
            raise DeadlineExceeded("the time was over before the answer was begun", advice="give it more time")
        question = question.model_copy(update={"within_seconds": left})
    (answer,) = app.answer_questions([question])
    return app.answers.write_answer(question_id, answer)
