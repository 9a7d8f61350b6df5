"""How the command line speaks: people read stderr and tables, programs read JSON lines on stdout."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from tasks.errors import ProductError

console = Console(highlight=False, soft_wrap=True)
messages = Console(stderr=True, highlight=False, soft_wrap=True)

_PIPED_COLUMNS = 200


def print_json(record: BaseModel | dict[str, Any]) -> None:
    """One JSON object on one line of stdout."""
    text = record.model_dump_json() if isinstance(record, BaseModel) else json.dumps(record, ensure_ascii=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tell_moment(at: datetime | None) -> str:
    """A time as people here read it: of their own zone, to the minute."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}" if at else ""


def print_error(error: ProductError) -> None:
    """Two lines: what happened, and what to do."""
    messages.print(f"[bold red]error:[/] {escape(error.message)}")
    if error.advice:
        messages.print(f"[bold]what to do:[/] {escape(error.advice)}")


def print_note(text: str) -> None:
    """A line for the person at the terminal."""
    messages.print(escape(text), style="dim")


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A table for people; cells are data, never markup."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    # A file and a pipe have no edge at which a line must be folded.
    wide = console if console.is_terminal else Console(width=_PIPED_COLUMNS, highlight=False, soft_wrap=True)
    wide.print(table)


def escape(text: str) -> str:
    """Text as data: no markup, no control characters that a terminal would obey."""
    from rich.markup import escape as escape_markup

    return escape_markup("".join(c if c.isprintable() or c in "\n\t" else "�" for c in text))


def configure_logging(level: str) -> None:
    """Our own events on stderr, as event and key=value."""
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
