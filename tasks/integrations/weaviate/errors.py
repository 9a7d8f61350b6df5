"""Every error of weaviate-client becomes one of ours, here and nowhere else.

Its classes say little: a query that found no server and one that the server refused are both `WeaviateQueryError`. The
gRPC status that the client replaced is still the error's cause or context, and decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import httpx
from weaviate import exceptions as vendor

from tasks.errors import BackendUnavailable, ConfigurationError, ProductError, RateLimited

UNAVAILABLE_ADVICE = "look whether the Weaviate server runs and can be reached, and what its log says; then run again"
KEY_ADVICE = "set EXPERTLOOP_INDEX_KEY to a key that may read and write the collections whose names begin Expertloop_"
REFUSED_ADVICE = "check EXPERTLOOP_INDEX_URL and the server's version and settings with `expertloop doctor`"

TRANSIENT: frozenset[type[Exception]] = frozenset(
    {
        vendor.BackupCanceledError,
        vendor.BackupFailedError,
        vendor.EmptyResponseError,
        vendor.ExportCanceledError,
        vendor.ExportFailedError,
        vendor.ResponseCannotBeDecodedError,
        vendor.WeaviateBatchFailedToReestablishStreamError,
        vendor.WeaviateBatchStreamError,
        vendor.WeaviateClosedClientError,  # another thread gave the connection up meanwhile; the next call opens one
        vendor.WeaviateConnectionError,
        vendor.WeaviateGRPCUnavailableError,
        vendor.WeaviateRetryError,
        vendor.WeaviateTimeoutError,
        vendor._BatchStreamShutdownError,
    }
)
"""May go away by itself."""

TERMINAL: frozenset[type[Exception]] = frozenset(
    {
        vendor.AdditionalPropertiesError,
        vendor.InvalidDataModelError,
        vendor.ObjectAlreadyExistsError,
        vendor.SchemaValidationError,
        vendor.WeaviateAddInvalidPropertyError,
        vendor.WeaviateAgentsNotInstalledError,
        vendor.WeaviateBaseError,  # none of the others: something the client refuses
        vendor.WeaviateBatchValidationError,
        vendor.WeaviateEmbeddedInvalidVersionError,
        vendor.WeaviateInsertInvalidPropertyError,
        vendor.WeaviateInvalidInputError,
        vendor.WeaviateProtobufIncompatibility,
        vendor.WeaviateUnsupportedFeatureError,
    }
)
"""Trying again changes nothing."""

FORBIDDEN: frozenset[type[Exception]] = frozenset(
    {vendor.AuthenticationFailedError, vendor.InsufficientPermissionsError, vendor.MissingScopeError}
)
"""The key is missing, wrong or too weak."""

BY_CONTENT: frozenset[type[Exception]] = frozenset(
    {
        vendor.UnexpectedStatusCodeError,
        vendor.WeaviateBatchError,
        vendor.WeaviateBatchSendError,
        vendor.WeaviateDeleteManyError,
        vendor.WeaviateInsertManyAllFailedError,
        vendor.WeaviateQueryError,
        vendor.WeaviateStartUpError,
        vendor.WeaviateTenantGetError,
    }
)
"""What they carry says which: an HTTP or gRPC status, or the server's words."""

_TRANSIENT_CODES = {
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
}
_FORBIDDEN_CODES = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}
_TRANSIENT_WORDS = ("memory", "timeout", "deadline", "unavailable", "connection", "leader", "read-only", "shut", "busy")
_SHOWN_CHARACTERS = 200


@contextmanager
def translated(shown: str) -> Iterator[None]:
    """The client's errors, and those of the protocols below it that it lets through, become ours.

    Args:
        shown: The server, as messages name it.
    """
    try:
        yield
    except (vendor.WeaviateBaseError, vendor.WeaviateProtobufIncompatibility) as error:
        raise translate(error, shown) from error
    except vendor._BatchStreamShutdownError as error:
        raise translate(error, shown) from error
    except httpx.HTTPError as error:
        raise give_up(shown, f"does not answer: {type(error).__name__}") from error
    except grpc.RpcError as error:
        raise _from_code(error, shown) from error


