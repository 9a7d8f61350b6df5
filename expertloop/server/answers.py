"""`POST /v1/answers` and `POST /v1/searches`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response, StreamingResponse

from expertloop.results import SearchResult, describe_hit
from expertloop.server.access import CallerOf
from expertloop.server.bodies import IdempotencyKey, RequestId, SearchBody, ServicesOf, TimedBody, note_question
from expertloop.server.events import Piece, format_event
from expertloop.server.once import describe_replay, give_answer
from expertloop.server.problems import describe_failure
from expertloop.server.services import Services
from expertloop.server.streaming import Found, Replayed, Retracted, Told, follow_answer
from expertloop.server.work import AnswerJob, SearchJob, ask_as, make_job
from tasks.answer_models import Answer

router = APIRouter(prefix="/v1", tags=["asking"])

EVENT_STREAM = "text/event-stream"
_STREAM_EXAMPLE = """\
event: sources
data: {"sources": [{"rank": 1, "score": 0.93, "document_id": "…", "title": "…", "text": "…"}]}

event: delta
data: {"text": "The notice period is six weeks. [1]", "citations": [{"number": 1, "quote": "…"}]}

event: answer
data: {"question": "…", "text": "…", "citations": []}
"""


@router.post(
    "/answers",
    summary="Answer a question from the documents that you may read",
    response_model=Answer,
    responses={200: {"content": {EVENT_STREAM: {"example": _STREAM_EXAMPLE}}}},
)
async def answer(
    body: TimedBody,
    request: Request,
    caller: CallerOf,
    services: ServicesOf,
    request_id: RequestId,
    key: IdempotencyKey = None,
) -> Response:
    """A cited answer, or a reason for silence. Its `id` is what feedback names.

    With `Accept: text/event-stream` the events are `sources` as soon as passages are found, `delta` for each sentence
    with its citations as soon as it is written and verified, `answer` with the whole, or `error`. A rare `retracted`
    takes the sentences before it back: act on `answer`.

    With an `Idempotency-Key` the same request is answered once: sent again it gets the same answer, as long as you may
    read what it quotes, with the header `Idempotent-Replayed: true`. After `within_seconds` there is 504; a model that
    has not finished its text a little before is cut, and documents are quoted where nothing of it can be used.
    """
    note_question(request, services, body.question)
    job = make_job(
        caller,
        request_id,
        body.question,
        narrow=body.filter,
        token_budget=body.token_budget,
        within_seconds=body.within_seconds,
    )
    if EVENT_STREAM in request.headers.get("accept", ""):
        return StreamingResponse(_stream(services, job, key), media_type=EVENT_STREAM)
    given = await give_answer(services, job, key)
    whole = given.answer.model_dump_json()
    return Response(whole, media_type="application/json", headers=describe_replay(given))


@router.post("/searches", summary="Find the passages that a question finds", response_model=SearchResult)
async def search(
    body: SearchBody, request: Request, caller: CallerOf, services: ServicesOf, request_id: RequestId
) -> SearchResult:
    """Passages that you may read, best first."""
    note_question(request, services, body.question)
    question = ask_as(caller, request_id, body.question).model_copy(update={"filter": body.filter})
    found = await services.searches.run(SearchJob(question, caller, request_id, body.k))
    return SearchResult(question=body.question, hits=tuple(map(describe_hit, found.hits)), expansions=found.expansions)


async def _stream(services: Services, job: AnswerJob, key: str | None) -> AsyncIterator[str]:
    try:
        async with aclosing(follow_answer(services, job, key)) as parts:
            async for part in parts:
                if not isinstance(part, Replayed):
                    yield _format(part)
    except Exception as error:  # noqa: BLE001 (the status is sent already: only an event can tell the reader)
        yield format_event("error", _error(describe_failure(error, job.request_id)))


def _format(part: Found | Piece | Retracted | Told) -> str:
    if isinstance(part, Found):
        return format_event("sources", {"sources": [describe_hit(hit).model_dump() for hit in part.hits]})
    if isinstance(part, Retracted):
        return format_event("retracted", {})
    if isinstance(part, Told):
        return format_event("answer", part.answer.model_dump(mode="json"))
    citations = [citation.model_dump(mode="json") for citation in part.citations]
    return format_event("delta", {"text": part.text, "citations": citations})


def _error(refusal: HTTPException) -> dict[str, Any]:
    return {"status": refusal.status_code, "error": refusal.detail}
