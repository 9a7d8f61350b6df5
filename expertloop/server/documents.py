"""`GET /v1/documents/{id}`: what a citation points to, for whom may read it; for everybody else it does not exist."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Query
from starlette.responses import HTMLResponse, Response

from expertloop.server.access import CallerOf
from expertloop.server.bodies import RequestId, ServicesOf
from expertloop.server.page import HEADERS, render_page
from expertloop.server.problems import refuse_unknown
from expertloop.server.services import Collaborators, Services
from tasks.access_models import AuditEntry, Caller, ReadableDocument
from tasks.errors import DocumentRejected

router = APIRouter(prefix="/v1/documents", tags=["reading"])

PAGED = "pdf"
DocumentId = Annotated[str, Path(max_length=64, pattern=r"^[0-9A-Fa-f-]+$", description="as citations name it")]
Offset = Annotated[int | None, Query(ge=0, le=2**31 - 1, description="character of the document's text")]


@router.get("/{document_id}", summary="The document's text with the cited span marked", response_class=HTMLResponse)
async def show_document(
    document_id: DocumentId,
    caller: CallerOf,
    services: ServicesOf,
    request_id: RequestId,
    start: Offset = None,
    end: Offset = None,
) -> Response:
    """An HTML page; `start` and `end` are those of a citation. A pdf's page is shown as an image, too.

    Browsers may send the key as the password of HTTP Basic, whatever the name.
    """
    document = await _read(services, caller, document_id)
    page = await _find_page(services, caller, document, start or 0)
    await _note(services, caller, request_id, document)
    span = (start, end) if start is not None and end is not None else None
    html = render_page(document, span=span, page=page)
    return Response(html.encode("utf-8", "replace"), media_type="text/html; charset=utf-8", headers=HEADERS)


@router.get(
    "/{document_id}/pages/{number}.png",
    summary="A page of a pdf as an image",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
async def show_page(
    document_id: DocumentId,
    number: Annotated[int, Path(ge=1, le=100_000)],
    caller: CallerOf,
    services: ServicesOf,
    request_id: RequestId,
) -> Response:
    """The page as the source file has it now; 404 when that is not the file the text was read from."""
    document = await _read(services, caller, document_id)
    if document.document_type != PAGED:
        raise refuse_unknown("page")
    render = partial(_render, services.made_of, document, number)
    try:
        image = await to_thread.run_sync(render, limiter=services.renderers)
    except DocumentRejected as error:
        raise refuse_unknown("page") from error
    await _note(services, caller, request_id, document)
    return Response(image, media_type="image/png", headers={"Content-Security-Policy": "default-src 'none'"})


async def _read(services: Services, caller: Caller, document_id: str) -> ReadableDocument:
    read = partial(services.made_of.documents.read_document, caller.tenant, document_id.lower(), caller.principals)
    document = await to_thread.run_sync(read, limiter=services.threads)
    if document is None:
        raise refuse_unknown("document")
    return document


async def _note(services: Services, caller: Caller, request_id: str, document: ReadableDocument) -> None:
    """For the audit: before anything of the document is sent."""
    entry = AuditEntry(
        request_id=request_id,
        action="document",
        tenant=caller.tenant,
        principal=caller.principal,
        key_id=caller.key_id,
        at=datetime.now(UTC),
        document_ids=(document.document_id,),
    )
    await to_thread.run_sync(services.made_of.log.record, [entry], limiter=services.threads)


async def _find_page(services: Services, caller: Caller, document: ReadableDocument, offset: int) -> int | None:
    if document.document_type != PAGED:
        return None
    find = partial(services.made_of.documents.find_page, caller.tenant, document.document_id, caller.principals, offset)
    return await to_thread.run_sync(find, limiter=services.threads)


def _render(made_of: Collaborators, document: ReadableDocument, number: int) -> bytes:
    with made_of.open_original(document) as file:
        return made_of.pages.render_page(file, number)