def translate(error: Exception, shown: str) -> ProductError:
    """Ours for one of the client's; a class that is not known here is taken for what its parent is."""
    kind = next((kind for kind in type(error).__mro__ if kind in TRANSIENT | TERMINAL | FORBIDDEN | BY_CONTENT), None)
    if kind in FORBIDDEN:
        return _forbid(shown)
    if kind in TRANSIENT:
        lost = isinstance(error, (vendor.WeaviateConnectionError, vendor.WeaviateClosedClientError))
        return give_up(shown, f"does not answer as it should: {type(error).__name__}", lost=lost)
    if kind in BY_CONTENT:
        return _from_content(error, shown)
    return refuse(shown, _one_line(error))


def is_transient_failure(message: str) -> bool:
    """Whether a server that did not take one object may take it later, by what it says of it."""
    return any(word in message.lower() for word in _TRANSIENT_WORDS)


def is_late(error: Exception) -> bool:
    """Whether a call ran out of time, so that asking the server more would only take longer."""
    below = error.__cause__ or error.__context__
    return isinstance(below, grpc.RpcError) and below.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def give_up(shown: str, what: str, *, lost: bool = False) -> BackendUnavailable:
    """The transient error about a server; `lost` says that the connection is to be opened anew."""
    return BackendUnavailable(f"the Weaviate server {shown} {what}", advice=UNAVAILABLE_ADVICE, lost=lost)


def refuse(shown: str, said: str) -> ConfigurationError:
    """The terminal one."""
    return ConfigurationError(f"the Weaviate server {shown} refuses: {said}", advice=REFUSED_ADVICE)


def _forbid(shown: str) -> ConfigurationError:
    return ConfigurationError(f"the Weaviate server {shown} does not accept the key", advice=KEY_ADVICE)


def _from_content(error: Exception, shown: str) -> ProductError:
    if isinstance(error, vendor.UnexpectedStatusCodeError):
        return _from_status(error, shown)
    if isinstance(error, vendor.WeaviateStartUpError) and "already listening" in str(error):
        return ConfigurationError(
            f"the ports of {shown} are taken: another process runs it, or something else",
            advice="for several processes at once start a server and name it by weaviate+http://host:8080?grpc=50051",
        )
    if isinstance(error, vendor.WeaviateStartUpError):
        # Only an attempt that failed has a cause; a version that the client does not speak to has none.
        return give_up(shown, "does not answer") if error.__cause__ else refuse(shown, _one_line(error))
    below = error.__cause__ or error.__context__
    if isinstance(below, grpc.RpcError):
        return _from_code(below, shown)
    said = _one_line(error)
    return give_up(shown, f"answers: {said}") if is_transient_failure(said) else refuse(shown, said)


def _from_status(error: vendor.UnexpectedStatusCodeError, shown: str) -> ProductError:
    status = error.status_code
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return _forbid(shown)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return RateLimited(f"the Weaviate server {shown} asks for patience", advice="run it again later")
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.REQUEST_TIMEOUT:
        return give_up(shown, f"answers {status}: {_one_line(error)}")
    return refuse(shown, _one_line(error))


def _from_code(error: grpc.RpcError, shown: str) -> ProductError:
    # Every error of a call is a grpc.Call as well, which has both methods.
    code, details = error.code(), str(error.details())
    if code in _FORBIDDEN_CODES:
        return _forbid(shown)
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return RateLimited(f"the Weaviate server {shown} has too much to do", advice="run it again later")
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        # Anew, since a network may have forgotten this connection without a word; others end their calls on it.
        return give_up(shown, "was silent for longer than EXPERTLOOP_INDEX_TIMEOUT_SECONDS", lost=True)
    said = " ".join(details.split())[:_SHOWN_CHARACTERS]
    return give_up(shown, f"answers {code.name}: {said}") if code in _TRANSIENT_CODES else refuse(shown, said)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:_SHOWN_CHARACTERS]
