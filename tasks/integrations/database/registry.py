"""The `AdapterStore` and `ChampionStore` ports, and lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.errors import ConfigurationError
from tasks.integrations.database.curation_schema import dataset_pairs, pair_evidence
from tasks.integrations.database.engine import Database, upsert
from tasks.integrations.database.erasure_schema import dataset_marks
from tasks.integrations.database.locks import lock_name
from tasks.integrations.database.registry_schema import adapters, champion_changes, champions
from tasks.registry_ports import ChampionChange, Lineage, Move
from tasks.training_models import Adapter, AdapterState

_KEPT = (AdapterState.PROMOTED, AdapterState.MARKED)
"""States that a person or an erasure gave: measuring again does not take them back."""


class DatabaseAdapters:
    """Adapters by id; their bytes lie in the artifact store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_adapter(self, adapter: Adapter) -> Adapter:
        """Keep one, or its newer decision; what a person has done with it since stays. Returns what is kept."""
        mine = adapters.c.adapter_id == adapter.adapter_id
        with self._database.write() as connection:
            known = connection.execute(sa.select(adapters).where(mine)).mappings().one_or_none()
            if known:
                before = _read(known)
                stays = before.state in _KEPT
                kept = {"created_at": before.created_at} | (
                    {"state": before.state, "reason": before.reason} if stays else {}
                )
                adapter = adapter.model_copy(update=kept)
            upsert(connection, adapters, [_row(adapter)])
        return adapter

    def list_adapters(self, tenant: str) -> list[Adapter]:
        """Every one, the newest first."""
        query = sa.select(adapters).where(adapters.c.tenant == tenant).order_by(adapters.c.created_at.desc())
        with self._database.read() as connection:
            marks = _read_marks(connection)
            return [_mark(_read(row), marks) for row in connection.execute(query).mappings()]

    def find_adapter(self, tenant: str, name: str) -> Adapter:
        """The one of an id or of its unique beginning."""
        found = [one for one in self.list_adapters(tenant) if name and one.adapter_id.startswith(name)]
        if len(found) != 1:
            problem = "no adapter has" if not found else "more than one adapter has"
            raise ConfigurationError(f"{problem} the id {name!r}", advice="see them with: expertloop adapters")
        return found[0]


class DatabaseChampions:
    """Who serves; moves come one after another, and each is kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_champion(self, tenant: str, scope: str) -> str | None:
        """The adapter_id; None: the base model alone."""
        with self._database.read() as connection:
            return _read_champion(connection, tenant, scope)

    def promote(self, adapter_id: str, move: Move) -> ChampionChange | None:
        """Make it the champion and say so of the adapter, in one commit; None, nothing written, when it is already.

        Raises:
            ConfigurationError: It is marked: a mark that comes later finds it among the champions.
        """
        with self._database.write() as connection:
            lock_name(connection, "champions")
            _refuse_marked(connection, adapter_id)
            if _read_champion(connection, move.tenant, move.scope) == adapter_id:
                return None
            promoted = sa.update(adapters).where(adapters.c.adapter_id == adapter_id)
            connection.execute(promoted.values(state=AdapterState.PROMOTED, reason=move.reason))
            return _move(connection, adapter_id, move)

    def roll_back(self, move: Move) -> ChampionChange | None:
        """Back to the champion before this one; None when there was none."""
        with self._database.write() as connection:
            lock_name(connection, "champions")
            before = _list_serving(connection, move.tenant, move.scope)
            if not before:
                return None
            marked = _list_marked(connection, before)
            sound = [one for one in before[:-1] if one not in marked]
            return _move(connection, sound[-1] if sound else None, move)

    def list_champions(self, tenant: str) -> dict[str, str]:
        """adapter_ids by scope; scopes that the base model serves alone are left out."""
        query = sa.select(champions.c.scope, champions.c.adapter_id).where(champions.c.tenant == tenant)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(champions.c.scope)).all()
        return {row.scope: row.adapter_id for row in rows if row.adapter_id}

    def list_served_urls(self) -> list[str]:
        """Where the files of every champion lie, of all tenants."""
        query = sa.select(adapters).where(adapters.c.adapter_id.in_(sa.select(champions.c.adapter_id)))
        with self._database.read() as connection:
            return [_read(row).url for row in connection.execute(query).mappings()]

    def list_changes(self, tenant: str, scope: str) -> list[ChampionChange]:
        """Every move, the newest first."""
        with self._database.read() as connection:
            return _list_changes(connection, tenant, scope)[::-1]


class DatabaseLineage:
    """What came of what, from the tables that say it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def trace_pairs(self, pair_ids: Sequence[str]) -> Lineage:
        """The documents that pairs quote, and what was made of the pairs."""
        with self._database.read() as connection:
            documents = _list(connection, pair_evidence.c.document_id, pair_evidence.c.pair_id.in_(pair_ids))
            datasets = _list(connection, dataset_pairs.c.dataset_id, dataset_pairs.c.pair_id.in_(pair_ids))
            made = _list(connection, adapters.c.adapter_id, adapters.c.dataset_id.in_(datasets))
        return Lineage(documents=documents, pairs=tuple(sorted(pair_ids)), datasets=datasets, adapters=made)

    def trace_document(self, document_id: str) -> Lineage:
        """The pairs that quote a document, and what was made of them."""
        with self._database.read() as connection:
            pair_ids = _list(connection, pair_evidence.c.pair_id, pair_evidence.c.document_id == document_id)
        return self.trace_pairs(pair_ids).model_copy(update={"documents": (document_id,)})

    def trace_adapter(self, adapter: Adapter) -> Lineage:
        """What an adapter was trained on, examined pairs left out."""
        mine = sa.and_(dataset_pairs.c.dataset_id == adapter.dataset_id, dataset_pairs.c.split != "test")
        with self._database.read() as connection:
            pair_ids = _list(connection, dataset_pairs.c.pair_id, mine)
        update = {"datasets": (adapter.dataset_id,), "adapters": (adapter.adapter_id,)}
        return self.trace_pairs(pair_ids).model_copy(update=update)


