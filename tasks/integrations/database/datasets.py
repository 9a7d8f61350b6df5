"""The `SplitStore` and `DatasetStore` ports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.curation_models import Dataset, Split
from tasks.errors import ConfigurationError
from tasks.integrations.database.curation_schema import dataset_pairs, datasets, document_splits
from tasks.integrations.database.engine import Database, upsert

_FIELDS = tuple(datasets.c[name] for name in Dataset.model_fields)


class DatabaseSplits:
    """What each document's pairs are used for; a row is written once and never changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_splits(self, tenant: str) -> dict[str, Split]:
        """By document_id."""
        query = sa.select(document_splits.c.document_id, document_splits.c.split)
        with self._database.read() as connection:
            rows = connection.execute(query.where(document_splits.c.tenant == tenant))
            return {row.document_id: Split(row.split) for row in rows}

    def find_by_text(self, tenant: str, text_hash: str) -> Split | None:
        """The split of a document with this text, gone ones included."""
        query = (
            sa.select(document_splits.c.split)
            .where(document_splits.c.tenant == tenant, document_splits.c.text_hash == text_hash)
            .order_by(document_splits.c.assigned_at)
            .limit(1)
        )
        with self._database.read() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return Split(found) if found else None

    def assign(self, tenant: str, splits: Mapping[str, tuple[Split, str]]) -> None:
        """Keep (split, text_hash) by document_id; those that have one keep it."""
        with self._database.write() as connection:
            known = set(connection.execute(sa.select(document_splits.c.document_id)).scalars())
            now = datetime.now(UTC)
            rows = [
                {"document_id": key, "tenant": tenant, "split": split, "text_hash": text_hash, "assigned_at": now}
                for key, (split, text_hash) in splits.items()
                if key not in known
            ]
            if rows:
                connection.execute(sa.insert(document_splits), rows)


class DatabaseDatasets:
    """Snapshots by id; their bytes lie in files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_dataset(self, dataset: Dataset, manifest: Mapping[str, Any], pairs: Mapping[str, Split]) -> Dataset:
        """Keep one; the same one twice is one. Returns what is kept, with the time of its first snapshot."""
        query = sa.select(*_FIELDS).where(datasets.c.dataset_id == dataset.dataset_id)
        with self._database.write() as connection:
            known = connection.execute(query).mappings().one_or_none()
            if known:
                return Dataset.model_validate(dict(known))
            connection.execute(sa.insert(datasets).values(**dataset.model_dump(), manifest=dict(manifest)))
            _write_members(connection, dataset.dataset_id, pairs)
        return dataset

    def list_datasets(self, tenant: str) -> list[Dataset]:
        """Every one, the newest first."""
        query = sa.select(*_FIELDS).where(datasets.c.tenant == tenant).order_by(datasets.c.created_at.desc())
        with self._database.read() as connection:
            return [Dataset.model_validate(dict(row)) for row in connection.execute(query).mappings()]

    def find_dataset(self, tenant: str, name: str) -> Dataset:
        """The one of an id or of its unique beginning.

        Raises:
            ConfigurationError: There is none, or more than one.
        """
        found = [one for one in self.list_datasets(tenant) if name and one.dataset_id.startswith(name)]
        if len(found) != 1:
            problem = "no dataset has" if not found else "more than one dataset has"
            raise ConfigurationError(
                f"{problem} an id that begins with {name!r}", advice="see them with: expertloop curate datasets"
            )
        return found[0]


def _write_members(connection: Connection, dataset_id: str, pairs: Mapping[str, Split]) -> None:
    rows = [{"dataset_id": dataset_id, "pair_id": key, "split": split.value} for key, split in sorted(pairs.items())]
    upsert(connection, dataset_pairs, rows)
