"""What is on a server against what should be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_MOST_SHOWN = 80


def compare_fields(there: Mapping[str, Any], wished: Mapping[str, Any]) -> tuple[str, ...]:
    """A line for each field that is not what it should be."""
    differing = (name for name in wished if there[name] != wished[name])
    return tuple(f"{name.replace('_', ' ')}: {_show(there[name])} → {_show(wished[name])}" for name in differing)


def _show(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
