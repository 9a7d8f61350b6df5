"""The `MarkStore` and `ErasureLog` ports, and how a subject is found before it is erased."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.erasure_models import Certificate, DatasetMark, ErasedDocument, Subject
from tasks.errors import ConfigurationError
from tasks.integrations.database.curation_schema import dataset_pairs, datasets, pair_evidence, pairs
from tasks.integrations.database.engine import Database, insert_new, list_batches
from tasks.integrations.database.erasure_schema import dataset_marks, erasures
from tasks.integrations.database.locks import lock_name
from tasks.integrations.database.schema import documents, versions


class DatabaseErasures:
    """Certificates, marks, and what a name means."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_document(self, tenant: str, name: str) -> Subject:
        """The document of an id, uri, path, file name or title, in whatever state, with what it was renamed from.

        Raises:
            ConfigurationError: There is none, or more than one.
        """
        with self._database.read() as connection:
            found = _find_documents(connection, tenant, name)
            if len(found) != 1:
                problem = f"{len(found)} documents are called" if found else "no document is called"
                raise ConfigurationError(
                    f"{problem} {name!r}", advice="give its id, as `expertloop documents --json` shows it"
                )
            ids = _find_former(connection, found)
            # A former name that lives again is a document of its own; `find_copies` tells of it.
            gone = sa.or_(documents.c.document_id.in_(found), documents.c.live_version_id.is_(None))
            rows = connection.execute(sa.select(documents).where(documents.c.document_id.in_(ids), gone)).all()
            ids = sorted(row.document_id for row in rows)
            hashes = _find_hashes(connection, ids)
            about = tuple(
                ErasedDocument(
                    document_id=row.document_id,
                    source=row.source,
                    uri=row.uri,
                    content_hashes=hashes.get(row.document_id, ()),
                )
                for row in sorted(rows, key=lambda row: (row.document_id not in found, row.document_id))
            )
            resting = sa.select(pair_evidence.c.pair_id).where(pair_evidence.c.document_id.in_(ids)).distinct()
            pair_ids = connection.execute(resting.order_by(pair_evidence.c.pair_id)).scalars()
            return Subject(kind="document", tenant=tenant, name=name, documents=about, pair_ids=tuple(pair_ids))

    def find_author(self, tenant: str, name: str) -> Subject:
        """A person's pairs; those of a former erasure that was killed, too. There may be none."""
        subject = Subject(kind="author", tenant=tenant, name=name)
        theirs = (
            sa.select(pairs.c.pair_id)
            .where(pairs.c.tenant == tenant, pairs.c.author.in_((name, subject.pseudonym)))
            .order_by(pairs.c.pair_id)
        )
        with self._database.read() as connection:
            return subject.model_copy(update={"pair_ids": tuple(connection.execute(theirs).scalars())})

    def find_copies(self, subject: Subject) -> list[str]:
        """Uris of other documents with the very bytes of an erased one."""
        hashes = {one for document in subject.documents for one in document.content_hashes}
        query = (
            sa.select(documents.c.uri)
            .where(documents.c.tenant == subject.tenant, documents.c.content_hash.in_(hashes))
            .where(documents.c.document_id.not_in(subject.document_ids), documents.c.live_version_id.is_not(None))
            .order_by(documents.c.uri)
        )
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def find_datasets(self, pair_ids: Sequence[str]) -> set[str]:
        """Datasets that any of the pairs is in."""
        found: set[str] = set()
        with self._database.read() as connection:
            for batch in list_batches(pair_ids):
                query = sa.select(dataset_pairs.c.dataset_id).where(dataset_pairs.c.pair_id.in_(batch)).distinct()
                found |= set(connection.execute(query).scalars())
        return found

    def rewrite_dataset(self, dataset_id: str, manifest: Mapping[str, Any]) -> None:
        """Its files were written anew: what lists show follows them."""
        change = sa.update(datasets).where(datasets.c.dataset_id == dataset_id)
        with self._database.write() as connection:
            connection.execute(change.values(manifest=dict(manifest), counts=manifest["counts"]))

    def list_members(self, dataset_id: str) -> list[str]:
        """pair_ids of a dataset, those that are only examined left out."""
        query = sa.select(dataset_pairs.c.pair_id).where(
            dataset_pairs.c.dataset_id == dataset_id, dataset_pairs.c.split != "test"
        )
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(dataset_pairs.c.pair_id)).scalars())

    def mark_datasets(self, tenant: str, marks: Sequence[DatasetMark], at: datetime) -> None:
        """Keep marks; a dataset that has one of the kind keeps its first.

        A promotion is either seen by who marked, or sees the mark.
        """
        with self._database.write() as connection:
            lock_name(connection, "champions")
            _write_marks(connection, tenant, marks, at)

    def replace_narrowed(self, tenant: str, marks: Sequence[DatasetMark], at: datetime) -> None:
        """Let these be the only marks of kind "narrowed"."""
        others = dataset_marks.c.dataset_id.not_in([mark.dataset_id for mark in marks])
        narrowed = sa.and_(dataset_marks.c.tenant == tenant, dataset_marks.c.kind == "narrowed")
        with self._database.write() as connection:
            lock_name(connection, "champions")
            connection.execute(sa.delete(dataset_marks).where(narrowed, others))
            _write_marks(connection, tenant, marks, at)

    def list_marks(self, tenant: str) -> dict[str, DatasetMark]:
        """By dataset_id; "erased" wins over "narrowed"."""
        query = (
            sa.select(dataset_marks.c.dataset_id, dataset_marks.c.kind, dataset_marks.c.reason)
            .where(dataset_marks.c.tenant == tenant)
            .order_by(dataset_marks.c.kind.desc())
        )
        with self._database.read() as connection:
            return {row.dataset_id: DatasetMark(*row) for row in connection.execute(query)}

    def add_certificate(self, certificate: Certificate) -> None:
        """Keep one."""
        row = {
            "certificate_id": certificate.certificate_id,
            "tenant": certificate.tenant,
            "at": certificate.at,
            "certificate": certificate.model_dump(mode="json"),
        }
        with self._database.write() as connection:
            insert_new(connection, erasures, row)

    def list_certificates(self, tenant: str) -> list[Certificate]:
        """Every one of the tenant, oldest first."""
        query = sa.select(erasures.c.certificate).where(erasures.c.tenant == tenant)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(erasures.c.at, erasures.c.certificate_id)).scalars()
            return [Certificate.model_validate(row) for row in rows]


