"""The `PairStore` port: pairs with their evidence; document names and readers are joined in at every reading."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.curation_models import Evidence, Pair, PairState, derive_pair_id, fold, intersect_readers
from tasks.curation_ports import Asked, IndexedPair, Rival
from tasks.errors import ConfigurationError
from tasks.integrations.database.curation_schema import pair_bands, pair_evidence, pairs
from tasks.integrations.database.engine import Database, list_batches, upsert
from tasks.integrations.database.schema import documents, versions
from tasks.models import derive_id
from tasks.ports import Vectors

PAGE = 500
MOST_ALIKE = 12

_PLAIN = ("pair_id", "tenant", "question", "answer", "language", "origin", "author", "state", "reason")


class DatabasePairs:
    """Reads a pair as it is now: its readers are those that its documents have at this moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write_pairs(self, indexed: Sequence[IndexedPair]) -> None:
        """Write pairs with their evidence, replacing those of the same id."""
        with self._database.write() as connection:
            _write(connection, indexed)

    def find_known(self, tenant: str, found: Sequence[Pair]) -> dict[str, Pair]:
        """Stored pairs by the pair_id of the given one that is the same: by id, or by what it says today."""
        by_content = {_content_key(pair): pair.pair_id for pair in found}
        condition = sa.or_(pairs.c.pair_id.in_(by_content.values()), pairs.c.content_key.in_(by_content))
        query = sa.select(pairs).where(pairs.c.tenant == tenant, condition)
        with self._database.read() as connection:
            stored = _read(connection, query)
        wanted = set(by_content.values())
        known = {by_content[_content_key(pair)]: pair for pair in stored if _content_key(pair) in by_content}
        return known | {pair.pair_id: pair for pair in stored if pair.pair_id in wanted}

    def find_alike(self, tenant: str, asked: Sequence[Asked]) -> list[list[Rival]]:
        """For each question pairs, rejected ones left out, that may ask nearly the same; a few dozen at most."""
        with self._database.read() as connection:
            found = [_find_alike(connection, tenant, one) for one in asked]
            rivals = _read_rivals(connection, tenant, frozenset().union(*found))
        return [[rivals[pair_id] for pair_id in sorted(ids) if pair_id in rivals] for ids in found]

    def read_rivals(self, tenant: str, pair_ids: Collection[str]) -> dict[str, Rival]:
        """Those of the ids that are not rejected, by id."""
        with self._database.read() as connection:
            return _read_rivals(connection, tenant, pair_ids)

    def read_vectors(self, tenant: str, embedder: str) -> Iterator[tuple[list[str], Vectors]]:
        """Ids and [n x d] question vectors of the pairs that are not rejected, in order of id, a page at a time."""
        query = (
            sa.select(pairs.c.pair_id, pairs.c.vector)
            .where(pairs.c.tenant == tenant, pairs.c.embedder == embedder, pairs.c.state != "rejected")
            .order_by(pairs.c.pair_id)
            .limit(PAGE)
        )
        last = ""
        while True:
            with self._database.read() as connection:
                rows = connection.execute(query.where(pairs.c.pair_id > last)).all()
            if rows:
                vectors = np.stack([np.frombuffer(row.vector, dtype="<f2") for row in rows])
                yield [row.pair_id for row in rows], vectors.astype(np.float32)
            if len(rows) < PAGE:
                return
            last = rows[-1].pair_id

    def read_pairs(self, tenant: str, pair_ids: Sequence[str]) -> list[Pair]:
        """Those of the ids that there are, in order of id."""
        found: list[Pair] = []
        with self._database.read() as connection:
            for batch in list_batches(sorted(pair_ids)):
                found += _read(connection, sa.select(pairs).where(pairs.c.tenant == tenant, pairs.c.pair_id.in_(batch)))
        return sorted(found, key=lambda pair: pair.pair_id)

    def find_pair(self, tenant: str, name: str) -> Pair:
        """The pair of an id or of its unique beginning.

        Raises:
            ConfigurationError: There is none, or more than one.
        """
        query = sa.select(pairs).where(pairs.c.tenant == tenant, pairs.c.pair_id.startswith(name, autoescape=True))
        with self._database.read() as connection:
            found = _read(connection, query.limit(2)) if name else []
        if len(found) != 1:
            problem = "no pair has" if not found else "more than one pair has"
            raise ConfigurationError(
                f"{problem} an id that begins with {name!r}", advice="see them with: expertloop curate list"
            )
        return found[0]

    def list_pairs(self, tenant: str, states: Collection[PairState] | None = None) -> Iterator[Pair]:
        """Every pair in these states, oldest first, streamed: a page at a time, so that a reader may write between."""
        query = sa.select(pairs).where(pairs.c.tenant == tenant).order_by(pairs.c.created_at, pairs.c.pair_id)
        if states is not None:
            query = query.where(pairs.c.state.in_([state.value for state in states]))
        place: tuple[datetime, str] | None = None
        while True:
            page = query if place is None else query.where(_is_after(*place))
            with self._database.read() as connection:
                rows = connection.execute(page.limit(PAGE)).mappings().all()
                found = _complete(connection, rows)
            yield from found
            if len(rows) < PAGE:
                return
            place = (rows[-1]["created_at"], rows[-1]["pair_id"])

    def change_pair(self, tenant: str, pair_id: str, change: Callable[[Pair], IndexedPair]) -> Pair:
        """Read, change and write one pair with nobody in between."""
        query = sa.select(pairs).where(pairs.c.tenant == tenant, pairs.c.pair_id == pair_id).with_for_update()
        with self._database.write() as connection:
            (before,) = _read(connection, query)
            _write(connection, [change(before)])
            (after,) = _read(connection, query)
        return after

    def find_moved(self, tenant: str, *, after: str = "") -> list[str]:
        """A page of pair_ids, ascending, that quote documents with other versions or readers than last looked at."""
        moved = sa.or_(
            documents.c.live_version_id.is_distinct_from(pair_evidence.c.version_id),
            sa.cast(documents.c.groups, sa.Text).is_distinct_from(sa.cast(pair_evidence.c.groups, sa.Text)),
        )
        # Of a document that is gone nothing more can be learnt once that is written down.
        known = sa.and_(documents.c.live_version_id.is_(None), pair_evidence.c.version_id.is_(None))
        query = (
            sa.select(pair_evidence.c.pair_id)
            .join(pairs, pairs.c.pair_id == pair_evidence.c.pair_id)
            .join(documents, documents.c.document_id == pair_evidence.c.document_id, isouter=True)
            .where(pairs.c.tenant == tenant, moved, ~known, pair_evidence.c.pair_id > after)
            .distinct()
            .order_by(pair_evidence.c.pair_id)
            .limit(PAGE)
        )
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def count_states(self, tenant: str) -> dict[str, int]:
        """How many pairs are in which state."""
        query = sa.select(pairs.c.state, sa.func.count()).where(pairs.c.tenant == tenant).group_by(pairs.c.state)
        with self._database.read() as connection:
            return {state: int(count) for state, count in connection.execute(query)}


