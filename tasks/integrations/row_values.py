"""Values of rows as people write them."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal


def format_value(value: object, language: str | None = None) -> str:
    """A value as people write it; nothing is an empty text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool | int | float | Decimal):
        return _format_number(value, language)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return _format_bytes(bytes(value))
    if isinstance(value, list | tuple | dict):
        return _format_collection(value, language)
    return str(value).encode("utf-8", "replace").decode()


def _format_number(value: int | float | Decimal, language: str | None) -> str:
    if isinstance(value, bool):
        return ("ja" if value else "nein") if language == "de" else ("yes" if value else "no")
    if isinstance(value, Decimal):
        return format(value, "f")
    if not math.isfinite(value):
        return "" if math.isnan(value) else str(value)
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else str(value)


def _format_collection(value: list[object] | tuple[object, ...] | dict[object, object], language: str | None) -> str:
    if not isinstance(value, dict) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(format_value(item, language) for item in value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _format_bytes(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if text.isprintable():
        return text
    return value.hex() if len(value) <= 32 else f"{len(value):,} bytes"


def read_time(value: object) -> datetime | None:
    """A moment in UTC from a cell: a date, an ISO 8601 text or seconds since 1970; None where it is none of them."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            value = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
