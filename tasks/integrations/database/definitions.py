"""`DefinitionStore` and `DefinitionReader`: what documents say that abbreviations stand for, as far as one may read it.

A definition hangs on a version, and is read only through the live version of a document that the asker may read: what
is deleted, changed or withdrawn takes its definitions with it in the same commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tasks.abbreviations import Definition, Meaning, make_long_key, make_short_key
from tasks.document_ports import UnlearntText
from tasks.integrations.database.definitions_schema import definitions
from tasks.integrations.database.engine import Database, list_batches
from tasks.integrations.database.leases import check_lease
from tasks.integrations.database.passages import readable
from tasks.integrations.database.schema import documents, is_live, sources, versions
from tasks.models import Run

PAGE = 50
"""Texts in memory at once."""


_MINE = definitions.c.tenant == sa.bindparam("tenant")
_KEYS: sa.BindParameter[Any] = sa.bindparam("keys", expanding=True)
_NAMED = (
    sa.select(definitions.c.short_key)
    .where(
        sa.or_(
            sa.and_(_MINE, definitions.c.short_key.in_(_KEYS)),
            sa.and_(_MINE, definitions.c.long_key.in_(_KEYS)),
        )
    )
    .distinct()
)
"""Short keys that keys name, whoever may read them. Every search asks this, and few find anything: it is made once, and
only what is found is looked up with the documents and their readers."""


class DatabaseDefinitions:
    """Definitions by version."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_unlearnt(self, run: Run, rules_version: int) -> Iterator[list[UnlearntText]]:
        """Pages of the source's indexed versions that were not read by these rules."""
        query = (
            sa.select(versions.c.version_id)
            .where(
                versions.c.tenant == run.tenant,
                versions.c.source == run.source,
                versions.c.state == "ready",
                versions.c.definition_rules.is_distinct_from(rules_version),
            )
            .order_by(versions.c.version_id)
        )
        with self._database.read() as connection:
            unlearnt = list(connection.execute(query).scalars())
        for start in range(0, len(unlearnt), PAGE):
            texts = sa.select(versions.c.version_id, versions.c.text).where(
                versions.c.version_id.in_(unlearnt[start : start + PAGE])
            )
            with self._database.read() as connection:
                yield [UnlearntText(*row) for row in connection.execute(texts)]

    def write_definitions(self, run: Run, learnt: Mapping[str, Sequence[Definition]], rules_version: int) -> None:
        """Replace the definitions of each version_id; the rules stand beside them."""
        rows = [row for version_id, found in learnt.items() for row in _definition_rows(run.tenant, version_id, found)]
        theirs = definitions.c.version_id.in_(list(learnt))
        read = sa.update(versions).where(versions.c.version_id.in_(list(learnt)))
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            connection.execute(sa.delete(definitions).where(theirs))
            if rows:
                connection.execute(sa.insert(definitions), rows)
            connection.execute(read.values(definition_rules=rules_version))

    def find_meanings(
        self, tenant: str, principals: frozenset[str], *, shorts: Collection[str], longs: Collection[str]
    ) -> list[Meaning]:
        """Every meaning of each abbreviation that one of the keys names, by its short form or by a meaning.

        Only from live documents that one of the principals may read, and from no little trusted source: who may write
        there must not turn others' questions.
        """
        with self._database.read() as connection:
            found = {
                key
                for batch in list_batches(sorted({*shorts, *longs}))
                for key in connection.execute(_NAMED, {"tenant": tenant, "keys": batch}).scalars()
            }
            if not found:
                return []
            meanings = _meanings().where(*readable(tenant, principals, by_key=True), definitions.c.tenant == tenant)
            return [
                Meaning(*row)
                for batch in list_batches(sorted(found))
                for row in connection.execute(meanings.where(definitions.c.short_key.in_(batch)))
            ]

    def list_meanings(self, tenant: str, principals: frozenset[str] | None) -> list[Meaning]:
        """Every meaning that any of the principals may read, by short form; without principals every one there is."""
        mine = (documents.c.tenant == tenant,) if principals is None else readable(tenant, principals)
        with self._database.read() as connection:
            return [Meaning(*row) for row in connection.execute(_meanings().where(*mine))]


def _definition_rows(tenant: str, version_id: str, found: Sequence[Definition]) -> Iterator[dict[str, Any]]:
    by_key = {(make_short_key(one.short), make_long_key(one.long)): one for one in reversed(found)}
    for (short_key, long_key), one in by_key.items():
        yield {
            "version_id": version_id,
            "short_key": short_key,
            "long_key": long_key,
            "tenant": tenant,
            "short": one.short,
            "long": one.long,
        }


def _meanings() -> sa.Select[Any]:
    """A `Meaning` for each pair of keys; the many documents that say the same are counted, not listed."""
    keys = definitions.c.short_key, definitions.c.long_key
    columns = (
        sa.func.min(definitions.c.short),
        sa.func.min(definitions.c.long),
        sa.func.count(),
        sa.func.min(documents.c.document_id),
    )
    return _believed(sa.select(*columns)).group_by(*keys).order_by(*keys)


def _believed(query: sa.Select[Any]) -> sa.Select[Any]:
    """Definitions of live documents, those of little trusted sources left out."""
    trust = sa.and_(sources.c.tenant == documents.c.tenant, sources.c.source == documents.c.source)
    return (
        query.select_from(definitions)
        .join(versions, versions.c.version_id == definitions.c.version_id)
        .join(documents, is_live)
        .outerjoin(sources, trust)
        .where(sa.func.coalesce(sources.c.trust, "normal") != "low")
    )
