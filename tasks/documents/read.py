"""From listed files to readings: fetch, hash, decide, partition, chunk."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from tasks.document_ports import (
    NEEDS,
    Candidate,
    Manifest,
    NewVersion,
    Partitioner,
    PartitionJob,
    PartitionOutcome,
    Reading,
    Source,
)
from tasks.documents.chunk import chunk_document, embedded_text
from tasks.documents.manifest import Decision, decide, failed_outcome, read_outcome
from tasks.errors import BackendUnavailable, DocumentRejected
from tasks.file_names import read_file_name
from tasks.language import detect_language
from tasks.models import (
    ChunkedDocument,
    Element,
    PartitionedDocument,
    PartProblem,
    Problem,
    Run,
    derive_version_id,
    hash_text,
)
from tasks.ports import TokenCounter

logger = logging.getLogger(__name__)

COPY_BYTES = 1 << 20
RECORD_SUFFIX = ".record"


class ChunkPlan(NamedTuple):
    """How one pipeline cuts documents."""

    fingerprint: str
    counter: TokenCounter
    max_tokens: int


class Fetched(NamedTuple):
    """A candidate whose bytes are on local disk."""

    candidate: Candidate
    file: Path
    content_hash: str
    reprocess: bool


class DocumentReader:
    """Reads the candidates of one run.

    Args:
        run: The run, whose pipeline is the newest of `plans`.
        source: Opens the documents.
        manifest: Finds renames.
        partitioner: Turns files into elements.
        plans: One plan a collection that must be kept up: the serving one and, while another is being built, that too.
        scratch: An existing folder for the bytes of a batch.
        max_bytes: Larger documents are rejected, also where the listing could not tell.
    """

    def __init__(
        self,
        run: Run,
        *,
        source: Source,
        manifest: Manifest,
        partitioner: Partitioner,
        plans: Sequence[ChunkPlan],
        scratch: Path,
        max_bytes: int,
    ) -> None:
        self._run = run
        self._source = source
        self._manifest = manifest
        self._partitioner = partitioner
        self._plans = plans
        self._scratch = scratch
        self._max_bytes = max_bytes
        self._claimed: set[str] = set()

    def read_documents(self, candidates: Sequence[Candidate]) -> Iterator[Reading]:
        """One reading a candidate, as they come; bytes on disk at one time are those of the files in work."""
        waiting: dict[str, Fetched] = {}
        settled: list[Reading] = []

        def jobs() -> Iterator[PartitionJob]:
            for candidate in candidates:
                found = self._look_at(candidate)
                if isinstance(found, Reading):
                    settled.append(found)
                    continue
                if candidate.listed.file_name.endswith(RECORD_SUFFIX):
                    settled.append(self._make_reading(found, _read_record(found)))
                    continue
                waiting[candidate.document_id] = found
                listed = candidate.listed
                yield PartitionJob(candidate.document_id, found.file, listed.file_name, listed.language)

        for outcome in self._partitioner.partition_documents(jobs()):
            yield self._make_reading(waiting.pop(outcome.key), outcome)
        yield from settled

    def _look_at(self, candidate: Candidate) -> Reading | Fetched:
        if candidate.listed.problem:
            return _failed(candidate, None, candidate.listed.problem)
        try:
            file, content_hash = self._fetch(candidate)
        except DocumentRejected as error:
            return _failed(candidate, None, _problem(error))
        decision = decide(
            candidate.known,
            content_hash,
            fingerprint=self._run.fingerprint,
            capabilities=self._partitioner.capabilities,
        )
        settled = self._settle(candidate, content_hash, decision)
        if settled is None:
            return Fetched(candidate, file, content_hash, decision is Decision.REPROCESS)
        file.unlink()
        return settled

    def _settle(self, candidate: Candidate, content_hash: str, decision: Decision) -> Reading | None:
        if decision is Decision.KEEP:
            return Reading(candidate.document_id, "unchanged", content_hash)
        if decision is Decision.RESTORE:
            return Reading(candidate.document_id, "changed", content_hash)
        if decision is Decision.STILL_UNREADABLE:
            return Reading(candidate.document_id, failed_outcome(candidate.known), content_hash)
        if decision is Decision.READ and read_outcome(candidate.known) == "new":
            return self._take_over_renamed(candidate, content_hash)
        return None

    def _take_over_renamed(self, candidate: Candidate, content_hash: str) -> Reading | None:
        found = self._manifest.find_renamed(self._run, content_hash, claimed=self._claimed)
        if found is None:
            return None
        former, version_id = found
        self._claimed.add(former)
        copy = self._manifest.copy_version(version_id, document_id=candidate.document_id, listed=candidate.listed)
        logger.info("document renamed from=%s to=%s", former, candidate.document_id)
        return Reading(candidate.document_id, "renamed", content_hash, versions=(copy,), renamed_from=former)

    def _fetch(self, candidate: Candidate) -> tuple[Path, str]:
        suffix = PurePosixPath(candidate.listed.file_name).suffix[:16]
        file = self._scratch / f"{candidate.document_id}{suffix if suffix.isascii() else ''}"
        with self._source.open_document(candidate.listed.path) as stream:
            return file, _copy_and_hash(stream, file, self._max_bytes)

    def _make_reading(self, fetched: Fetched, outcome: PartitionOutcome) -> Reading:
        candidate = fetched.candidate
        fetched.file.unlink(missing_ok=True)
        if outcome.document is None:
            assert outcome.problem is not None
            if fetched.reprocess and self._is_completion(candidate):
                # With one program more it cannot be read: what could be read without it still holds.
                tried = PartProblem(part=UNREAD_BEFORE, problem=outcome.problem)
                unchanged = Reading(candidate.document_id, "unchanged", fetched.content_hash, reprocess=True)
                return unchanged._replace(part_problems=(tried,))
            return _failed(candidate, fetched.content_hash, outcome.problem)
        written = tuple(self._make_version(fetched, outcome.document, plan) for plan in self._choose_plans(fetched))
        if not written[0].document.text.strip() and not outcome.document.may_be_empty:
            return _failed(candidate, fetched.content_hash, NO_TEXT)
        return Reading(
            candidate.document_id,
            "unchanged" if fetched.reprocess else read_outcome(candidate.known),
            fetched.content_hash,
            part_problems=outcome.document.problems,
            versions=written,
            reprocess=fetched.reprocess,
        )

    def _is_completion(self, candidate: Candidate) -> bool:
        """Whether this pipeline has read it before: it is read again for the parts that it left out."""
        known = candidate.known
        return known is not None and known.state != "outdated" and known.read_fingerprint == self._run.fingerprint

    def _choose_plans(self, fetched: Fetched) -> Sequence[ChunkPlan]:
        """The run's own for content that the others have read; all where another run has given up its collection."""
        own = [plan for plan in self._plans if plan.fingerprint == self._run.fingerprint]
        return own if fetched.reprocess and own else self._plans

    def _make_version(self, fetched: Fetched, document: PartitionedDocument, plan: ChunkPlan) -> NewVersion:
        candidate, listed = fetched.candidate, fetched.candidate.listed
        chunked = chunk_document(
            document,
            counter=plan.counter,
            max_tokens=plan.max_tokens,
            fallback_title=listed.title or read_file_name(listed.file_name),
            language=listed.language,
            detect_language=detect_language,
        )
        reasons = {one.problem.reason for one in document.problems}
        wants = " ".join(sorted(reason for reason in reasons if reason.startswith(NEEDS)))
        return NewVersion(
            version_id=derive_version_id(candidate.document_id, fetched.content_hash, plan.fingerprint, wants),
            document_id=candidate.document_id,
            content_hash=fetched.content_hash,
            fingerprint=plan.fingerprint,
            document=chunked,
            document_type=PurePosixPath(listed.file_name).suffix.lstrip(".").lower()[:32],
            modified=listed.modified,
            groups=tuple(sorted(set(listed.groups))),
            embedding_keys=embedding_keys(chunked),
            wants=wants,
        )


