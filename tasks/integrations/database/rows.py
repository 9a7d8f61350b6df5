"""Rows to nouns and back: the one place that knows both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.document_ports import NewVersion
from tasks.models import Chunk, ListedDocument, PartProblem, Problem, Run, derive_chunk_id


def listing_row(run: Run, document_id: str, document: ListedDocument) -> dict[str, Any]:
    """A line of a listing, undecided."""
    return {
        "run_id": run.run_id,
        "document_id": document_id,
        "path": document.path,
        "uri": document.uri,
        "file_name": document.file_name,
        "size_bytes": document.size_bytes,
        "modified": document.modified,
        "etag": document.etag,
        "title": document.title,
        "groups": sorted(set(document.groups)),
        "language": document.language,
        "problem": document.problem.model_dump() if document.problem else None,
        "reprocess": False,
    }


def listed_document(row: Mapping[str, Any]) -> ListedDocument:
    """The listed document back from its row."""
    return ListedDocument(
        path=row["path"],
        uri=row["uri"],
        file_name=row["file_name"],
        size_bytes=row["size_bytes"],
        modified=row["modified"],
        etag=row["etag"],
        title=row["title"],
        groups=tuple(row["groups"]),
        language=row["language"],
        problem=Problem(**row["problem"]) if row["problem"] else None,
    )


def version_row(run: Run, version: NewVersion) -> dict[str, Any]:
    """A version that is being written; `created_at` is added by the caller."""
    return {
        "version_id": version.version_id,
        "document_id": version.document_id,
        "tenant": run.tenant,
        "source": run.source,
        "content_hash": version.content_hash,
        "fingerprint": version.fingerprint,
        "state": "writing",
        "title": version.document.title,
        "language": version.document.language,
        "text": version.document.text,
        "modified": version.modified,
        "groups": list(version.groups),
        "document_type": version.document_type,
        "chunk_count": len(version.document.chunks),
        "copied_from": version.copied_from,
        "wants": version.wants or None,
        "definition_rules": None,  # a text that is written again is looked through again
        "summary_rules": None,
    }


def chunk_rows(version: NewVersion) -> list[dict[str, Any]]:
    """The chunks of a version with their derived ids."""
    return [
        {
            "chunk_id": derive_chunk_id(
                version.document_id, version.content_hash, version.fingerprint, chunk.position, version.wants
            ),
            "version_id": version.version_id,
            "embedding_key": key,
            **chunk.model_dump(mode="json"),
        }
        for chunk, key in zip(version.document.chunks, version.embedding_keys, strict=True)
    ]


def chunk_from_row(row: Mapping[str, Any]) -> Chunk:
    """The chunk back from its row."""
    return Chunk.model_construct(
        position=row["position"],
        start=row["start"],
        end=row["end"],
        text=row["text"],
        repeated_header=row["repeated_header"],
        heading_path=tuple(row["heading_path"]),
        part=row["part"],
        page=row["page"],
        language=row["language"],
        kind=row["kind"],
        element_ids=tuple(row["element_ids"]),
    )


def part_problem_rows(problems: tuple[PartProblem, ...]) -> list[dict[str, Any]] | None:
    """Unreadable parts as JSON, or None."""
    return [problem.model_dump() for problem in problems] or None
