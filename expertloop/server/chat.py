"""`POST /v1/chat/completions` and `GET /v1/models`: for programs that speak to OpenAI; they ask expertloop instead.

The question is the last user message. Citations are annotations of the message, and the whole `Answer` comes along in
the field `expertloop`. The shapes are those of OpenAI's API reference, "Chat".
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from expertloop.server.access import CallerOf
from expertloop.server.bodies import (
    COMPLETION_PREFIX,
    IdempotencyKey,
    RequestId,
    ServicesOf,
    TokenBudget,
    WithinSeconds,
    clean_text,
    note_question,
)
from expertloop.server.events import Mark, Piece, find_marks, format_data
from expertloop.server.once import describe_replay, give_answer
from expertloop.server.problems import describe_failure, refuse
from expertloop.server.streaming import Found, Part, Replayed, Retracted, Told, follow_answer
from expertloop.server.work import make_job
from tasks.answer_models import Answer, Citation

router = APIRouter(prefix="/v1", tags=["OpenAI's protocol"])

MODEL = "expertloop"
_LEFT = 499
"""As web servers log a client that went away; nobody reads it."""
_RETRACTED = {
    "error": {
        "code": "retracted",
        "message": "the sentences so far do not hold: what they quote was withdrawn, or the generator broke off",
        "advice": "drop them and ask again",
    }
}
"""The protocol has no word for taking text back; its clients raise this."""


class ChatMessage(BaseModel):
    """A message; all but the last user's are context that is not read, whatever it holds."""

    model_config = ConfigDict(extra="ignore")

    role: str
    content: Any = Field(default=None, description="text, or a list of parts; of the last user's, parts of type text")


class StreamOptions(BaseModel):
    """What a stream ends with."""

    model_config = ConfigDict(extra="ignore")

    include_usage: bool | None = None


