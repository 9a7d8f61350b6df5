"""Who asks: from a header to a caller."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expertloop.server.access import find_caller, read_secret
from tasks.access_models import Caller, Role
from tasks.access_ports import StoredKey
from tasks.errors import AccessDenied
from tasks.keys import make_key


class Keys:
    """A key store of one key."""

    def __init__(self, *stored: StoredKey) -> None:
        self.stored = {one.key.key_id: one for one in stored}

    def find_key(self, key_id: str) -> StoredKey | None:
        return self.stored.get(key_id)


class Tokens:
    """Believes everything, and remembers it."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def read_caller(self, token: str) -> Caller:
        self.read.append(token)
        return Caller(principal="someone", tenant="default", key_id="oidc:1")


def make() -> tuple[str, StoredKey]:
    now = datetime.now(UTC)
    return make_key(tenant="default", principal="anna", groups=("hr",), role=Role.CURATOR, created_at=now)


def test_a_key_is_its_principal() -> None:
    text, stored = make()
    caller = find_caller(text, Keys(stored), None)
    assert (caller.principal, caller.groups, caller.role) == ("anna", ("hr",), Role.CURATOR)


def test_a_key_that_is_not_kept_is_refused_and_no_token() -> None:
    tokens = Tokens()
    with pytest.raises(AccessDenied):
        find_caller(make()[0], Keys(), tokens)
    assert tokens.read == []


def test_a_token_is_read_only_where_an_identity_provider_is_configured() -> None:
    tokens = Tokens()
    assert find_caller("a.b.c", Keys(), tokens).principal == "someone"
    with pytest.raises(AccessDenied):
        find_caller("a.b.c", Keys(), None)
    with pytest.raises(AccessDenied):
        find_caller("no token", Keys(), tokens)
    assert tokens.read == ["a.b.c"]


@pytest.mark.parametrize(
    ("header", "secret"),
    [("", None), ("Bearer", None), ("Bearer ", None), ("Bearer x", "x"), ("bearer  x ", "x"), ("Digest x", None)],
)
def test_the_secret_is_what_follows_bearer(header: str, secret: str | None) -> None:
    assert read_secret(header, basic=False) == secret
    assert read_secret(header, basic=True) == secret


def test_the_password_of_basic_counts_only_where_it_is_allowed() -> None:
    header = f"Basic {base64.b64encode(b'anna:the:key').decode()}"
    assert read_secret(header, basic=True) == "the:key"
    assert read_secret(header, basic=False) is None


@given(st.text(max_size=50))
def test_no_header_breaks_anything(text: str) -> None:
    for scheme in ("Basic ", "Bearer ", ""):
        secret = read_secret(scheme + text, basic=True)
        assert secret is None or secret
