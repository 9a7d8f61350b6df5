"""`POST /v1/questions` and their answers: for processes that ask now and fetch later.

A question is stored with who asks it, and other programs pass its id alone: Prefect keeps parameters in the clear, and
a free principal among them would let anybody be anybody.
"""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter
from pydantic import BaseModel

from expertloop.server.access import CallerOf
from expertloop.server.bodies import Body, CleanText, ServicesOf
from expertloop.server.problems import refuse_unknown
from tasks.models import Answer, Question, derive_id

router = APIRouter(prefix="/v1", tags=["asking"])


class QuestionBody(Body):
    """A question that is answered later."""

    question: CleanText


class StoredQuestion(BaseModel):
    """What the flow `answer` takes."""

    question_id: str


@router.post("/questions", summary="Store a question for the flow `answer`", status_code=201)
async def submit(body: QuestionBody, caller: CallerOf, services: ServicesOf) -> StoredQuestion:
    """The same question of the same caller has one id."""
    question = Question(text=body.question, principals=caller.principals, tenant=caller.tenant)
    stored = await to_thread.run_sync(services.made_of.questions.write_question, question, limiter=services.threads)
    return StoredQuestion(question_id=stored)


@router.get("/questions/{question_id}/answer", summary="The answer to a stored question", response_model=Answer)
async def fetch(question_id: str, caller: CallerOf, services: ServicesOf) -> Answer:
    """Only for questions that you stored, with the groups that you had then; 404 until the flow has answered."""
    kept = services.made_of.questions
    question = await to_thread.run_sync(kept.find_question, question_id, limiter=services.threads)
    if question is None or question.tenant != caller.tenant or question.principals != caller.principals:
        raise refuse_unknown("question")
    answer = await to_thread.run_sync(kept.find_answer, derive_id("answer", question_id), limiter=services.threads)
    if answer is None:
        raise refuse_unknown("answer")
    return answer
