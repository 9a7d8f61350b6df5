"""`POST /v1/feedback`: what readers say of answers, kept for curation."""

from __future__ import annotations

from datetime import UTC, datetime

from anyio import to_thread
from fastapi import APIRouter

from expertloop.server.access import CallerOf
from expertloop.server.bodies import FeedbackBody, ServicesOf
from expertloop.server.problems import refuse, refuse_unknown
from tasks.access_models import Feedback, Verdict

router = APIRouter(prefix="/v1", tags=["asking"])


@router.post("/feedback", summary="Say whether an answer was good, wrong, or what is right", status_code=201)
async def give_feedback(body: FeedbackBody, caller: CallerOf, services: ServicesOf) -> Feedback:
    """One verdict a reader and answer; a later one replaces it. Only for answers that you got."""
    if body.verdict is Verdict.CORRECTED and not (body.text or "").strip():
        raise refuse(422, "invalid-request", "text: a correction needs the right answer", "send it as text")
    given = Feedback(
        answer_id=body.answer_id,
        tenant=caller.tenant,
        principal=caller.principal,
        verdict=body.verdict,
        text=body.text,
        at=datetime.now(UTC),
    )
    if not await to_thread.run_sync(services.made_of.log.add_feedback, given, limiter=services.threads):
        raise refuse_unknown("answer")
    return given
