"""What Prometheus reads: counts and times, nothing of anybody's questions. The registry is this server's own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tasks.models import Answer

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_QUESTIONS = (1, 2, 4, 8, 16, 32)


class Metrics:
    """Everything that is counted."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "expertloop_requests", "requests answered", ("method", "route", "status"), registry=registry
        )
        self._latency = Histogram(
            "expertloop_request_seconds", "time to the last byte", ("route",), buckets=_SECONDS, registry=registry
        )
        self.in_flight = Gauge("expertloop_requests_in_flight", "requests being answered", registry=registry)
        self._answers = Counter("expertloop_answers", "answers given", ("mode", "reason"), registry=registry)
        self._batches = Histogram(
            "expertloop_batch_questions", "questions answered together", buckets=_QUESTIONS, registry=registry
        )
        self.waiting = Gauge("expertloop_questions_waiting", "questions not begun", registry=registry)
        self.generator_failures = Counter(
            "expertloop_generator_failures", "times the generator did not answer", registry=registry
        )

    def count_request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """One request is done."""
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def count_answers(self, answers: list[Answer]) -> None:
        """A batch is answered."""
        self._batches.observe(len(answers))
        for answer in answers:
            self._answers.labels(answer.mode, answer.reason or "").inc()

    def render(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
