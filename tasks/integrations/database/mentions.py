"""Finds names in JSON columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa


def mentions(column: sa.Column[Any], names: Sequence[str]) -> sa.ColumnElement[bool]:
    """Whether a JSON column holds one of the names, as JSON writes them; empty names are in none."""
    text = sa.cast(column, sa.Text)
    return sa.or_(sa.false(), *(text.contains(written, autoescape=True) for written in _write_names(names)))


def _write_names(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name:
            yield json.dumps(name)[1:-1]
