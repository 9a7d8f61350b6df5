"""The nouns of erasure: whose text goes, what was cleaned, what cannot be cleaned from here.

Hashes and derived ids stay: they prove what was erased without saying it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import Field

from tasks.models import Noun, derive_id

SubjectKind = Literal["document", "author"]
MarkKind = Literal["erased", "narrowed"]


class ErasedDocument(Noun):
    """A document as the database knows it when it is erased; kept nowhere."""

    document_id: str
    source: str
    uri: str
    content_hashes: tuple[str, ...] = Field(default=(), description="sha256 of the bytes of each version, oldest first")


class Subject(Noun):
    """What is to be erased: documents, or one person's words."""

    kind: SubjectKind
    tenant: str
    name: str = Field(description="as it was asked for")
    documents: tuple[ErasedDocument, ...] = ()
    pair_ids: tuple[str, ...] = Field(default=(), description="pairs that rest on the documents, or are the author's")

    @property
    def document_ids(self) -> tuple[str, ...]:
        """Of the documents, in their order."""
        return tuple(one.document_id for one in self.documents)

    @property
    def subject_hash(self) -> str:
        """sha256 of the name: whoever knows the name can tell that it is meant."""
        return hashlib.sha256(self.name.encode("utf-8", "replace")).hexdigest()

    @property
    def pseudonym(self) -> str:
        """What stands where the author's name stood."""
        return f"erased-{self.subject_hash[:16]}"


class Cleaned(Noun):
    """What was taken out of one store."""

    store: str
    what: str
    count: int = Field(ge=0)


class NotCovered(Noun):
    """Where text may still be, and what a person does about it."""

    where: str
    how: str


class DatasetMark(NamedTuple):
    """A dataset that must not be trained on any more, and whose adapters must not be promoted."""

    dataset_id: str
    kind: MarkKind
    reason: str


class Certificate(Noun):
    """What one erasure did; it names nobody and quotes nothing."""

    certificate_id: str
    tenant: str
    kind: SubjectKind
    subject_hash: str
    at: datetime
    documents: dict[str, tuple[str, ...]] = Field(description="content hashes by document_id")
    pairs: tuple[str, ...]
    datasets: tuple[str, ...] = Field(description="marked: they held text of the subject")
    adapters: tuple[str, ...] = Field(description="marked: trained on those datasets; weights keep what they learnt")
    cleaned: tuple[Cleaned, ...]
    not_covered: tuple[NotCovered, ...]


def derive_certificate_id(subject: Subject, at: datetime) -> str:
    """One certificate per subject and moment."""
    return derive_id("certificate", subject.tenant, subject.kind, subject.subject_hash, at.isoformat())
