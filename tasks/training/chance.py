"""What is drawn is drawn from names, so that it can be drawn again."""

from __future__ import annotations

import random


def open_random(*parts: object) -> random.Random:
    """A generator that gives the same numbers for the same parts on every machine."""
    return random.Random(" ".join(map(str, parts)))  # noqa: S311  # for order, not for secrets
