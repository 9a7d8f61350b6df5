"""The nouns of watching: what waits and what was decided, and a number as it is told to those who watch."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from tasks.case_models import Decision
from tasks.models import Noun


class Waiting(Noun):
    """Cases of one process that nobody has worked on."""

    process: str
    cases: int
    oldest_at: datetime


class Decided(Noun):
    """Cases of one process that ended in one decision."""

    process: str
    decision: Decision
    cases: int


class Backlog(Noun):
    """What a tenant's database says of work done and work to do."""

    waiting: tuple[Waiting, ...] = ()
    decided: tuple[Decided, ...] = ()
    messages_waiting: int = 0
    adapters: dict[str, int] = Field(default={}, description="by state: what trainings led to")


class Point(Noun):
    """A number under its labels."""

    labels: dict[str, str]
    value: float


class Measurement(Noun):
    """What is measured under one name, at one moment; without points while there is nothing to count."""

    name: str = Field(description="as /metrics calls it, with its unit")
    kind: Literal["counter", "gauge"]
    description: str
    points: tuple[Point, ...] = ()
