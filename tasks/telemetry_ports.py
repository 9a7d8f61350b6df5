"""What watching needs: spans for what takes time, and somebody who is told the numbers now and then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from tasks.telemetry_models import Measurement

Fact = str | bool | int | float
"""Names, counts and seconds; never a question, an answer or a document's text."""


Origin = object
"""A piece of work, as one that it causes elsewhere names it."""


class Span(Protocol):
    """A piece of work that is going on."""

    def add_facts(self, facts: dict[str, Fact]) -> None:
        """What is known by now."""

    def add_event(self, name: str, facts: dict[str, Fact]) -> None:
        """Something happened in it."""


class Telemetry(Protocol):
    """Tells a collector of traces and metrics, or nobody."""

    def span(self, name: str, facts: dict[str, Fact], causes: Sequence[Origin] = ()) -> AbstractContextManager[Span]:
        """A piece of work, within the one that goes on in this thread; an exception is noted by its kind alone.

        Args:
            name: What it is.
            facts: What is known of it.
            causes: Pieces of work elsewhere that it is done for.
        """

    def find_origin(self) -> Origin | None:
        """The piece of work that goes on in this thread or task; None: none does, or nobody is told."""

    def export(self, measure: Callable[[], Sequence[Measurement]]) -> None:
        """Tell these numbers now and then, from now on."""
