"""API keys: what is kept of them, and who is genuine."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.access_models import Caller, Role
from tasks.access_ports import StoredKey
from tasks.integrations.database.engine import Database
from tasks.integrations.database.keys import DatabaseKeys
from tasks.integrations.database.schema import metadata
from tasks.keys import PresentedKey, is_genuine, make_key, parse_key
from tasks.models import EVERYONE

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def store(database: Database) -> DatabaseKeys:
    return DatabaseKeys(database)


def make(principal: str = "anna", *groups: str, tenant: str = "default") -> tuple[str, StoredKey]:
    return make_key(tenant=tenant, principal=principal, groups=groups, role=Role.READER, created_at=NOW)


def parsed(text: str) -> PresentedKey:
    presented = parse_key(text)
    assert presented is not None
    return presented


def test_a_new_key_is_found_by_its_id_and_is_genuine(store: DatabaseKeys) -> None:
    text, stored = make("anna", "service")
    store.add_key(stored)
    found = store.find_key(parsed(text).key_id)
    assert is_genuine(parsed(text), found)
    assert found is not None
    assert found.key.caller.principals == {EVERYONE, "anna", "service"}


def test_the_secret_is_kept_nowhere_in_the_database(store: DatabaseKeys, database: Database) -> None:
    text, stored = make()
    store.add_key(stored)
    with database.read() as connection:
        rows = [row for table in metadata.sorted_tables for row in connection.execute(sa.select(table))]
    assert stored.key.key_id in repr(rows)
    assert parsed(text).secret not in repr(rows)


def test_a_key_with_another_secret_is_not_genuine() -> None:
    (text, stored), (other, _) = make(), make()
    assert not is_genuine(PresentedKey(stored.key.key_id, parsed(other).secret), stored)
    assert is_genuine(parsed(text), stored)


def test_an_unknown_key_is_not_genuine() -> None:
    assert not is_genuine(parsed(make()[0]), None)


def test_a_revoked_key_is_not_genuine_and_is_revoked_once(store: DatabaseKeys) -> None:
    text, stored = make()
    store.add_key(stored)
    (revoked,) = store.revoke_keys("default", key_id=stored.key.key_id)
    assert revoked.revoked_at is not None
    assert [revoked] == store.list_keys("default")
    assert store.revoke_keys("default", key_id=stored.key.key_id) == []
    assert not is_genuine(parsed(text), store.find_key(stored.key.key_id))
    assert [key.revoked_at is not None for key in store.list_keys("default")] == [True]


def test_all_keys_of_a_principal_go_at_once_and_nobody_elses(store: DatabaseKeys) -> None:
    for principal in ("anna", "anna", "ben"):
        store.add_key(make(principal)[1])
    assert len(store.revoke_keys("default", principal="anna")) == 2
    assert {key.principal for key in store.list_keys("default") if key.revoked_at is None} == {"ben"}


def test_no_tenant_lists_or_revokes_the_keys_of_another(store: DatabaseKeys) -> None:
    _, stored = make(tenant="acme")
    store.add_key(stored)
    assert store.list_keys("default") == []
    assert store.revoke_keys("default", key_id=stored.key.key_id) == []
    assert len(store.list_keys("acme")) == 1


@pytest.mark.parametrize(
    "name", ["everyone", "Everyone", "EVERYONE", "ｅｖｅｒｙｏｎｅ", "", " ", " anna", "a\nb", "x" * 201]
)
def test_nobody_can_be_named_so(name: str) -> None:
    with pytest.raises(ValidationError):
        make(name)
    with pytest.raises(ValidationError):
        make("anna", name)
    with pytest.raises(ValidationError):
        Caller(principal=name, tenant="default", key_id="k")


@given(st.text())
def test_text_that_is_no_key_is_told_from_one(text: str) -> None:
    presented = parse_key(text)
    assert presented is None or text == f"elk_{presented.key_id}_{presented.secret}"


@given(st.sampled_from(["elk_", "", "elk-"]), st.text("0123456789abcdef", max_size=17), st.text("aZ_-9", max_size=44))
def test_only_whole_keys_are_parsed(prefix: str, key_id: str, secret: str) -> None:
    whole = (prefix, len(key_id), len(secret)) == ("elk_", 16, 43)
    assert (parse_key(f"{prefix}{key_id}_{secret}") is not None) <= (whole or "_" in secret)
    assert (parse_key(f"{prefix}{key_id}_{secret}") is not None) >= whole