class ChatBody(BaseModel):
    """A chat request; sampling parameters are accepted and have no effect.

    `token_budget` and `within_seconds` are ours: OpenAI's clients send them as `extra_body`.
    """

    model_config = ConfigDict(extra="ignore")

    model: str = Field(default=MODEL, examples=[MODEL])
    messages: list[ChatMessage] = Field(
        min_length=1, examples=[[{"role": "user", "content": "How long is the notice period?"}]]
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    token_budget: TokenBudget = None
    within_seconds: WithinSeconds = None


@router.get("/models", summary="The one model there is")
async def list_models(_caller: CallerOf) -> dict[str, Any]:
    """In OpenAI's shape."""
    return {"object": "list", "data": [_describe_model()]}


@router.get("/models/{name}", summary="The one model there is")
async def show_model(name: str, _caller: CallerOf) -> dict[str, Any]:
    """In OpenAI's shape."""
    _check_model(name)
    return _describe_model()


@router.post("/chat/completions", summary="Answer the last user message", response_model=dict[str, Any])
async def complete_chat(
    body: ChatBody,
    request: Request,
    caller: CallerOf,
    services: ServicesOf,
    request_id: RequestId,
    key: IdempotencyKey = None,
) -> Response:
    """The answer as an assistant's message, whole or as a stream of chunks, a verified sentence each.

    `Idempotency-Key`, `within_seconds` and `token_budget` do what they do for `/v1/answers`, whose keys are the same.

    What fails before the first sentence has a status; what fails later, or takes back a sentence, ends the stream with
    an `error`, which OpenAI's clients raise.
    """
    _check_model(body.model)
    text = read_question(body.messages)
    note_question(request, services, text)
    job = make_job(caller, request_id, text, token_budget=body.token_budget, within_seconds=body.within_seconds)
    writer = _Writer(str(job.question.id), str(request.base_url))
    if not body.stream:
        given = await give_answer(services, job, key)
        writer.answer_id = given.answer.id or writer.answer_id
        return JSONResponse(writer.completion(given.answer), headers=describe_replay(given))
    parts = follow_answer(services, job, key)
    first = await _read_first(request, parts)
    if first is None:
        return Response(status_code=_LEFT)
    usage = bool(body.stream_options and body.stream_options.include_usage)
    return StreamingResponse(_stream(writer, first, parts, request_id, usage=usage), media_type="text/event-stream")


def read_question(messages: list[ChatMessage]) -> str:
    """The text of the last user message.

    Raises:
        HTTPException: 422: there is none.
    """
    for message in reversed(messages):
        if message.role == "user":
            content = "" if message.content is None else message.content
            return clean_text("\n".join(map(_read_part, content if isinstance(content, list) else [content])))
    raise refuse(422, "invalid-request", "messages: none is a user's", "put the question into a message of role user")


def _read_part(part: object) -> str:
    """The text of one part: a string, or in OpenAI's words an object of type text."""
    text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else part
    if isinstance(text, str):
        return text
    message = "messages: the last user's holds something else than text"
    raise refuse(422, "invalid-request", message, "ask in text: pictures, sounds and files are not read")


class _Writer:
    """One answer in OpenAI's shapes.

    Args:
        answer_id: Of the answer; until the first chunk, a replay may set that of the answer it repeats.
        base_url: Of this server, ending in '/', for links to documents that have no web address.
    """

    def __init__(self, answer_id: str, base_url: str) -> None:
        self.answer_id = answer_id
        self._base_url = base_url
        self._created = int(time.time())
        self._annotations = itertools.count()

    def completion(self, answer: Answer) -> dict[str, Any]:
        """The whole answer."""
        annotations = self._annotate(answer.text, 0, answer.citations)
        message = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": annotations}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        whole = {"usage": _count(answer), "expertloop": answer.model_dump(mode="json")}
        return self._frame("chat.completion") | {"choices": [choice]} | whole

    def opening(self) -> dict[str, Any]:
        """The first chunk of a stream."""
        return self._chunk({"role": "assistant", "content": ""})

    def sentence(self, piece: Piece) -> dict[str, Any]:
        """The chunk of a sentence."""
        annotations = self._annotate(piece.text, piece.start, piece.citations)
        # As in `tool_calls`: by its place in the whole list, clients put together what comes in parts.
        placed = [{"index": next(self._annotations), **annotation} for annotation in annotations]
        return self._chunk({"content": piece.text} | ({"annotations": placed} if placed else {}))

    def ending(self, answer: Answer, *, usage: bool) -> Iterator[dict[str, Any]]:
        """The last chunks of a stream."""
        yield self._chunk({}, finish="stop") | {"expertloop": answer.model_dump(mode="json")}
        if usage:
            yield self._frame("chat.completion.chunk") | {"choices": [], "usage": _count(answer)}

    def _chunk(self, delta: dict[str, Any], *, finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._frame("chat.completion.chunk") | {"choices": [choice]}

    def _frame(self, kind: str) -> dict[str, Any]:
        return {"id": f"{COMPLETION_PREFIX}{self.answer_id}", "object": kind, "created": self._created, "model": MODEL}

    def _annotate(self, text: str, offset: int, citations: Sequence[Citation]) -> list[dict[str, Any]]:
        return [self._annotation(mark, offset) for mark in find_marks(text, citations)]

    def _annotation(self, mark: Mark, offset: int) -> dict[str, Any]:
        place = {
            "url": self._link(mark.citation),
            "title": mark.citation.title,
            "start_index": offset + mark.start,
            "end_index": offset + mark.end,
        }
        return {"type": "url_citation", "url_citation": place}

    def _link(self, citation: Citation) -> str:
        """Where the asker can open it: its web address, else its page on this server."""
        if citation.uri.startswith(("http://", "https://")):
            return citation.uri
        place = f"{citation.document_id}?start={citation.start}&end={citation.end}#cited"
        return f"{self._base_url}v1/documents/{place}"


async def _read_first(request: Request, parts: AsyncGenerator[Part]) -> Part | None:
    """The first sentence, or what there is instead of one; None when the asker went away before, for whom it ends."""
    reading = asyncio.create_task(_skip_found(parts))
    leaving = asyncio.create_task(_wait_until_left(request))
    try:
        await asyncio.wait({reading, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await reading if reading.done() else None
    finally:
        leaving.cancel()
        reading.cancel()


async def _skip_found(parts: AsyncGenerator[Part]) -> Part:
    part = await anext(parts)
    while isinstance(part, Found):
        part = await anext(parts)
    return part


async def _wait_until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _stream(
    writer: _Writer, first: Part, parts: AsyncGenerator[Part], request_id: str, *, usage: bool
) -> AsyncIterator[str]:
    part = first
    try:
        async with aclosing(parts):
            if isinstance(part, Replayed):
                writer.answer_id = part.answer_id
                part = await anext(parts)
            yield format_data(writer.opening())
            while isinstance(part, Piece):
                yield format_data(writer.sentence(part))
                part = await anext(parts)
            if isinstance(part, Retracted):
                # An error may follow, which says more than that the sentences do not hold.
                await anext(parts)
    except Exception as error:  # noqa: BLE001 (the status is sent already: only an error in the stream can tell)
        yield format_data({"error": describe_failure(error, request_id).detail})
    else:
        for chunk in writer.ending(part.answer, usage=usage) if isinstance(part, Told) else [_RETRACTED]:
            yield format_data(chunk)
    yield "data: [DONE]\n\n"


def _count(answer: Answer) -> dict[str, int]:
    asked, written = answer.prompt_tokens, answer.completion_tokens
    return {"prompt_tokens": asked, "completion_tokens": written, "total_tokens": asked + written}


def _describe_model() -> dict[str, Any]:
    return {"id": MODEL, "object": "model", "created": 0, "owned_by": "expertloop"}


def _check_model(name: str) -> None:
    if name != MODEL:
        raise refuse(404, "model_not_found", "there is no such model", f"the model is named {MODEL}")
