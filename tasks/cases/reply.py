"""The reply to a customer: salutation, what was found on each question, the sources, the company's own closing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tasks.answer_models import Answer, Citation

_SALUTATION = {"en": "Hello,", "de": "Guten Tag,"}
_SOURCES = {"en": "Sources:", "de": "Quellen:"}
_PAGE = {"en": "page", "de": "Seite"}
_MARK = re.compile(r"\[(\d+)\]")


def write_reply(
    answers: Sequence[Answer], *, language: str, signature: Mapping[str, str]
) -> tuple[str, tuple[Citation, ...]] | None:
    """The reply with its citations numbered through; None where there is no answer at all.

    Args:
        answers: In the order in which they were asked; those that abstain are left out: who reads the draft sees them.
        language: Of the case; another than the known ones is answered in English.
    """
    given = [answer for answer in answers if not answer.abstained]
    if not given:
        return None
    language = language if language in _SALUTATION else "en"
    citations: dict[tuple[str, int, int], Citation] = {}
    texts = [_number(answer, citations) for answer in given]
    listed = [_SOURCES[language], *(_name_source(one, language) for one in citations.values())]
    closing = signature.get(language) or next(iter(signature.values()), "")
    parts = [_SALUTATION[language], *dict.fromkeys(texts), "\n".join(listed), closing]
    return "\n\n".join(part for part in parts if part), tuple(citations.values())


def reply_to(subject: str) -> str:
    """The subject of a reply: one "Re:", no line ends."""
    plain = re.sub(r"^(?:(?:re|aw|antw)\s*:\s*)+", "", " ".join(subject.split()), flags=re.IGNORECASE)
    return f"Re: {plain}"[:250]


def _number(answer: Answer, citations: dict[tuple[str, int, int], Citation]) -> str:
    numbers: dict[str, int] = {}
    for citation in answer.citations:
        place = (citation.document_id, citation.start, citation.end)
        known = citations.setdefault(place, citation.model_copy(update={"number": len(citations) + 1}))
        numbers[str(citation.number)] = known.number
    numbered = _MARK.sub(lambda mark: f"[{numbers.get(mark[1], mark[1])}]", answer.text)
    return "\n".join(dict.fromkeys(numbered.splitlines()))  # two parts of a question may be answered by one sentence


def _name_source(citation: Citation, language: str) -> str:
    """The document's title: its address is of our house, and a customer cannot open it."""
    page = f", {_PAGE[language]} {citation.page}" if citation.page else ""
    return f"[{citation.number}] {citation.title}{page}"
