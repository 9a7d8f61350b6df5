"""Every error expertloop raises on purpose.

    ProductError                  message: what happened; advice: what to do about it
    ├── TransientError            may go away by itself: retried by Prefect, by nothing else
    │   ├── BackendUnavailable    a database, index, model server or source does not answer
    │   ├── RateLimited           it answers "later" (`retry_after_seconds`)
    │   ├── DeviceBusy            another run holds the device or the source
    │   └── DeadlineExceeded      the time that the asker gave is over
    └── TerminalError             trying again changes nothing
        ├── ConfigurationError    a setting, file or command is wrong
        │   └── KeyReused         a key that stands for one request came with another
        ├── DocumentRejected      one document cannot be read (`reason` is a short code)
        ├── DatasetRejected       curated pairs cannot become a dataset
        ├── TrainingDiverged      loss is not a number
        ├── ArtifactCorrupt       a stored file, index or database is not what was written
        ├── PruneBlocked          a listing shrank so far that deleting needs a person's word
        └── AccessDenied          the principal may not do this

Vendor exceptions are mapped to these once, in `tasks/integrations`. Anything else is a bug and is left alone.
"""

from __future__ import annotations

from typing import Any


class ProductError(Exception):
    """The root; `str(error)` is the message alone.

    Args:
        message: What happened, one line.
        advice: What a person can do about it, one line.
    """

    def __init__(self, message: str, *, advice: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross process borders (partition workers, Prefect); keyword arguments are lost without this.
        return (_rebuild, (type(self), self.message, {"advice": self.advice, **self.details}))


def _rebuild(kind: type[ProductError], message: str, keywords: dict[str, Any]) -> ProductError:
    return kind(message, **keywords)


class TransientError(ProductError):
    """May go away by itself."""


class BackendUnavailable(TransientError):
    """A server, store or source does not answer, or answers with its own failure."""


class RateLimited(TransientError):
    """The other side asks for patience.

    Args:
        retry_after_seconds: How long it asks for; 0 when it did not say.
    """

    def __init__(self, message: str, *, advice: str = "", retry_after_seconds: float = 0.0, **details: Any) -> None:
        super().__init__(message, advice=advice, retry_after_seconds=retry_after_seconds, **details)
        self.retry_after_seconds = retry_after_seconds


class DeviceBusy(TransientError):
    """Another run holds what this one needs."""


class DeadlineExceeded(TransientError):
    """The time that the asker gave is over before the answer is there."""


class TerminalError(ProductError):
    """Trying again changes nothing; the advice says what would."""


class ConfigurationError(TerminalError):
    """A setting, a configuration file or a command is wrong."""


class KeyReused(ConfigurationError):
    """A key that stands for one request came with another."""


class DocumentRejected(TerminalError):
    """One document cannot be read; its neighbours go on.

    Args:
        reason: A short, stable code such as "password-protected"; the message says it in words.
    """

    def __init__(self, message: str, *, reason: str, advice: str = "", **details: Any) -> None:
        super().__init__(message, advice=advice, reason=reason, **details)
        self.reason = reason


class DatasetRejected(TerminalError):
    """Curated pairs or judged answers are too few or unfit for what they are meant for."""


class TrainingDiverged(TerminalError):
    """The loss is not a number any more."""


class ArtifactCorrupt(TerminalError):
    """Something stored is not what was written."""


class PruneBlocked(TerminalError):
    """A listing shrank so far that deleting needs a person's word."""


class AccessDenied(TerminalError):
    """The principal may not do this."""
