"""Counts and times, nothing of anybody's questions: what Prometheus reads, and what OpenTelemetry is told.

The registry is this server's own, and the only place where anything is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from expertloop.server.backlog import BacklogCollector
from tasks.answer_models import Answer
from tasks.settings import find_counts
from tasks.telemetry_models import Backlog, Measurement, Point

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_PARTS = ("search", "generate", "total")
_QUESTIONS = (1, 2, 4, 8, 16, 32)


class Metrics:
    """Everything that is counted.

    Args:
        backlog: Reads what waits; None leaves it out.
    """

    def __init__(self, backlog: Callable[[], Backlog] | None = None) -> None:
        registry = self._registry = CollectorRegistry()
        self._shown = registry
        self._requests = Counter(
            "expertloop_requests", "requests answered", ("method", "route", "status"), registry=registry
        )
        self._latency = Histogram(
            "expertloop_request_seconds", "time to the last byte", ("route",), buckets=_SECONDS, registry=registry
        )
        self.in_flight = _gauge("expertloop_requests_in_flight", "requests being answered", registry)
        self._answers = Counter("expertloop_answers", "answers given", ("mode", "reason"), registry=registry)
        self._parts = Histogram(
            "expertloop_answer_seconds", "where an answer's time went", ("part",), buckets=_SECONDS, registry=registry
        )
        self._tokens = Counter("expertloop_tokens", "tokens of the generator", ("kind",), registry=registry)
        self._batches = Histogram(
            "expertloop_batch_questions", "questions answered together", buckets=_QUESTIONS, registry=registry
        )
        self.waiting = _gauge("expertloop_questions_waiting", "questions not begun", registry)
        self.generator_failures = Counter(
            "expertloop_generator_failures", "times the generator did not answer", registry=registry
        )
        if find_counts():
            self._shown = CollectorRegistry()
            MultiProcessCollector(self._shown)  # type: ignore[no-untyped-call]
        if backlog:
            collector = BacklogCollector(backlog)
            for one in {registry, self._shown}:
                one.register(collector)

    def count_request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """One request is done."""
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def count_answers(self, answers: list[Answer]) -> None:
        """A batch is answered."""
        self._batches.observe(len(answers))
        for answer in answers:
            self._answers.labels(answer.mode, answer.reason or "").inc()
            self._tokens.labels("prompt").inc(answer.prompt_tokens)
            self._tokens.labels("completion").inc(answer.completion_tokens)
            for part in _PARTS:
                self._parts.labels(part).observe(getattr(answer.timings, f"{part}_seconds"))

    def render(self) -> bytes:
        """In Prometheus' text format; where several processes serve, their sums."""
        return generate_latest(self._shown)

    def measure(self) -> list[Measurement]:
        """The same numbers for who does not read text; of a histogram its count and its sum."""
        return [measurement for family in self._registry.collect() for measurement in _measure(family)]


def _gauge(name: str, description: str, registry: CollectorRegistry) -> Gauge:
    """Where several processes serve, the sum over those that live."""
    return Gauge(name, description, registry=registry, multiprocess_mode="livesum")


def _measure(family: Metric) -> Iterator[Measurement]:
    ends = {"histogram": ("_count", "_sum"), "counter": ("_total",)}.get(family.type, ("",))
    for end in ends:
        yield Measurement(
            name=family.name + end.removesuffix("_total"),
            kind="gauge" if family.type == "gauge" else "counter",
            description=family.documentation,
            points=tuple(
                Point(labels=sample.labels, value=sample.value)
                for sample in family.samples
                if sample.name == family.name + end
            ),
        )