UNREAD_BEFORE = "what was not read before"
NO_TEXT = Problem(
    reason="no-text",
    message="the file is not empty, but no text was found in it",
    advice="if it holds scanned pages, install tesseract (make system-packages) and ingest again",
)


def embedding_keys(document: ChunkedDocument) -> tuple[str, ...]:
    """sha256 of what is embedded of each chunk."""
    return tuple(hash_text(embedded_text(document.title, chunk)) for chunk in document.chunks)


def _read_record(fetched: Fetched) -> PartitionOutcome:
    """A table's row or a record: first line the title, an empty line, then the text."""
    title, _, text = fetched.file.read_text(encoding="utf-8").partition("\n\n")
    elements = (Element(element_id="0", kind="text", text=text),) if text.strip() else ()
    document = PartitionedDocument(elements=elements, title=title.strip() or None, may_be_empty=True)
    return PartitionOutcome(fetched.candidate.document_id, document, None)


def _copy_and_hash(stream: BinaryIO, file: Path, max_bytes: int) -> str:
    try:
        return _copy_stream(stream, file, max_bytes)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise BackendUnavailable(
            f"cannot copy a document to {file.parent}: {error.strerror}",
            advice="make room on the disk that holds EXPERTLOOP_HOME, then run again",
        ) from error


def _copy_stream(stream: BinaryIO, file: Path, max_bytes: int) -> str:
    digest, copied = hashlib.sha256(), 0
    with file.open("wb") as copy:
        while block := stream.read(COPY_BYTES):
            copied += len(block)
            if copied > max_bytes:
                raise DocumentRejected(
                    f"the document is larger than {max_bytes / 1e6:.0f} MB",
                    reason="too-large",
                    advice="exclude it by a glob, or raise EXPERTLOOP_MAX_FILE_MB",
                )
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()


def _failed(candidate: Candidate, content_hash: str | None, problem: Problem) -> Reading:
    return Reading(candidate.document_id, failed_outcome(candidate.known), content_hash, problem=problem)


def _problem(error: DocumentRejected) -> Problem:
    return Problem(reason=error.reason, message=error.message, advice=error.advice)
