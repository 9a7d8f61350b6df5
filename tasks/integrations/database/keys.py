"""The `KeyStore` port: API keys in the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tasks.access_models import ApiKey
from tasks.access_ports import StoredKey
from tasks.integrations.database.engine import Database
from tasks.integrations.database.schema import api_keys


class DatabaseKeys:
    """Reads and writes keys; nothing is remembered between two calls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_key(self, stored: StoredKey) -> None:
        """Keep a new key."""
        row = stored.key.model_dump() | {"groups": list(stored.key.groups), "secret_hash": stored.secret_hash}
        with self._database.write() as connection:
            connection.execute(sa.insert(api_keys), [row])

    def find_key(self, key_id: str) -> StoredKey | None:
        """The key of an id, revoked or not."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(api_keys).where(api_keys.c.key_id == key_id)).mappings().one_or_none()
        return StoredKey(_key(row), row["secret_hash"]) if row else None

    def list_keys(self, tenant: str) -> list[ApiKey]:
        """Every key of the tenant, oldest first."""
        query = sa.select(api_keys).where(api_keys.c.tenant == tenant).order_by(api_keys.c.created_at)
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(query).mappings()]

    def revoke_keys(self, tenant: str, *, key_id: str | None = None, principal: str | None = None) -> list[ApiKey]:
        """Take away one key, or every key of a principal; returns those that were not revoked before."""
        meant = api_keys.c.key_id == key_id if key_id is not None else api_keys.c.principal == principal
        conditions = (api_keys.c.tenant == tenant, meant, api_keys.c.revoked_at.is_(None))
        now = datetime.now(UTC)
        with self._database.write() as connection:
            rows = connection.execute(sa.select(api_keys).where(*conditions)).mappings().all()
            connection.execute(sa.update(api_keys).where(*conditions).values(revoked_at=now))
        return [_key({**row, "revoked_at": now}) for row in rows]


def _key(row: Any) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        tenant=row["tenant"],
        principal=row["principal"],
        groups=tuple(row["groups"]),
        role=row["role"],
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )
