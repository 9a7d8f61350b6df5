"""What callers send, and where endpoints find what they need."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from expertloop.server.services import Services
from tasks.access_models import Verdict
from tasks.answering.once import MAX_KEY_CHARACTERS
from tasks.models import SearchFilter


def clean_text(text: str) -> str:
    """Text that every database and encoding takes: JSON can spell lone surrogates and NUL, they cannot."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


CleanText = Annotated[str, AfterValidator(clean_text)]


class Body(BaseModel):
    """A body; unknown fields are faults, so that a misspelt filter does not pass for none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


TokenBudget = Annotated[
    int | None,
    Field(
        ge=1,
        le=1_000_000,
        description="most tokens of prompt and answer together; what does not fit is quoted",
        examples=[800],
    ),
]


WithinSeconds = Annotated[
    float | None,
    Field(gt=0, le=3600, description="after that there is 504 instead of an answer", examples=[20]),
]


class AnswerBody(Body):
    """A question."""

    question: CleanText = Field(examples=["How long is the notice period?"])
    filter: SearchFilter = Field(default=SearchFilter(), examples=[{"languages": ["en"], "types": ["pdf", "docx"]}])
    token_budget: TokenBudget = None


class TimedBody(AnswerBody):
    """A question whose answer is waited for."""

    within_seconds: WithinSeconds = None


class SearchBody(Body):
    """A search."""

    question: CleanText = Field(examples=["notice period"])
    k: int = Field(default=10, ge=1, le=100, description="how many passages")
    filter: SearchFilter = Field(default=SearchFilter(), examples=[{"types": ["pdf"]}])


COMPLETION_PREFIX = "chatcmpl-"
"""Before an answer's id, in OpenAI's protocol."""


def _strip_prefix(answer_id: str) -> str:
    return answer_id.removeprefix(COMPLETION_PREFIX)


class FeedbackBody(Body):
    """A verdict on an answer."""

    answer_id: Annotated[CleanText, AfterValidator(_strip_prefix)] = Field(
        max_length=64, description="the `id` of the answer, or of the chat completion", examples=["6b3f7a0e-…"]
    )
    verdict: Verdict = Field(examples=["corrected"])
    text: CleanText | None = Field(
        default=None, max_length=20_000, description="the right answer, or what is wrong", examples=["It is six weeks."]
    )


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _request_id(request: Request) -> str:
    return str(request.state.request_id)


ServicesOf = Annotated[Services, Depends(_services)]
RequestId = Annotated[str, Depends(_request_id)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY_CHARACTERS,
        pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$",
        description="the same request with the same key gets the same answer, for 24 hours",
    ),
]


def note_question(request: Request, services: Services, question: str) -> None:
    """Let the access log show the question, where the operator allows it."""
    if services.made_of.settings.log_questions:
        request.state.logged_question = question
