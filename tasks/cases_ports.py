"""What the cases room needs of others: answers, a place to keep cases, a way out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from tasks.answer_models import Answer, Question
from tasks.case_models import (
    Case,
    CaseState,
    Decision,
    DecisionCount,
    HandledCase,
    MessageKind,
    Outcome,
    OutgoingMessage,
)


class AnswerQuestions(Protocol):
    """Answers questions in their order, each as its asker."""

    def __call__(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer a question."""


class FieldReader(Protocol):
    """A model that fills a form: a JSON schema constrains what it may say."""

    def read_fields(self, texts: Sequence[str], schema: dict[str, Any]) -> list[dict[str, Any]]:
        """One object a text; what the text does not say is left out or null."""


class CaseStore(Protocol):
    """Cases, their trail and their messages."""

    def receive_cases(self, cases: Sequence[Case], now: datetime) -> None:
        """Keep them, waiting; those that are known stay as they are."""

    def read_cases(self, case_ids: Sequence[str]) -> dict[str, HandledCase]:
        """Known ones by case_id."""

    def finish_cases(
        self, done: Sequence[tuple[Case, Outcome]], messages: Sequence[OutgoingMessage], now: datetime
    ) -> None:
        """One commit: outcomes of cases that still wait, and the messages of exactly those."""

    def note_waiting(self, case_ids: Sequence[str], note: str, now: datetime) -> None:
        """Say why cases still wait."""

    def list_waiting(self, tenant: str, process: str | None, limit: int) -> list[Case]:
        """The oldest that wait, in the order in which they came."""

    def list_cases(
        self, tenant: str, *, states: Sequence[CaseState] = (), decisions: Sequence[Decision] = (), limit: int = 100
    ) -> list[HandledCase]:
        """The newest first."""

    def count_decisions(self, tenant: str, process: str, since: datetime) -> list[DecisionCount]:
        """Of cases that came since then, in the order of the decisions' names."""

    def find_case(self, tenant: str, name: str) -> HandledCase:
        """The one of a case_id, of its unique beginning, or of the sender's id.

        Raises:
            ConfigurationError: There is none, or more than one.
        """

    def close_case(self, case_id: str, note: str, messages: Sequence[OutgoingMessage], now: datetime) -> None:
        """Closed by a person; its undelivered messages are replaced by these."""


class Outbox(Protocol):
    """Messages that still have to leave."""

    def list_due(self, tenant: str, kinds: Sequence[MessageKind], now: datetime, limit: int) -> list[OutgoingMessage]:
        """Undelivered ones whose time has come and before which none of its customer has to wait; the oldest first."""

    def mark_delivered(self, message_id: str, now: datetime) -> None:
        """It left."""

    def postpone(self, message_id: str, until: datetime, problem: str) -> None:
        """It did not; try again then."""

    def count_waiting(self, tenant: str, kinds: Sequence[MessageKind]) -> int:
        """How many still have to leave."""


class Deliverer(Protocol):
    """One way out."""

    @property
    def kinds(self) -> tuple[MessageKind, ...]:
        """What it may carry: drafts never go where customers read."""

    def deliver(self, message: OutgoingMessage) -> None:
        """Hand it over; the same `message_id` again is the same message to the receiver.

        Raises:
            BackendUnavailable, RateLimited: Not now.
            ConfigurationError: Not this way.
        """


class CaseSource(Protocol):
    """Where cases come from, streamed."""

    def read_cases(self) -> Iterator[Case]:
        """In the order in which they came."""

    def confirm_cases(self, cases: Sequence[Case]) -> None:
        """They are kept in the database from now on: they need not be given again."""


class Mailbox(Protocol):
    """A folder of mails on somebody's server."""

    def read_mails(self) -> Iterator[tuple[str, bytes]]:
        """What nobody has seen, the oldest first, each with the name that the server knows it by.

        Raises:
            BackendUnavailable: The server does not answer.
            ConfigurationError: It refuses the user or has no such folder.
        """

    def mark_seen(self, names: Sequence[str]) -> None:
        """They are not read again."""
