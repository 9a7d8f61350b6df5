"""Rows to Weaviate's objects, and a search's filter to Weaviate's.

Values that are compared whole are kept between bars: `field` tokenisation trims blanks, and an empty text is no value
at all to Weaviate, while "" and " hr" are different groups to us.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid5

from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter

from tasks.integrations.store_values import clean_text, in_utc
from tasks.integrations.weaviate.schema import TEXTS
from tasks.ports import IndexQuery, IndexRow

_NAMESPACE = UUID("9f2f0a4e-2f1b-5f0e-8a53-2f6f4c1c7f10")


def object_id(chunk_id: str) -> str:
    """The chunk_id itself where it is a UUID, as the product's are; else the UUID derived from it."""
    try:
        if str(UUID(chunk_id)) == chunk_id:
            return chunk_id
    except ValueError:
        pass
    return str(uuid5(_NAMESPACE, clean_text(chunk_id)))


def to_object(row: IndexRow) -> DataObject[dict[str, Any], None]:
    """What is stored of a row; its tenant is the place, not a property."""
    properties: dict[str, Any] = {
        "chunk_id": clean_text(row.chunk_id),
        "keywords": clean_text(row.keywords),
        **{name: exact_value(getattr(row, name)) for name in TEXTS},
        **reader_properties(row.readers),
    }
    if row.modified is not None:
        properties["modified"] = in_utc(row.modified)
    return DataObject(properties=properties, uuid=object_id(row.chunk_id), vector=row.vector.tolist())


def reader_properties(readers: Sequence[str]) -> dict[str, Any]:
    """The readers, and one value that says which they are all together."""
    return {"readers": [exact_value(name) for name in readers], "readers_key": readers_key(readers)}


def readers_key(readers: Iterable[str]) -> str:
    """Equal for equal sets of readers."""
    return hashlib.sha256("\0".join(sorted(map(clean_text, set(readers)))).encode()).hexdigest()[:32]


def exact_value(value: str) -> str:
    """A value whose every character counts."""
    return f"|{clean_text(value)}|"


def to_filter(query: IndexQuery) -> Any:
    """The conditions of a search, pushed down; its tenant is chosen before."""
    narrowed = {"source": query.filter.sources, "language": query.filter.languages, "document_type": query.filter.types}
    conditions = [_is_any("readers", query.principals)]
    conditions += [_is_any(name, values) for name, values in narrowed.items() if values is not None]
    if query.filter.modified_after is not None:
        conditions.append(Filter.by_property("modified").greater_or_equal(in_utc(query.filter.modified_after)))
    if query.filter.modified_before is not None:
        conditions.append(Filter.by_property("modified").less_than(in_utc(query.filter.modified_before)))
    return Filter.all_of(conditions)


def _is_any(name: str, values: Iterable[str]) -> Any:
    return Filter.by_property(name).contains_any([exact_value(value) for value in sorted(values)])
