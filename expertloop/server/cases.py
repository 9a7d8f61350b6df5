"""`POST /v1/cases` and `POST /hooks/cases`: another system hands over cases, and the flow `handle-cases` works on them.

With a key a caller can give a case no more than it may read itself. A hook's sender proves with every body that it
holds the secret of the company's own system, whose word on a customer's groups is believed, as in a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from expertloop.server.access import CallerOf
from expertloop.server.bodies import CleanText, ServicesOf
from expertloop.server.problems import refuse, refuse_unknown
from expertloop.server.services import Services
from tasks.access_models import Caller
from tasks.case_models import Case, CaseState
from tasks.cases.collect import Collector
from tasks.errors import ConfigurationError
from tasks.keys import SIGNATURE_HEADER, is_signed

router = APIRouter(tags=["cases"])


class CaseBody(BaseModel):
    """One case; what else a system sends along is not read."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: CleanText | int | None = Field(default=None, description="as your system calls it", examples=["T-2041"])
    text: CleanText | None = Field(default=None, description="instead of subject and body")
    subject: CleanText | None = None
    body: CleanText | None = Field(default=None, examples=["How long is the notice period?"])
    sender: CleanText | None = Field(default=None, alias="from", description="mail address that a reply goes to")
    groups: list[CleanText] = Field(default=[], description="principals of the customer, of those that your key has")


class KeptCase(BaseModel):
    """A case and where it stands."""

    id: str
    case_id: str
    state: CaseState


class KeptCases(BaseModel):
    """In the order in which they were sent."""

    cases: list[KeptCase]


_BODY: TypeAdapter[CaseBody | list[CaseBody]] = TypeAdapter(CaseBody | list[CaseBody])
ProcessName = Annotated[str, Query(description="a folder below EXPERTLOOP_PROCESSES", examples=["tickets"])]


@router.post("/v1/cases", summary="Hand over cases of a process", status_code=202)
async def receive(
    body: CaseBody | list[CaseBody], process: ProcessName, caller: CallerOf, services: ServicesOf
) -> KeptCases:
    """Kept before this answers, all of them or none; the same id with the same content is one case, however often.

    A case is answered as everyone, its `groups` and the process; a key can name no group that it does not read as.
    """
    rows = body if isinstance(body, list) else [body]
    refuse_foreign_groups(rows, caller)
    return await keep_cases(services, caller.tenant, process, rows)


@router.post("/hooks/cases", summary="The same for a system that signs its bodies", status_code=202)
async def receive_signed(request: Request, process: ProcessName, services: ServicesOf) -> KeptCases:
    """`X-Expertloop-Signature: sha256=` and the HMAC of the body with EXPERTLOOP_INBOX_KEY stand in for a key."""
    settings, content = services.made_of.settings, await request.body()
    signature = request.headers.get(SIGNATURE_HEADER, "")
    if settings.inbox_key is None or not is_signed(content, signature, settings.inbox_key.get_secret_value()):
        raise refuse(
            401, "unauthenticated", "the signature is wrong", f"sign the body, see {SIGNATURE_HEADER} in /docs"
        )
    try:
        body = _BODY.validate_json(content)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    return await keep_cases(services, settings.tenant, process, body if isinstance(body, list) else [body])


def refuse_foreign_groups(rows: Sequence[CaseBody], caller: Caller) -> None:
    """Nobody makes the machine read for them what they may not read."""
    for row in rows:
        foreign = sorted(set(row.groups) - caller.principals)
        if foreign:
            advice = "leave it out, or use a key that reads as that group"
            raise refuse(403, "access-denied", f"groups: this key does not read as {foreign[0]!r}", advice)


def read_rows(collector: Collector, rows: Sequence[CaseBody]) -> list[Case]:
    """Cases of what was sent."""
    try:
        return [
            collector.make_record(row.model_dump(by_alias=True, exclude_none=True), f"case {number}")
            for number, row in enumerate(rows, start=1)
        ]
    except ConfigurationError as error:
        raise refuse(422, "invalid-request", error.message, error.advice) from error


async def keep_cases(services: Services, tenant: str, process: str, rows: Sequence[CaseBody]) -> KeptCases:
    """One commit for all, and where each stands then."""
    collector = await to_thread.run_sync(services.made_of.find_collector, tenant, process, limiter=services.threads)
    if collector is None:
        raise refuse_unknown("process")
    cases = read_rows(collector, rows)
    store, ids = services.made_of.cases, [case.case_id for case in cases]
    await to_thread.run_sync(store.receive_cases, cases, datetime.now(UTC), limiter=services.threads)
    known = await to_thread.run_sync(store.read_cases, ids, limiter=services.threads)
    return KeptCases(cases=[KeptCase(id=known[one].case.id, case_id=one, state=known[one].state) for one in ids])