def _is_after(created_at: datetime, pair_id: str) -> sa.ColumnElement[bool]:
    later = pairs.c.created_at > created_at
    return sa.or_(later, sa.and_(pairs.c.created_at == created_at, pairs.c.pair_id > pair_id))


def _content_key(pair: Pair) -> str:
    return derive_pair_id(pair.tenant, pair.question, pair.answer)


def _question_key(tenant: str, question: str) -> str:
    return derive_id("question", tenant, fold(question))


# Built once: an import asks them of every row. Two look-ups by index, each limited: a union would be sorted whole, and
# templates make thousands alike.
_ALIKE = (
    sa.select(pair_bands.c.pair_id)
    .where(pair_bands.c.tenant == sa.bindparam("tenant"))
    .where(pair_bands.c.band.in_(sa.bindparam("bands", expanding=True)))
    .limit(MOST_ALIKE)
)
_SAME = (
    sa.select(pairs.c.pair_id)
    .where(pairs.c.tenant == sa.bindparam("tenant"), pairs.c.question_key == sa.bindparam("question_key"))
    .limit(MOST_ALIKE)
)


def _find_alike(connection: Connection, tenant: str, asked: Asked) -> frozenset[str]:
    alike = connection.execute(_ALIKE, {"tenant": tenant, "bands": asked.bands}).scalars()
    same = connection.execute(
        _SAME, {"tenant": tenant, "question_key": _question_key(tenant, asked.question)}
    ).scalars()
    return frozenset((*alike, *same))


def _read_rivals(connection: Connection, tenant: str, pair_ids: Collection[str]) -> dict[str, Rival]:
    columns = [pairs.c[name] for name in Rival._fields]
    found: dict[str, Rival] = {}
    for batch in list_batches(sorted(pair_ids)):
        query = sa.select(*columns).where(
            pairs.c.tenant == tenant, pairs.c.pair_id.in_(batch), pairs.c.state != "rejected"
        )
        found |= {row.pair_id: Rival(*row) for row in connection.execute(query)}
    return found


