"""`POST /v1/questions` and their answers: for processes that ask now and fetch later.

A question is stored with who asks it, and other programs pass its id alone: Prefect keeps parameters in the clear, and
a free principal among them would let anybody be anybody.
"""

from __future__ import annotations

from functools import partial

from anyio import to_thread
from fastapi import APIRouter
from pydantic import BaseModel

from expertloop.server.access import CallerOf
from expertloop.server.bodies import AnswerBody, IdempotencyKey, ServicesOf
from expertloop.server.problems import refuse_unknown
from tasks.answer_models import Answer, Question

router = APIRouter(prefix="/v1", tags=["asking"])


class StoredQuestion(BaseModel):
    """What the flow `answer` takes."""

    question_id: str


@router.post("/questions", summary="Store a question for the flow `answer`", status_code=201)
async def submit(
    body: AnswerBody, caller: CallerOf, services: ServicesOf, key: IdempotencyKey = None
) -> StoredQuestion:
    """The same question of the same caller has one id, with an `Idempotency-Key` one for each key."""
    question = Question(
        text=body.question,
        principals=caller.principals,
        tenant=caller.tenant,
        filter=body.filter,
        token_budget=body.token_budget,
    )
    store = partial(services.made_of.questions.write_question, question, key=key)
    return StoredQuestion(question_id=await to_thread.run_sync(store, limiter=services.threads))


@router.get("/questions/{question_id}/answer", summary="The answer to a stored question", response_model=Answer)
async def fetch(question_id: str, caller: CallerOf, services: ServicesOf) -> Answer:
    """Only for questions that you stored, with the groups that you had then; 404 until the flow has answered.

    And 404 again when you may not read any more what the answer quotes.
    """
    find = services.made_of.questions.find_question
    question = await to_thread.run_sync(find, question_id, limiter=services.threads)
    if question is None or question.tenant != caller.tenant or question.principals != caller.principals:
        raise refuse_unknown("question")
    kept = services.made_of.kept_answers
    answer = await to_thread.run_sync(kept.find_answer, question_id, question, limiter=services.threads)
    if answer is None:
        raise refuse_unknown("answer")
    return answer
