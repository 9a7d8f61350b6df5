"""Marks datasets whose pairs not everyone may read any more whom their adapters would serve (rule 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from tasks.curation_models import Dataset, Pair
from tasks.erasure_models import DatasetMark
from tasks.erasure_ports import MarkStore
from tasks.models import EVERYONE


class DatasetMembers(Protocol):
    """What datasets were made of."""

    def list_datasets(self, tenant: str) -> list[Dataset]:
        """Every one of the tenant."""

    def list_members(self, dataset_id: str) -> list[str]:
        """pair_ids of a dataset, those that are only examined left out."""

    def read_pairs(self, tenant: str, pair_ids: Sequence[str]) -> list[Pair]:
        """Those of the ids that there are, with who may read them today."""


def mark_narrowed(tenant: str, members: DatasetMembers, marks: MarkStore, *, now: datetime) -> list[str]:
    """Mark every dataset that its scope may not read any more; where it may again, the mark goes.

    Returns:
        The dataset_ids that are marked now.
    """
    found = list(_find_narrowed(tenant, members))
    marks.replace_narrowed(tenant, found, now)
    return [mark.dataset_id for mark in found]


def _find_narrowed(tenant: str, members: DatasetMembers) -> Iterator[DatasetMark]:
    for dataset in members.list_datasets(tenant):
        pairs = members.read_pairs(tenant, members.list_members(dataset.dataset_id))
        closed = sum(not _may_read(dataset.scope, pair) for pair in pairs)
        if closed:
            reason = f"{closed} of its pairs may not be read any more by {dataset.scope}"
            yield DatasetMark(dataset.dataset_id, "narrowed", reason)


def _may_read(scope: str, pair: Pair) -> bool:
    return not {EVERYONE, scope}.isdisjoint(pair.readers)