# --- rows ---------------------------------------------------------------------------------------------------------


def _write(connection: Connection, indexed: Sequence[IndexedPair]) -> None:
    if not indexed:
        return
    now = datetime.now(UTC)
    ids = [one.pair.pair_id for one in indexed]
    kept = [pairs.c[name] for name in ("pair_id", "created_at", "question_key", "vector", "embedder")]
    query = sa.select(*kept).where(pairs.c.pair_id.in_(ids))
    before = {row["pair_id"]: dict(row) for row in connection.execute(query).mappings()}
    rows = [
        _keep_vector(_pair_row(one), before.get(one.pair.pair_id))
        # A microsecond apart: pairs are listed in the order of their file.
        | {"created_at": now + timedelta(microseconds=place), "updated_at": now}
        for place, one in enumerate(indexed)
    ]
    rows = [row | {"created_at": before.get(row["pair_id"], row)["created_at"]} for row in rows]
    upsert(connection, pairs, rows)
    for table in (pair_evidence, pair_bands):
        connection.execute(sa.delete(table).where(table.c.pair_id.in_(ids)))
    evidence = [row for one in indexed for row in _evidence_rows(one.pair)]
    bands = [
        {"pair_id": one.pair.pair_id, "tenant": one.pair.tenant, "band": band}
        for one in indexed
        for band in dict.fromkeys(one.bands)
    ]
    for table, written in ((pair_evidence, evidence), (pair_bands, bands)):
        if written:
            connection.execute(sa.insert(table), written)


def _pair_row(indexed: IndexedPair) -> dict[str, Any]:
    pair = indexed.pair
    fields = pair.model_dump(mode="json", include={*_PLAIN, "groups", "findings", "accepted", "history"})
    vector = None if indexed.vector is None else indexed.vector.astype("<f2").tobytes()
    keys = {"content_key": _content_key(pair), "question_key": _question_key(pair.tenant, pair.question)}
    return fields | keys | {"vector": vector, "embedder": indexed.embedder}


def _keep_vector(row: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """An unchanged question keeps its vector where the writer brings none."""
    if row["vector"] is not None or before is None or before["question_key"] != row["question_key"]:
        return row
    return row | {"vector": before["vector"], "embedder": before["embedder"]}


def _evidence_rows(pair: Pair) -> list[dict[str, Any]]:
    return [
        {"pair_id": pair.pair_id, "position": position, **one.model_dump(mode="json", exclude={"uri", "title"})}
        for position, one in enumerate(pair.evidence)
    ]


def _read(connection: Connection, query: sa.Select[Any]) -> list[Pair]:
    return _complete(connection, connection.execute(query).mappings().all())


def _complete(connection: Connection, rows: Sequence[Any]) -> list[Pair]:
    """Pairs in the rows' order, with their evidence and today's readers."""
    query = (
        sa.select(
            pair_evidence,
            documents.c.uri,
            documents.c.groups.label("groups_now"),
            documents.c.live_version_id,
            versions.c.title,
        )
        .join(documents, documents.c.document_id == pair_evidence.c.document_id, isouter=True)
        .join(versions, versions.c.version_id == documents.c.live_version_id, isouter=True)
        .where(pair_evidence.c.pair_id.in_([row["pair_id"] for row in rows]))
        .order_by(pair_evidence.c.pair_id, pair_evidence.c.position)
    )
    by_pair: dict[str, list[Any]] = {}
    for row in connection.execute(query).mappings():
        by_pair.setdefault(row["pair_id"], []).append(row)
    return [_pair(row, by_pair.get(row["pair_id"], [])) for row in rows]


def _pair(row: Any, evidence: Sequence[Any]) -> Pair:
    groups = None if row["groups"] is None else tuple(row["groups"])
    readable = [one["groups_now"] if one["live_version_id"] else [] for one in evidence]
    return Pair(
        **{name: row[name] for name in _PLAIN},
        groups=groups,
        findings=row["findings"],
        accepted=tuple(row["accepted"]),
        history=row["history"],
        evidence=tuple(map(_evidence, evidence)),
        readers=intersect_readers([*readable, *([groups] if groups is not None else [])]),
    )


def _evidence(row: Any) -> Evidence:
    return Evidence(
        **{name: row[name] for name in ("document_id", "quote", "start", "end", "version_id", "proposed", "now")},
        groups=tuple(row["groups"]),
        uri=row["uri"] if row["live_version_id"] else "",
        title=row["title"] or "",
    )