def _list(connection: Connection, column: sa.Column[Any], condition: sa.ColumnElement[bool]) -> tuple[str, ...]:
    return tuple(connection.execute(sa.select(column).where(condition).distinct().order_by(column)).scalars())


def _row(adapter: Adapter) -> dict[str, Any]:
    fields = {name: getattr(adapter, name) for name in ("adapter_id", "tenant", "dataset_id", "reason", "created_at")}
    return fields | {"state": adapter.state.value, "record": adapter.model_dump(mode="json")}


def _read(row: Any) -> Adapter:
    adapter = Adapter.model_validate(row["record"])
    return adapter.model_copy(update={"state": AdapterState(row["state"]), "reason": row["reason"]})


def _read_champion(connection: Connection, tenant: str, scope: str) -> str | None:
    query = sa.select(champions.c.adapter_id).where(champions.c.tenant == tenant, champions.c.scope == scope)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def _list_changes(connection: Connection, tenant: str, scope: str) -> list[ChampionChange]:
    mine = (champion_changes.c.tenant == tenant, champion_changes.c.scope == scope)
    query = sa.select(champion_changes).where(*mine).order_by(champion_changes.c.number)
    return [ChampionChange.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def _list_serving(connection: Connection, tenant: str, scope: str) -> list[str]:
    """The champions that a rollback can go back through: each takes away those behind the one it went back to."""
    serving: list[str] = []
    for change in _list_changes(connection, tenant, scope):
        if change.action == "promote" and change.adapter_id:
            serving.append(change.adapter_id)
            continue
        while serving and serving[-1] != change.adapter_id:
            serving.pop()
    return serving


def _read_marks(connection: Connection) -> dict[str, str]:
    """Why datasets may not be used any more, by dataset_id; that text was erased is the stronger reason."""
    query = sa.select(dataset_marks.c.dataset_id, dataset_marks.c.reason).order_by(dataset_marks.c.kind.desc())
    return {row.dataset_id: row.reason for row in connection.execute(query)}


def _mark(adapter: Adapter, marks: Mapping[str, str]) -> Adapter:
    """An adapter is marked as long as its dataset is: nothing needs to be written when that changes."""
    if adapter.dataset_id not in marks:
        return adapter
    return adapter.model_copy(update={"state": AdapterState.MARKED, "reason": marks[adapter.dataset_id]})


def _list_marked(connection: Connection, adapter_ids: Sequence[str]) -> set[str]:
    told = sa.select(dataset_marks.c.dataset_id)
    marked = sa.or_(adapters.c.state == AdapterState.MARKED.value, adapters.c.dataset_id.in_(told))
    query = sa.select(adapters.c.adapter_id).where(adapters.c.adapter_id.in_(adapter_ids), marked)
    return set(connection.execute(query).scalars())


def _refuse_marked(connection: Connection, adapter_id: str) -> None:
    query = sa.select(adapters).where(adapters.c.adapter_id == adapter_id)
    found = _mark(_read(connection.execute(query).mappings().one()), _read_marks(connection))
    if found.state is AdapterState.MARKED:
        raise ConfigurationError(
            f"adapter {adapter_id} is marked: {found.reason}", advice="train again without what was erased"
        )


def _move(connection: Connection, adapter_id: str | None, move: Move) -> ChampionChange:
    """The row and its history, in the transaction of the caller."""
    number = len(_list_changes(connection, move.tenant, move.scope)) + 1
    change = ChampionChange(number=number, adapter_id=adapter_id, **move.model_dump())
    upsert(connection, champions, [{"tenant": move.tenant, "scope": move.scope, "adapter_id": adapter_id}])
    connection.execute(sa.insert(champion_changes).values(**change.model_dump()))
    return change
