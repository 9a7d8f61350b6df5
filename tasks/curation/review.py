"""What people do with a pair, and what documents do to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tasks.curation.anchors import find_nearest
from tasks.curation.checks import shorten
from tasks.curation.collect import locate_evidence
from tasks.curation.desk import Desk
from tasks.curation_models import Evidence, HistoryEntry, Pair, PairState, intersect_readers
from tasks.curation_ports import IndexedPair
from tasks.errors import ConfigurationError
from tasks.models import EVERYONE

BATCH = 100


class Editor(NamedTuple):
    """Who does it, and when."""

    name: str
    now: datetime

    def note(self, action: str, detail: str = "") -> HistoryEntry:
        """An entry of a pair's history."""
        return HistoryEntry(at=self.now, author=self.name, action=action, detail=detail)


def approve_pair(desk: Desk, pair_id: str, editor: Editor, *, accept: Sequence[str] = ()) -> Pair:
    """Approve a pair whose checks, run again now, find nothing that the approver has not accepted.

    Raises:
        ConfigurationError: A check found something that is not accepted, or that nobody may accept.
    """

    def change(before: Pair) -> IndexedPair:
        accepted = tuple(dict.fromkeys([*before.accepted, *accept]))
        checked, vector = _check(desk, before.model_copy(update={"accepted": accepted}))
        if not checked.readers and checked.evidence:
            raise ConfigurationError(
                f"pair {pair_id[:8]} cannot be approved: nobody may read all documents it quotes",
                advice="quote documents with common readers, or reject it",
            )
        if checked.open_findings:
            first = checked.open_findings[0]
            raise ConfigurationError(
                f"pair {pair_id[:8]} cannot be approved: {first.code}: {first.message}", advice=first.advice
            )
        return desk.index(_move(checked, PairState.APPROVED, "", editor.note("approve", " ".join(accept))), vector)

    return desk.ports.pairs.change_pair(desk.tenant, pair_id, change)


def reject_pair(desk: Desk, pair_id: str, editor: Editor, *, reason: str = "") -> Pair:
    """Take a pair out of everything; it stays, so that the same row imported again does not come back."""

    def change(before: Pair) -> IndexedPair:
        return desk.index(_move(before, PairState.REJECTED, reason, editor.note("reject", reason)))

    return desk.ports.pairs.change_pair(desk.tenant, pair_id, change)


def edit_pair(desk: Desk, pair_id: str, editor: Editor, changes: dict[str, Any], quotes: Sequence[Evidence]) -> Pair:
    """Change fields of a pair, which becomes a candidate again: what was approved was another text.

    Args:
        changes: Of question, answer, language, groups.
        quotes: Replace its evidence; none: it stays.
    """

    def change(before: Pair) -> IndexedPair:
        update = changes | ({"evidence": tuple(quotes)} if quotes else {}) | {"accepted": ()}
        checked, vector = _check(desk, before.model_copy(update=update))
        told = ", ".join([*changes, *(["evidence"] if quotes else [])])
        former = f"{told}; was: {before.question} → {before.answer}"
        return desk.index(_move(checked, PairState.CANDIDATE, "", editor.note("edit", former)), vector)

    return desk.ports.pairs.change_pair(desk.tenant, pair_id, change)


def quote_document(desk: Desk, name: str, quote: str) -> Evidence:
    """The evidence of a quote from a document as people call it.

    Raises:
        ConfigurationError: There is no such document, or it does not hold the words.
    """
    ids = desk.find_documents(name)
    if not ids:
        raise ConfigurationError(f"no document is called {name!r}", advice="see them with: expertloop documents")
    documents = [document for id_ in ids if (document := desk.read_document(id_))]
    for document in documents:
        if evidence := locate_evidence(document, quote):
            return evidence
    nearest = find_nearest(documents[0].text, quote) if documents else None
    advice = f"it says: {shorten(nearest)}" if nearest else "copy the sentence from the document"
    raise ConfigurationError(f"{name} does not hold the words {shorten(quote)!r}", advice=advice)


def _check(desk: Desk, pair: Pair) -> tuple[Pair, Any]:
    (vector,) = desk.embed([pair.question])
    return desk.check(pair, vector=vector), vector


def _move(pair: Pair, state: PairState, reason: str, entry: HistoryEntry) -> Pair:
    return pair.model_copy(update={"state": state, "reason": reason, "history": (*pair.history, entry)})


# --- documents change ---------------------------------------------------------------------------------------------


def reanchor_pairs(desk: Desk, editor: Editor) -> dict[str, int]:
    """Look at every pair whose documents changed since it was last looked at; returns counts by what became of them.

    A span that is still there moves along silently. One that changed or vanished, a deleted document and narrowed
    readers send the pair back to review.
    """
    counts = {"kept": 0, "stale": 0}
    last = ""
    while page := desk.ports.pairs.find_moved(desk.tenant, after=last):
        last = page[-1]
        for pair_id in page:
            after = desk.ports.pairs.change_pair(desk.tenant, pair_id, lambda pair: _reanchor(desk, pair, editor))
            counts["stale" if after.state is PairState.STALE else "kept"] += 1
    return counts


def _reanchor(desk: Desk, pair: Pair, editor: Editor) -> IndexedPair:
    looked = [_look_again(desk, one) for one in pair.evidence]
    reasons = [reason for _, reason in looked if reason]
    moved = pair.model_copy(update={"evidence": tuple(evidence for evidence, _ in looked)})
    if reasons and pair.state in {PairState.CANDIDATE, PairState.APPROVED}:
        reason = "; ".join(dict.fromkeys(reasons))
        # What was accepted was accepted of the former text.
        moved = _move(moved, PairState.STALE, reason, editor.note("stale", reason))
        moved = moved.model_copy(update={"accepted": ()})
    return desk.index(moved)


def _look_again(desk: Desk, evidence: Evidence) -> tuple[Evidence, str]:
    """The evidence as of now, and why a person must look, if so."""
    document = desk.read_document(evidence.document_id)
    gone = {"start": None, "end": None}
    if document is None:
        return evidence.model_copy(update=gone | {"version_id": None, "now": None}), "a document it quotes is gone"
    known = {"version_id": document.version_id, "groups": document.groups}
    found = locate_evidence(document, evidence.quote, near=evidence.start)
    if found is None:
        now = find_nearest(document.text, evidence.quote)
        reason = f"{document.title} says it otherwise now" if now else f"{document.title} does not say it any more"
        return evidence.model_copy(update=gone | known | {"now": now}), reason
    kept = {"start": found.start, "end": found.end, "quote": found.quote, "now": None}
    narrowed = _is_narrower(document.groups, evidence.groups)
    reason = f"fewer people may read {document.title} now" if narrowed else ""
    return evidence.model_copy(update=kept | known), reason


def _is_narrower(now: Sequence[str], before: Sequence[str]) -> bool:
    """Whether somebody who could read it cannot any more."""
    if not before or EVERYONE in now:
        return False
    return EVERYONE in before or intersect_readers([now, before]) != tuple(sorted(set(before)))
