"""One question, asked by id: the answer as a step of somebody's process."""

from __future__ import annotations

from prefect import flow
from pydantic import PositiveFloat

from tasks.answering.tasks import answer_stored_question


@flow(name="answer", persist_result=False)
def answer(question_id: str, within_seconds: PositiveFloat | None = None) -> str:
    """Answer a stored question; run twice, the newest answer is the one that is kept.

    Args:
        question_id: Of a question that was stored with its asker; the text itself never passes through Prefect.
        within_seconds: Since the run was scheduled; one that begins later fails instead of answering what nobody
            waits for any more.

    Returns:
        The answer_id, under which the answer is stored.
    """
    return answer_stored_question(question_id, within_seconds)
