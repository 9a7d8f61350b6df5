"""`POST /v1/chat/completions` and `GET /v1/models`: for programs that speak to OpenAI; they ask expertloop instead.

The question is the last user message. Citations are annotations of the message, and the whole `Answer` comes along in
the field `expertloop`. The shapes are those of OpenAI's API reference, "Chat".
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from expertloop.server.access import CallerOf
from expertloop.server.bodies import CleanText, RequestId, ServicesOf, note_question
from expertloop.server.events import Mark, find_marks, split_pieces
from expertloop.server.problems import refuse
from expertloop.server.work import AnswerJob, ask_as
from tasks.models import Answer, Citation

router = APIRouter(prefix="/v1", tags=["OpenAI's protocol"])

MODEL = "expertloop"


class TextPart(BaseModel):
    """A part of a message; only text is understood."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["text"]
    text: CleanText


class ChatMessage(BaseModel):
    """A message; all but the last user's are context that is not read."""

    model_config = ConfigDict(extra="ignore")

    role: str
    content: CleanText | list[TextPart] | None = None


class StreamOptions(BaseModel):
    """What a stream ends with."""

    model_config = ConfigDict(extra="ignore")

    include_usage: bool = False


class ChatBody(BaseModel):
    """A chat request; sampling parameters are accepted and have no effect."""

    model_config = ConfigDict(extra="ignore")

    model: str = Field(default=MODEL, examples=[MODEL])
    messages: list[ChatMessage] = Field(
        min_length=1, examples=[[{"role": "user", "content": "How long is the notice period?"}]]
    )
    stream: bool = False
    stream_options: StreamOptions | None = None


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
    body: ChatBody, request: Request, caller: CallerOf, services: ServicesOf, request_id: RequestId
) -> Response:
    """The answer as an assistant's message, whole or as a stream of chunks."""
    _check_model(body.model)
    text = read_question(body.messages)
    note_question(request, services, text)
    # Awaited also for a stream: what fails has a status, and a sentence is sent only when it is verified anyway.
    answer = await services.answers.run(AnswerJob(ask_as(caller, request_id, text), caller, request_id))
    writer = _Writer(answer, str(request.base_url))
    if body.stream:
        usage = bool(body.stream_options and body.stream_options.include_usage)
        return StreamingResponse(_stream(writer, usage=usage), media_type="text/event-stream")
    return JSONResponse(writer.completion())


def read_question(messages: list[ChatMessage]) -> str:
    """The text of the last user message.

    Raises:
        HTTPException: 422: there is none.
    """
    for message in reversed(messages):
        if message.role == "user":
            parts = message.content or ""
            return parts if isinstance(parts, str) else "\n".join(part.text for part in parts)
    raise refuse(422, "invalid-request", "messages: none is a user's", "put the question into a message of role user")


class _Writer:
    """One answer in OpenAI's shapes.

    Args:
        answer: What is said.
        base_url: Of this server, ending in '/', for links to documents that have no web address.
    """

    def __init__(self, answer: Answer, base_url: str) -> None:
        self._answer = answer
        self._base_url = base_url
        self._created = int(time.time())

    def completion(self) -> dict[str, Any]:
        """The whole answer."""
        text = self._answer.text
        message = {"role": "assistant", "content": text, "refusal": None, "annotations": self._annotate(text, 0)}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        whole = {"usage": self._usage(), "expertloop": self._answer.model_dump(mode="json")}
        return self._frame("chat.completion") | {"choices": [choice]} | whole

    def chunks(self, *, usage: bool) -> Iterator[dict[str, Any]]:
        """The answer a sentence at a time."""
        yield self._chunk({"role": "assistant", "content": ""})
        for piece in split_pieces(self._answer):
            annotations = self._annotate(piece.text, piece.start)
            yield self._chunk({"content": piece.text} | ({"annotations": annotations} if annotations else {}))
        yield self._chunk({}, finish="stop") | {"expertloop": self._answer.model_dump(mode="json")}
        if usage:
            yield self._frame("chat.completion.chunk") | {"choices": [], "usage": self._usage()}

    def _chunk(self, delta: dict[str, Any], *, finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._frame("chat.completion.chunk") | {"choices": [choice]}

    def _frame(self, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{self._answer.id}", "object": kind, "created": self._created, "model": MODEL}

    def _usage(self) -> dict[str, int]:
        asked, written = self._answer.prompt_tokens, self._answer.completion_tokens
        return {"prompt_tokens": asked, "completion_tokens": written, "total_tokens": asked + written}

    def _annotate(self, text: str, offset: int) -> list[dict[str, Any]]:
        return [self._annotation(mark, offset) for mark in find_marks(text, self._answer)]

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


async def _stream(writer: _Writer, *, usage: bool) -> AsyncIterator[str]:
    for chunk in writer.chunks(usage=usage):
        yield f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
    yield "data: [DONE]\n\n"


def _describe_model() -> dict[str, Any]:
    return {"id": MODEL, "object": "model", "created": 0, "owned_by": "expertloop"}


def _check_model(name: str) -> None:
    if name != MODEL:
        raise refuse(404, "model_not_found", "there is no such model", f"the model is named {MODEL}")
