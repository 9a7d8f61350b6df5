"""An order desk's own flow: what a customer asks is answered from the documents, or left to a person.

    python docs/examples/order_desk.py http://127.0.0.1:8000 server < inquiries.jsonl

A line of the file: {"inquiry": "mail-1", "question": "How long is the guarantee?"}. The server's key lies in a Secret
block of Prefect, since Prefect keeps parameters in the clear.
"""

from __future__ import annotations

import sys
from typing import Literal

from prefect import flow, task
from prefect.blocks.system import Secret
from prefect.client.schemas import FlowRun
from prefect.deployments import run_deployment
from pydantic import BaseModel, TypeAdapter

from expertloop import Client, answer_question
from tasks.answer_models import Answer

Way = Literal["server", "flow", "here"]

LIMIT_SECONDS = 300
TOKEN_BUDGET = 1000
SURE_ENOUGH = 0.6
"""Below this a person answers."""


class Inquiry(BaseModel):
    """What comes in."""

    inquiry: str
    question: str

    @property
    def key(self) -> str:
        """The same inquiry is answered once, however often this flow is started again."""
        return f"order-desk-{self.inquiry}"


class Reply(BaseModel):
    """What goes out."""

    inquiry: str
    by: Literal["documents", "person"]
    text: str
    answer_id: str | None


def open_client(url: str) -> Client:
    """The server, asked as the desk."""
    secret = Secret.load("order-desk-key")
    return Client(url, secret.get())  # type: ignore[union-attr]  # to be awaited in an async flow alone


@task(retries=2, retry_delay_seconds=5)
def ask_server(inquiry: Inquiry, url: str) -> Answer:
    """Over HTTP."""
    with open_client(url) as client:
        return client.answer(inquiry.question, key=inquiry.key, within_seconds=LIMIT_SECONDS, token_budget=TOKEN_BUDGET)


@task(retries=2, retry_delay_seconds=5)
def ask_flow(inquiry: Inquiry, url: str) -> Answer:
    """By the deployment `answer/answer`; only the question's id passes through Prefect."""
    with open_client(url) as client:
        question_id = client.submit(inquiry.question, key=inquiry.key, token_budget=TOKEN_BUDGET)
        run = run_deployment(
            "answer/answer",
            parameters={"question_id": question_id},
            idempotency_key=question_id,  # Prefect's own: the same question is one run
            timeout=LIMIT_SECONDS,
            poll_interval=1,
        )
        if not (isinstance(run, FlowRun) and run.state and run.state.is_completed()):
            raise RuntimeError(f"the question {question_id} is not answered yet")
        return client.fetch(question_id)


@task(retries=2, retry_delay_seconds=5)
def ask_here(inquiry: Inquiry) -> Answer:
    """In this process, without the server: as the principal that the server's key stands for."""
    return answer_question(
        inquiry.question,
        principals=["order-desk"],
        key=inquiry.key,
        within_seconds=LIMIT_SECONDS,
        token_budget=TOKEN_BUDGET,
    )


@flow
def answer_inquiry(inquiry: Inquiry, url: str, way: Way) -> Reply:
    """Answer from the documents where that is sure enough, else leave it to a person."""
    if way == "here":
        answer = ask_here(inquiry)
    else:
        answer = ask_server(inquiry, url) if way == "server" else ask_flow(inquiry, url)
    if answer.abstained or (answer.confidence or 0) < SURE_ENOUGH:
        return Reply(inquiry=inquiry.inquiry, by="person", text="", answer_id=answer.id)
    return Reply(inquiry=inquiry.inquiry, by="documents", text=answer.text, answer_id=answer.id)


if __name__ == "__main__":
    _, address, *names = sys.argv
    wanted = TypeAdapter(list[Way]).validate_python(names)
    for line in sys.stdin:
        for chosen in wanted:
            print(answer_inquiry(Inquiry.model_validate_json(line), address, chosen).model_dump_json())
