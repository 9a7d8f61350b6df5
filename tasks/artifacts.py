"""What a run leaves on its page in Prefect: tables, words and pictures; never a customer's words or a document's."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact


def show_table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    """Rows under a key, under which the page also shows those of earlier runs."""
    create_table_artifact(key=key, table=[dict(row) for row in rows], description=description)


def show_points(key: str, points: Sequence[str], description: str) -> None:
    """One line a point."""
    create_markdown_artifact(key=key, markdown="\n".join(f"- {point}" for point in points), description=description)


def show_picture(key: str, png: bytes, description: str) -> None:
    """A PNG, in the artifact itself: a path would lead nowhere on another machine.

    In words, since below an image artifact its page writes out the whole URL.
    """
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    create_markdown_artifact(key=key, markdown=f"![{key}]({url})", description=description)
