"""The nouns of access: who asks, with which key, what was shown, and what is said of it."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tasks.answer_models import Answer
from tasks.models import EVERYONE, Noun


class Role(StrEnum):
    """What a person may do beyond asking; every role may ask."""

    READER = "reader"
    CURATOR = "curator"
    APPROVER = "approver"
    ADMIN = "admin"


MAX_PRINCIPAL_CHARACTERS = 200


def check_principal(name: str) -> str:
    """The name itself, when it can stand for one user or group.

    Raises:
        ValueError: It is empty, too long, unprintable, or would be taken for everyone.
    """
    if not name.strip() or name != name.strip() or len(name) > MAX_PRINCIPAL_CHARACTERS or not name.isprintable():
        raise ValueError(
            f"a principal has 1 to {MAX_PRINCIPAL_CHARACTERS} printable characters, with no space at its ends"
        )
    if unicodedata.normalize("NFKC", name).casefold() == EVERYONE:
        raise ValueError(f"no principal can be named {EVERYONE!r}: it means every asker")
    return name


PrincipalName = Annotated[str, AfterValidator(check_principal)]
"""The name of one user or group, never that of everyone."""


class Caller(Noun):
    """Who sends a request, once that was proven by a key or a token."""

    principal: PrincipalName
    groups: tuple[PrincipalName, ...] = ()
    role: Role = Role.READER
    tenant: str
    key_id: str = Field(description="of the key, or a name for the token's bearer; shown in logs, no secret")

    @property
    def principals(self) -> frozenset[str]:
        """Everything it reads as: everyone, itself, its groups."""
        return frozenset({EVERYONE, self.principal, *self.groups})


class ApiKey(Noun):
    """A key as lists show it: everything but its secret, which nobody can show again."""

    key_id: str
    tenant: str
    principal: PrincipalName
    groups: tuple[PrincipalName, ...] = ()
    role: Role
    created_at: datetime
    revoked_at: datetime | None = None

    @property
    def caller(self) -> Caller:
        """Who asks with it."""
        return Caller(
            principal=self.principal, groups=self.groups, role=self.role, tenant=self.tenant, key_id=self.key_id
        )


class ReadableDocument(Noun):
    """A live document that one asker may read, with what its page shows."""

    document_id: str
    uri: str
    title: str
    source: str
    tenant: str
    path: str
    document_type: str
    language: str
    text: str
    content_hash: str = Field(description="sha256 of the bytes that the text was read from")
    modified: datetime | None
    outdated: bool


class Verdict(StrEnum):
    """What a reader says of an answer."""

    GOOD = "good"
    WRONG = "wrong"
    CORRECTED = "corrected"


class AuditEntry(Noun):
    """Who asked what when, and which documents were shown; the question is a hash here."""

    request_id: str
    action: Literal["answer", "search", "document"]
    tenant: str
    principal: str
    key_id: str
    at: datetime
    question_hash: str | None = Field(default=None, description="sha256 of the question; None for a document's page")
    document_ids: tuple[str, ...] = ()
    mode: str | None = None
    reason: str | None = None


class ServedAnswer(Noun):
    """An answer that was given to a caller: what feedback speaks of, and what curation starts from."""

    answer_id: str
    tenant: str
    principal: str
    principals: tuple[str, ...] = Field(description="everything the asker read as")
    at: datetime
    answer: Answer


class Feedback(Noun):
    """A reader's verdict on an answer that was given to that reader."""

    answer_id: str
    tenant: str
    principal: str
    verdict: Verdict
    text: str | None = Field(default=None, description="the right answer, or what is wrong")
    at: datetime
