"""`POST /v1/answers` and `POST /v1/searches`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response, StreamingResponse

from expertloop.results import SearchResult, describe_hit
from expertloop.server.access import CallerOf
from expertloop.server.bodies import IdempotencyKey, RequestId, SearchBody, ServicesOf, TimedBody, note_question
from expertloop.server.events import format_event, split_pieces
from expertloop.server.once import give_answer
from expertloop.server.problems import describe_error
from expertloop.server.services import Services
from expertloop.server.work import AnswerJob, SearchJob, ask_as
from tasks.errors import ProductError
from tasks.models import Answer, Hit

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
    with its citations once they are verified, `answer` with the whole, or `error`.

    With an `Idempotency-Key` the same request is answered once: sent again it gets the same answer, as long as you may
    read what it quotes, with the header `Idempotent-Replayed: true`. After `within_seconds` there is 504; a model that
    has not finished its text a little before is cut, and documents are quoted where nothing of it can be used.
    """
    note_question(request, services, body.question)
    asked = body.model_dump(include={"token_budget", "within_seconds"}) | {"filter": body.filter}
    question = ask_as(caller, request_id, body.question).model_copy(update=asked)
    deadline = None if body.within_seconds is None else time.monotonic() + body.within_seconds
    job = AnswerJob(question, caller, request_id, deadline=deadline)
    if EVENT_STREAM in request.headers.get("accept", ""):
        return StreamingResponse(_stream(services, job, key), media_type=EVENT_STREAM)
    given = await give_answer(services, job, key)
    headers = {"Idempotent-Replayed": "true"} if given.replayed else {}
    return Response(given.answer.model_dump_json(), media_type="application/json", headers=headers)


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
    found: asyncio.Queue[Sequence[Hit]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def report(hits: Sequence[Hit]) -> None:
        loop.call_soon_threadsafe(found.put_nowait, hits)

    answering = asyncio.create_task(give_answer(services, job._replace(on_hits=report), key))
    finding = asyncio.create_task(found.get())
    try:
        await asyncio.wait({answering, finding}, return_when=asyncio.FIRST_COMPLETED)
        if finding.done():
            yield format_event("sources", {"sources": [describe_hit(hit).model_dump() for hit in finding.result()]})
        given = (await answering).answer
        for piece in split_pieces(given):
            citations = [citation.model_dump(mode="json") for citation in piece.citations]
            yield format_event("delta", {"text": piece.text, "citations": citations})
        yield format_event("answer", given.model_dump(mode="json"))
    except ProductError as error:
        yield format_event("error", _error(describe_error(error, job.request_id)))
    except HTTPException as refusal:
        yield format_event("error", _error(refusal))
    finally:
        # Also when the asker goes away: a question that was not begun is taken back.
        finding.cancel()
        answering.cancel()


def _error(refusal: HTTPException) -> dict[str, Any]:
    return {"status": refusal.status_code, "error": refusal.detail}
