"""From rows of a file to pairs in the database: a batch at a time, so that a file of any length fits into memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Literal, NamedTuple

from tasks.answer_models import Question
from tasks.curation.anchors import find_nearest, locate_quote
from tasks.curation.checks import shorten
from tasks.curation.desk import Desk
from tasks.curation.rows import Draft, Fault, Quoted, read_draft
from tasks.curation_models import (
    CitedDocument,
    Evidence,
    Finding,
    HistoryEntry,
    ImportSummary,
    Origin,
    Pair,
    PairState,
    ReportLine,
    derive_pair_id,
    intersect_readers,
)
from tasks.curation_ports import IndexedPair, RawRow
from tasks.language import UNDETERMINED, detect_language
from tasks.ports import Vectors

logger = logging.getLogger(__name__)

BATCH_ROWS = 200
_FOUND = 5
_CODE_TOO_LONG = ("question-too-long", "answer-too-long")


class ImportOptions(NamedTuple):
    """Who imports, and how much is done."""

    author: str
    now: datetime
    mapping: Mapping[str, str]
    origin: Origin = Origin.IMPORT
    action: str = "import"
    detail: str = ""
    """Where they come from, for their history."""
    embedded_rows: int = 5_000
    """Most rows compared by meaning, too; letters alone compare the rest until the snapshot."""


class Progress(NamedTuple):
    """After a batch: counts so far, and the lines to report of it."""

    summary: ImportSummary
    lines: list[ReportLine]
    pairs: list[Pair]


class Importer:
    """Takes rows into a tenant's pairs; the same rows again change nothing."""

    def __init__(self, desk: Desk, options: ImportOptions) -> None:
        self._desk = desk
        self._options = options
        self._counts = dict.fromkeys(ImportSummary.model_fields, 0)
        self._lines: list[ReportLine] = []

    def import_rows(self, rows: Iterable[RawRow]) -> Iterator[Progress]:
        """Take a file's rows; yields after every batch, which is one commit."""
        iterator = iter(rows)
        while batch := list(islice(iterator, BATCH_ROWS)):
            drafts = [read_draft(row, self._options.mapping) for row in batch]
            yield self.import_drafts(drafts)

    def import_drafts(self, drafts: Sequence[Draft | Fault]) -> Progress:
        """Take one batch of rows that were read already."""
        self._lines = []
        self._counts["rows"] += len(drafts)
        self._fetch_documents(drafts)
        made: dict[str, tuple[Draft, Pair]] = {}
        for draft in drafts:
            pair = self._make(draft)
            if pair is None:
                continue
            assert isinstance(draft, Draft), "a fault makes no pair"
            if pair.pair_id in made:
                self._report_duplicate(draft, f"row {made[pair.pair_id][0].row}", pair.pair_id)
            else:
                made[pair.pair_id] = (draft, pair)
        new = self._leave_known(made)
        stored = self._finish(new)
        self._desk.ports.pairs.write_pairs(stored)
        self._desk.remember(stored)
        logger.info("pairs imported rows=%s imported=%s", self._counts["rows"], self._counts["imported"])
        return Progress(ImportSummary(**self._counts), self._lines, [one.pair for one in stored])

    def _fetch_documents(self, drafts: Sequence[Draft | Fault]) -> None:
        names = (quoted.document for draft in drafts if isinstance(draft, Draft) for quoted in draft.quoted)
        self._desk.library.fetch(id_ for name in names for id_ in self._desk.find_documents(name))

    # --- one row ---

    def _make(self, draft: Draft | Fault) -> Pair | None:
        if isinstance(draft, Fault):
            self._reject(draft)
            return None
        evidence: list[Evidence] = []
        for quoted in draft.quoted:
            found = self._anchor(draft.row, quoted)
            if isinstance(found, Fault):
                self._reject(found)
                return None
            evidence += [found] if found else []
        author = draft.author or self._options.author
        tenant = self._desk.tenant
        entry = HistoryEntry(
            at=self._options.now, author=self._options.author, action=self._options.action, detail=self._options.detail
        )
        return Pair(
            pair_id=derive_pair_id(tenant, draft.question, draft.answer),
            tenant=tenant,
            question=draft.question,
            answer=draft.answer,
            language=draft.language or _detect(draft),
            origin=self._options.origin,
            author=author,
            state=draft.state,
            groups=draft.groups,
            evidence=tuple(evidence),
            accepted=draft.accepted,
            history=(entry,),
        )

    def _anchor(self, row: int, quoted: Quoted) -> Evidence | Fault | None:
        """The span of a quote, None where only a document is named, which then narrows the search for one."""
        ids = self._desk.find_documents(quoted.document)
        if not ids:
            return Fault(
                row,
                "unknown-document",
                f"no document is called {shorten(quoted.document)!r}",
                "write its file name, title or uri as `expertloop documents` shows it, or ingest it first",
            )
        if not quoted.quote:
            return None
        documents = [document for id_ in ids if (document := self._desk.read_document(id_))]
        for document in documents:
            if evidence := locate_evidence(document, quoted.quote):
                return evidence
        if not documents:
            return None
        nearest = find_nearest(documents[0].text, quoted.quote)
        advice = f"it says: {shorten(nearest)}" if nearest else "copy the sentence from the document"
        return Fault(
            row, "quote-not-found", f"{documents[0].title} does not hold the words {shorten(quoted.quote)!r}", advice
        )

    # --- a batch ---

    def _leave_known(self, made: Mapping[str, tuple[Draft, Pair]]) -> list[tuple[Draft, Pair]]:
        known = self._desk.ports.pairs.find_known(self._desk.tenant, [pair for _, pair in made.values()])
        new = []
        for draft, pair in made.values():
            before = known.get(pair.pair_id)
            if before is None:
                new.append((draft, pair))
            elif before.history and before.history[0].at == self._options.now:
                self._report_duplicate(draft, "an earlier row", before.pair_id)
            else:
                self._counts["unchanged"] += 1
                if fault := _find_ignored(draft, pair, before):
                    self._say(draft.row, "ignored", fault, before.pair_id)
        return new

    def _finish(self, new: Sequence[tuple[Draft, Pair]]) -> list[IndexedPair]:
        """Propose what is not quoted, check, decide the state."""
        pairs = self._propose([pair for _, pair in new])
        vectors = self._embed(pairs)
        stored: list[IndexedPair] = []
        for (draft, _), look in zip(new, self._desk.look_up(pairs, vectors), strict=True):
            checked = self._desk.judge(look, others=stored)
            too_long = next((one for one in checked.pair.findings if one.code in _CODE_TOO_LONG), None)
            if too_long:
                self._reject(Fault(draft.row, too_long.code, too_long.message, too_long.advice))
                continue
            decided = _decide_state(_check_readers(checked.pair))
            self._count(draft, decided)
            stored.append(checked._replace(pair=decided))
        return stored

    def _propose(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Pairs that quote nothing get the best supporting span that the retriever finds."""
        wanting = [pair for pair in pairs if pair.answerable and not pair.evidence]
        if not wanting:
            return list(pairs)
        ports = self._desk.ports
        principals = ports.cited.list_principals(self._desk.tenant)
        questions = [Question(text=one.question, principals=principals, tenant=one.tenant) for one in wanting]
        proposed = {
            pair.pair_id: [_anchor_proposal(self._desk, one) for one in ports.support.propose_evidence(pair, hits)]
            for pair, hits in zip(wanting, ports.searcher.search(questions, limit=_FOUND), strict=True)
        }
        return [
            pair.model_copy(update={"evidence": tuple(proposed.get(pair.pair_id) or pair.evidence)}) for pair in pairs
        ]

    def _embed(self, pairs: Sequence[Pair]) -> Sequence[Vectors | None]:
        if self._counts["embedded"] + len(pairs) > self._options.embedded_rows or not pairs:
            return [None] * len(pairs)
        self._counts["embedded"] += len(pairs)
        return list(self._desk.embed([pair.question for pair in pairs]))

    # --- the report ---

    def _count(self, draft: Draft, pair: Pair) -> None:
        self._counts["imported"] += 1
        self._counts["proposed"] += any(one.proposed for one in pair.evidence)
        self._counts["approved"] += pair.state is PairState.APPROVED
        self._counts["flagged"] += bool(pair.findings)
        for finding in pair.findings:
            self._say(
                draft.row, "flagged", Fault(draft.row, finding.code, finding.message, finding.advice), pair.pair_id
            )

    def _reject(self, fault: Fault) -> None:
        self._counts["rejected"] += 1
        self._say(fault.row, "rejected", fault, None)

    def _report_duplicate(self, draft: Draft, other: str, pair_id: str) -> None:
        self._counts["duplicates"] += 1
        message = f"it has the question and answer of {other}"
        self._say(draft.row, "duplicate", Fault(draft.row, "duplicate", message, "remove one of the two rows"), pair_id)

    def _say(
        self,
        row: int,
        outcome: Literal["rejected", "duplicate", "flagged", "ignored"],
        fault: Fault,
        pair_id: str | None,
    ) -> None:
        line = ReportLine(
            row=row,
            outcome=outcome,
            reason=fault.reason,
            message=fault.message,
            advice=fault.advice,
            pair_id=pair_id,
        )
        self._lines.append(line)


def locate_evidence(document: CitedDocument, quote: str, *, near: int | None = None) -> Evidence | None:
    """The quote as the document has it, None where it has not."""
    span = locate_quote(document.text, quote, near=near)
    if span is None:
        return None
    return Evidence(
        document_id=document.document_id,
        quote=document.text[span.start : span.end],
        start=span.start,
        end=span.end,
        version_id=document.version_id,
        groups=document.groups,
        uri=document.uri,
        title=document.title,
    )


def _anchor_proposal(desk: Desk, proposal: Evidence) -> Evidence:
    """With the document's readers and name of now."""
    document = desk.read_document(proposal.document_id)
    if document is None:
        return proposal
    return proposal.model_copy(
        update={
            "groups": document.groups,
            "uri": document.uri,
            "title": document.title,
            "version_id": document.version_id,
        }
    )


def _find_ignored(draft: Draft, pair: Pair, before: Pair) -> Fault | None:
    """What a row says of a pair that is there and says it otherwise: a row changes no pair."""
    spans, known = ({(one.document_id, one.quote) for one in of.evidence} for of in (pair, before))
    ignored = {
        "rejects it": draft.state is PairState.REJECTED and before.state is not PairState.REJECTED,
        "names other groups": draft.groups is not None and set(draft.groups) != set(before.groups or ()),
        "quotes other words": not spans <= known,
    }
    if not any(ignored.values()):
        return None
    said = " and ".join(what for what, holds in ignored.items() if holds)
    advice = "a row changes no pair that is there: curate reject ID, or curate edit ID"
    return Fault(draft.row, "known", f"the pair is there since an earlier import; the row {said}", advice)


def _check_readers(pair: Pair) -> Pair:
    """A pair that nobody may read is one that nobody may approve, however it comes."""
    if not pair.evidence or intersect_readers(
        [*(one.groups for one in pair.evidence), *([pair.groups] if pair.groups is not None else [])]
    ):
        return pair
    finding = Finding(
        code="no-readers",
        message="nobody may read all documents it quotes",
        advice="quote documents with common readers, correct its groups, or reject it",
        final=True,
    )
    return pair.model_copy(update={"findings": (*pair.findings, finding)})


def _decide_state(pair: Pair) -> Pair:
    """What a file calls approved is approved only if nothing was found; what it calls stale is looked at again."""
    asked = pair.state
    if asked is PairState.REJECTED or (asked is PairState.APPROVED and not pair.open_findings):
        return pair
    return pair.model_copy(update={"state": PairState.CANDIDATE})


def _detect(draft: Draft) -> str:
    found = (detect_language(text) for text in (draft.question, f"{draft.question} {draft.answer}"))
    return next((language for language in found if language != UNDETERMINED), "en")
