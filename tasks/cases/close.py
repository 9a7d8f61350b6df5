"""How people end cases: with the right answer, which the model shall learn, or without one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from tasks.case_models import CORRECTED, CaseState, Decision, HandledCase, OutgoingMessage, derive_message_id
from tasks.cases.reply import reply_to
from tasks.cases_ports import CaseStore
from tasks.curation_models import Correction
from tasks.errors import ConfigurationError

_SALUTATION = {"en": "Hello,", "de": "Guten Tag,"}


class Closing(NamedTuple):
    """Who ends it, when."""

    author: str
    at: datetime


def choose_question(handled: HandledCase, question: str | None, text: str, author: str) -> Correction:
    """The question that a person's text answers, with what had been cited for it.

    Args:
        question: In the person's own words; None takes the case's.

    Raises:
        ConfigurationError: The text is empty, the case asks nothing, or it asks several things.
    """
    if not text.strip():
        raise ConfigurationError("the text is empty", advice='write the right answer: --text "…"')
    asked = handled.outcome.asked if handled.outcome else ()
    if question is None and len(asked) != 1:
        told = "; ".join(one.question for one in asked) or "nothing"
        raise ConfigurationError(
            f"case {handled.case.id} asks {'several things' if asked else 'nothing'} ({told[:300]})",
            advice='say what your text answers: --question "…"',
        )
    quoted = tuple(quote for one in asked for quote in one.quoted) if question is None else ()
    return Correction(question=question or asked[0].question, text=text.strip(), principal=author, quoted=quoted)


def correct_case(
    store: CaseStore, handled: HandledCase, text: str, closing: Closing, *, signature: Mapping[str, str]
) -> None:
    """Close a case with a person's text, which goes to the customer in place of an unsent draft.

    Raises:
        ConfigurationError: It is closed already.
    """
    _check_open(handled)
    language = handled.outcome.language if handled.outcome else "en"
    closing_words = signature.get(language) or next(iter(signature.values()), "")
    body = "\n\n".join(part for part in (_SALUTATION.get(language, "Hello,"), text.strip(), closing_words) if part)
    case = handled.case
    message = OutgoingMessage(
        message_id=derive_message_id(case.case_id, "correction", body),
        case_id=case.case_id,
        tenant=case.tenant,
        kind="correction",
        customer=case.customer,
        recipient=case.sender,
        subject=reply_to(case.subject),
        body=body,
        in_reply_to=case.message_id,
        decision=handled.outcome.decision if handled.outcome else Decision.ESCALATE,
    )
    note = f"{CORRECTED} {closing.author}"
    store.close_case(case.case_id, note, [message] if case.sender and not case.automatic else [], closing.at)


def close_case(store: CaseStore, handled: HandledCase, note: str, closing: Closing) -> None:
    """Close a case; nothing is sent.

    Raises:
        ConfigurationError: It is closed already.
    """
    _check_open(handled)
    told = f"closed by {closing.author}" + (f": {note}" if note else "")
    store.close_case(handled.case.case_id, told, [], closing.at)


def _check_open(handled: HandledCase) -> None:
    if handled.state is CaseState.CLOSED:
        raise ConfigurationError(
            f"case {handled.case.id} is closed already: {handled.note}", advice="see it with: expertloop cases show"
        )
