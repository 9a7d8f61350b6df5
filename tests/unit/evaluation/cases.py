"""A small library, and hits and answers over it."""

from __future__ import annotations

from typing import Any

from tasks.answer_models import Answer, Citation, Silence
from tasks.evaluation.gold import Library
from tasks.evaluation_models import GoldQuestion
from tasks.models import Chunk, DocumentState, DocumentSummary, Hit, Passage

TEXTS = {
    "a": "Pump P7 lifts 3.0 m. It weighs 12 kg.",
    "b": "Pump P7 lifts 3.0 m. Another page says so.",
    "c": "Visitors sign in at the gate.",
    "d-pdf": "The canteen opens at noon.",
    "d-md": "The canteen opens at noon.",
}
_URIS = {
    "a": "file:///x/a.txt",
    "b": "file:///x/b.txt",
    "c": "file:///x/c.html",
    "d-pdf": "file:///x/pdf/d.pdf",
    "d-md": "file:///x/md/d.md",
    "e": "file:///x/1/same.txt",
    "f": "file:///x/2/same.txt",
}
LIBRARY = Library(
    DocumentSummary(
        document_id=name, uri=uri, title=f"Title of {uri}", source="s", language="en",
        state=DocumentState.LIVE, groups=("everyone",), chunks=1,
    )
    for name, uri in _URIS.items()
)  # fmt: skip


class Texts:
    """A reader of `TEXTS`; all of it is readable by everyone."""

    def read_text(self, tenant: str, document_id: str, principals: frozenset[str]) -> str | None:
        return TEXTS.get(document_id)


def make_hit(rank: int, document_id: str, text: str, *, duplicates: tuple[str, ...] = ()) -> Hit:
    passage = Passage(
        chunk_id=f"chunk {rank}", document_id=document_id, version_id="v", content_hash="h",
        uri=_URIS.get(document_id, "file:///gone"), title="t", source="s", document_type="txt", modified=None,
        outdated=False, chunk=Chunk(position=0, start=0, end=len(text), text=text),
    )  # fmt: skip
    return Hit(rank=rank, score=1 / rank, passage=passage, duplicates=duplicates)


def make_question(**known: Any) -> GoldQuestion:
    return GoldQuestion.model_validate({"id": "q", "question": "How high does pump P7 lift?", **known})


def make_answer(text: str, *quotes: tuple[str, str], **fields: Any) -> Answer:
    """An answer whose citations are (document_id, quote)."""
    citations = tuple(
        Citation(
            number=number, document_id=document_id, chunk_id="k", uri=_URIS[document_id], title="t", page=None,
            quote=quote, start=TEXTS[document_id].find(quote), end=TEXTS[document_id].find(quote) + len(quote),
        )
        for number, (document_id, quote) in enumerate(quotes, start=1)
    )  # fmt: skip
    mode = fields.pop("mode", "extractive")
    return Answer(question="How high does pump P7 lift?", text=text, citations=citations, mode=mode, **fields)


def refuse() -> Answer:
    return make_answer(
        "The passages do not say: 3.0 m is no answer.", abstained=True, mode="none", reason=Silence.OFF_TOPIC
    )
