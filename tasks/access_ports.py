"""What the server needs of the world: keys, tokens, whole documents, the audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from tasks.access_models import (
    ApiKey,
    AuditEntry,
    Caller,
    Feedback,
    ReadableDocument,
    ServedAnswer,
)
from tasks.answer_models import Answer, Question


class StoredKey(NamedTuple):
    """A key and the sha256 of its secret."""

    key: ApiKey
    secret_hash: str


class KeyFinder(Protocol):
    """Knows API keys; every look-up asks the database, so that a revocation holds from the next request on."""

    def find_key(self, key_id: str) -> StoredKey | None:
        """The key of an id, revoked or not."""


class KeyStore(KeyFinder, Protocol):
    """API keys."""

    def add_key(self, stored: StoredKey) -> None:
        """Keep a new key."""

    def list_keys(self, tenant: str) -> list[ApiKey]:
        """Every key of the tenant, oldest first."""

    def revoke_keys(self, tenant: str, *, key_id: str | None = None, principal: str | None = None) -> list[ApiKey]:
        """Take away one key, or every key of a principal; returns those that were not revoked before."""


class TokenReader(Protocol):
    """Tells who bears a token of an identity provider."""

    def read_caller(self, token: str) -> Caller:
        """The caller that the token proves.

        Raises:
            AccessDenied: It proves nobody: forged, expired, made for others.
            BackendUnavailable: The provider's keys cannot be fetched.
        """


class DocumentReader(Protocol):
    """Whole documents for people who open a citation."""

    def read_document(self, tenant: str, document_id: str, principals: frozenset[str]) -> ReadableDocument | None:
        """The live document, or None where there is none that they may read."""

    def find_page(self, tenant: str, document_id: str, principals: frozenset[str], offset: int) -> int | None:
        """The page of the live text's character, counted from 1, where its format has pages and they may read it."""


class PageRenderer(Protocol):
    """Draws pages of documents that have them."""

    def render_page(self, file: Path, number: int) -> bytes:
        """A PNG of the page, counted from 1.

        Raises:
            DocumentRejected: There is no such page, or it cannot be drawn.
        """


class AuditLog(Protocol):
    """Takes down what the server did for whom."""

    def record(self, entries: Sequence[AuditEntry], answers: Sequence[ServedAnswer] = ()) -> None:
        """Keep them in one commit; the same answer twice is one."""


class QuestionStore(Protocol):
    """Questions that are answered later, with who asked them."""

    def write_question(self, question: Question, *, key: str | None = None) -> str:
        """Store a question; the same one of the same asker has one id, and with a key another one for each key.

        Raises:
            KeyReused: The asker's key stands for another question.
        """

    def find_question(self, question_id: str) -> Question | None:
        """The question of an id."""

    def find_answer(self, answer_id: str) -> Answer | None:
        """The answer of an id."""

    def write_answer(self, question_id: str, answer: Answer) -> str:
        """Store the newest answer to a question; returns its id, which depends on the question alone."""

    def prune(self, before: datetime) -> int:
        """Forget questions that are older, with their answers; returns how many."""


class ServedLog(AuditLog, Protocol):
    """What the server did for whom, and what they said of it."""

    def add_feedback(self, feedback: Feedback) -> bool:
        """Keep a verdict, replacing the same reader's former one; False when that reader got no such answer."""

    def prune(self, before: datetime) -> int:
        """Forget what is older, answers with feedback excepted; returns how many entries."""
