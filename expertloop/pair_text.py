"""How a pair looks: for a person, with its quotes marked in the document, and for a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from expertloop.output import console, escape
from tasks.curation.anchors import mark_changes
from tasks.curation_models import CitedDocument, Evidence, Pair

_AROUND = 160
STATE_STYLES = {"approved": "green", "candidate": "cyan", "stale": "yellow", "rejected": "red"}

DocumentReader = Callable[[str], CitedDocument | None]


def pair_record(pair: Pair) -> dict[str, Any]:
    """What --json prints."""
    record = pair.model_dump(mode="json", exclude={"tenant", "evidence"})
    shown = {"document_id", "uri", "title", "quote", "start", "end", "proposed", "now"}
    return record | {"evidence": [one.model_dump(mode="json", include=shown) for one in pair.evidence]}


def print_pair(pair: Pair, read_document: DocumentReader) -> None:
    """Question, answer, evidence with the quote highlighted, findings."""
    style = STATE_STYLES[pair.state]
    readers = " ".join(pair.readers) or "nobody: it is never trained"
    console.print(
        f"[{style}]{pair.state}[/] {pair.pair_id[:8]} · {pair.language} · {pair.origin} by {escape(pair.author)}"
    )
    console.print(f"[dim]readers: {escape(readers)}[/]")
    console.print(f"[bold]Q[/] {escape(pair.question)}")
    console.print(f"[bold]A[/] {escape(pair.answer)}")
    for evidence in pair.evidence:
        _print_evidence(evidence, read_document(evidence.document_id))
    if pair.reason:
        console.print(f"[{style}]{pair.state}:[/] {escape(pair.reason)}")
    for finding in pair.findings:
        seen = " (accepted)" if finding not in pair.open_findings else ""
        console.print(f"[yellow]{finding.code}[/]{seen}: {escape(finding.message)}")
        console.print(f"    [dim]{escape(finding.advice)}[/]")


def _print_evidence(evidence: Evidence, document: CitedDocument | None) -> None:
    proposed = " (proposed)" if evidence.proposed else ""
    console.print(f"[dim]{escape(evidence.title or 'a document that is gone')}{proposed}  {escape(evidence.uri)}[/]")
    if document is None or evidence.start is None or evidence.end is None:
        now = escape(mark_changes(evidence.quote, evidence.now or ""))
        console.print(f"  [red]not there any more:[/] {now}")
        return
    before = document.text[max(0, evidence.start - _AROUND) : evidence.start]
    after = document.text[evidence.end : evidence.end + _AROUND]
    quote = escape(document.text[evidence.start : evidence.end])
    console.print(f"  …{escape(before)}[black on yellow]{quote}[/]{escape(after)}…")
