"""What readers wrote as the right answer becomes a candidate, anchored to what the answer had cited."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from tasks.curation.collect import BATCH_ROWS, Importer, ImportOptions
from tasks.curation.desk import Desk
from tasks.curation.rows import Draft, Quoted
from tasks.curation_models import Correction, Origin

AUTHOR = "feedback"


def collect_corrections(desk: Desk, corrections: Iterable[Correction], *, now: datetime, detail: str = "") -> int:
    """Take corrections as candidates; those taken before change nothing. Returns how many are new.

    Args:
        detail: Where they come from, such as "case 4711", for the history of the pairs.
    """
    options = ImportOptions(AUTHOR, now, {}, Origin.CORRECTION, "correct", detail)
    importer = Importer(desk, options)
    imported, page = 0, []
    for number, correction in enumerate(corrections, start=1):
        page.append(_draft(number, correction, desk))
        if len(page) == BATCH_ROWS:
            imported, page = importer.import_drafts(page).summary.imported, []
    return importer.import_drafts(page).summary.imported if page else imported


def _draft(number: int, correction: Correction, desk: Desk) -> Draft:
    return Draft(
        number, correction.question, correction.text, _still_there(correction.quoted, desk), author=correction.principal
    )


def _still_there(quoted: Sequence[tuple[str, str]], desk: Desk) -> tuple[Quoted, ...]:
    """What was cited proves the right answer only where the document still says it; search proposes the rest."""
    kept = []
    for document_id, quote in quoted:
        document = desk.read_document(document_id)
        if document is not None and quote in document.text:
            kept.append(Quoted(document_id, quote))
    return tuple(kept)