def _write_marks(connection: Connection, tenant: str, marks: Sequence[DatasetMark], at: datetime) -> None:
    for mark in marks:
        insert_new(connection, dataset_marks, {**mark._asdict(), "tenant": tenant, "marked_at": at})


def _find_documents(connection: Connection, tenant: str, name: str) -> list[str]:
    """By the strictest kind of name that finds any."""
    live = sa.select(versions.c.version_id).where(versions.c.title == name, versions.c.state == "ready")
    for condition in (
        documents.c.document_id == name,
        sa.or_(documents.c.uri == name, documents.c.path == name),
        documents.c.file_name == name,
        documents.c.live_version_id.in_(live),
    ):
        query = sa.select(documents.c.document_id).where(documents.c.tenant == tenant, condition)
        if found := list(connection.execute(query.order_by(documents.c.document_id)).scalars()):
            return found
    return []


def _find_former(connection: Connection, document_ids: Collection[str]) -> list[str]:
    """The documents, and those whose versions theirs were copied from when they were renamed."""
    known: set[str] = set()
    wanted = set(document_ids)
    former = sa.alias(versions)
    while wanted - known:
        fresh, known = wanted - known, known | wanted
        query = (
            sa.select(former.c.document_id)
            .join(versions, versions.c.copied_from == former.c.version_id)
            .where(versions.c.document_id.in_(fresh))
        )
        wanted = set(connection.execute(query).scalars())
    return sorted(known)


def _find_hashes(connection: Connection, document_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    query = (
        sa.select(versions.c.document_id, versions.c.content_hash)
        .where(versions.c.document_id.in_(document_ids))
        .order_by(versions.c.created_at)
    )
    found: dict[str, tuple[str, ...]] = {}
    for document_id, content_hash in connection.execute(query):
        found[document_id] = tuple(dict.fromkeys((*found.get(document_id, ()), content_hash)))
    return found
