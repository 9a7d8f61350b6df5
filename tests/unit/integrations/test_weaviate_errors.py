"""Each of weaviate-client's errors becomes one of ours; a new one in the client fails here, not at night."""

from __future__ import annotations

import inspect
from typing import Any

import grpc
import httpx
import pytest
from weaviate import exceptions as vendor

from tasks.errors import BackendUnavailable, ConfigurationError, ProductError, RateLimited
from tasks.integrations.weaviate.errors import BY_CONTENT, FORBIDDEN, TERMINAL, TRANSIENT, translate, translated

SHOWN = "weaviate+http://host:8080"


class CallError(grpc.RpcError):  # type: ignore[misc]
    """What grpc raises: an error that knows its status."""

    def __init__(self, code: grpc.StatusCode, details: str = "") -> None:
        super().__init__(details)
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


def wrapped(code: grpc.StatusCode) -> Exception:
    """As the client raises it: while it handles the call's error."""
    try:
        try:
            raise CallError(code, "said by the server")
        except grpc.RpcError:
            raise vendor.WeaviateQueryError("said by the server", "GRPC search")  # noqa: B904 the client does the same
    except vendor.WeaviateQueryError as error:
        return error


def answered(status: int) -> Exception:
    return vendor.UnexpectedStatusCodeError("no", httpx.Response(status, json={"error": [{"message": "said"}]}))


def test_every_error_class_of_the_client_is_mapped_exactly_once() -> None:
    known = [
        kind
        for _, kind in inspect.getmembers(vendor, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == vendor.__name__
    ]
    sets = (TRANSIENT, TERMINAL, FORBIDDEN, BY_CONTENT)
    assert len(known) > 30
    assert {kind.__name__: sum(kind in some for some in sets) for kind in known} == {kind.__name__: 1 for kind in known}


def test_a_subclass_that_a_later_client_adds_is_what_its_parent_is() -> None:
    class Newer(vendor.WeaviateTimeoutError):
        pass

    assert isinstance(translate(Newer("slow"), SHOWN), BackendUnavailable)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (wrapped(grpc.StatusCode.UNAVAILABLE), BackendUnavailable),
        (wrapped(grpc.StatusCode.DEADLINE_EXCEEDED), BackendUnavailable),
        (wrapped(grpc.StatusCode.INTERNAL), BackendUnavailable),
        (wrapped(grpc.StatusCode.RESOURCE_EXHAUSTED), RateLimited),
        (wrapped(grpc.StatusCode.UNAUTHENTICATED), ConfigurationError),
        (wrapped(grpc.StatusCode.PERMISSION_DENIED), ConfigurationError),
        (wrapped(grpc.StatusCode.INVALID_ARGUMENT), ConfigurationError),
        (answered(401), ConfigurationError),
        (answered(403), ConfigurationError),
        (answered(422), ConfigurationError),
        (answered(429), RateLimited),
        (answered(500), BackendUnavailable),
        (answered(503), BackendUnavailable),
        (vendor.WeaviateInsertManyAllFailedError("not enough memory"), BackendUnavailable),
        (vendor.WeaviateInsertManyAllFailedError("no such prop"), ConfigurationError),
        (vendor.WeaviateStartUpError("version 1.20.0 is not supported"), ConfigurationError),
    ],
)
def test_status_and_words_decide_where_the_class_does_not(error: Exception, expected: type[ProductError]) -> None:
    ours = translate(error, SHOWN)
    assert type(ours) is expected
    assert SHOWN in ours.message
    assert "\n" not in ours.message
    assert ours.advice


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_from_a_refused_request(status: int) -> None:
    assert "EXPERTLOOP_INDEX_KEY" in translate(answered(status), SHOWN).advice
    assert "EXPERTLOOP_INDEX_KEY" not in translate(answered(422), SHOWN).advice


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("cut"),
        CallError(grpc.StatusCode.UNAVAILABLE),
    ],
)
def test_errors_of_the_protocols_below_the_client_are_transient(error: Exception) -> None:
    with pytest.raises(BackendUnavailable), translated(SHOWN):
        raise error


def test_a_bug_is_left_alone() -> None:
    def fail() -> Any:
        raise KeyError("a bug")

    with pytest.raises(KeyError), translated(SHOWN):
        fail()
