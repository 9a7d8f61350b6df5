"""Work that waits as numbers of `/metrics`: read from the database when somebody looks, since runs come and go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tasks.errors import TransientError
from tasks.telemetry_models import Backlog

REMEMBERED_SECONDS = 5.0
"""Who looks more often sees the same numbers: these statements count rows."""


class BacklogCollector(Collector):
    """Cases, messages and adapters; nothing but `expertloop_database_up 0` while the database does not answer.

    Args:
        read: Asks the database.
        clock: Seconds that only grow.
    """

    def __init__(self, read: Callable[[], Backlog], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._known: Backlog | None = None
        self._read_at = float("-inf")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families, always the same ones and in the same order."""
        if self._clock() - self._read_at >= REMEMBERED_SECONDS:
            self._known, self._read_at = self._try(), self._clock()
        up = GaugeMetricFamily("expertloop_database_up", "whether the database answers")
        up.add_metric([], float(self._known is not None))
        yield up
        yield from _describe(self._known or Backlog(), datetime.now(UTC), known=self._known is not None)

    def _try(self) -> Backlog | None:
        try:
            return self._read()
        except TransientError:
            return None


def _describe(backlog: Backlog, now: datetime, *, known: bool) -> Iterator[GaugeMetricFamily]:
    cases = GaugeMetricFamily("expertloop_cases_waiting", "cases nobody worked on", labels=["process"])
    age = GaugeMetricFamily(
        "expertloop_oldest_waiting_case_seconds", "how long the oldest case has waited", labels=["process"]
    )
    for one in backlog.waiting:
        cases.add_metric([one.process], one.cases)
        age.add_metric([one.process], max(0.0, (now - one.oldest_at).total_seconds()))
    decided = GaugeMetricFamily("expertloop_cases_decided", "cases by decision", labels=["process", "decision"])
    for done in backlog.decided:
        decided.add_metric([done.process, done.decision.value], done.cases)
    messages = GaugeMetricFamily("expertloop_messages_waiting", "messages that have not left")
    if known:
        messages.add_metric([], backlog.messages_waiting)
    adapters = GaugeMetricFamily("expertloop_adapters", "what trainings led to", labels=["state"])
    for state, count in sorted(backlog.adapters.items()):
        adapters.add_metric([state], count)
    yield from (cases, age, decided, messages, adapters)
