"""Traces and numbers as the SDK's own in-memory exporters get them from the real server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from expertloop.server.app import build_app
from expertloop.server.services import collect
from tasks.errors import ConfigurationError
from tasks.integrations.opentelemetry import OpenTelemetry
from tasks.settings import Settings
from tasks.telemetry_ports import Telemetry
from tests.fakes.http import serving
from tests.integration.service import NOTICE, Service, fill
from tests.integration.world import World


class Collector:
    """The SDK, and what it collected."""

    def __init__(self) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self._tracers, self._meters = TracerProvider(), MeterProvider([self._reader])
        self._tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.telemetry = OpenTelemetry(self._tracers, self._meters)

    def spans(self, name: str) -> list[Any]:
        return [span for span in self._spans.get_finished_spans() if span.name == name]

    def points(self) -> dict[str, list[tuple[dict[str, Any], float]]]:
        data: Any = self._reader.get_metrics_data()
        return {
            metric.name: [(dict(point.attributes), point.value) for point in metric.data.data_points]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def close(self) -> None:
        self._tracers.shutdown()
        self._meters.shutdown()


class WatchedWorld(World):
    """Its telemetry is the test's."""

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        super().__init__(settings)
        self.told = telemetry

    @property
    def telemetry(self) -> Telemetry:
        return self.told


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def service(home: Path, prefect_api: None, monkeypatch: pytest.MonkeyPatch, collector: Collector) -> Iterator[Service]:
    from tasks.wiring import use_application

    monkeypatch.setenv("EXPERTLOOP_GENERATOR", "none")
    world = WatchedWorld(Settings(), collector.telemetry)
    use_application(world)
    fill(world)
    with serving(build_app(collect(world))) as address:
        made = Service(world, address)
        yield made
        made.client.close()


def test_a_question_is_a_trace_and_a_number_and_no_word_of_it_is_told(service: Service, collector: Collector) -> None:
    key = service.key("anna", "hr")
    assert "six weeks" in service.answer(key, NOTICE)["text"]
    service.answer(key, "Who founded Rome?")
    told = collector.points()
    modes = {(labels["mode"], labels["reason"]): value for labels, value in told["expertloop_answers"]}
    assert modes["extractive", ""] == 1
    assert sum(modes.values()) == 2
    assert {labels["part"]: value for labels, value in told["expertloop_answer_seconds_count"]}["search"] == 2
    requests = [span for span in collector.spans("request") if span.attributes["http.route"] == "/v1/answers"]
    assert [span.attributes["http.response.status_code"] for span in requests] == [200, 200]
    events = [event for span in collector.spans("answers") for event in span.events]
    assert [event.attributes["request_id"] for event in events] == [one.attributes["request_id"] for one in requests]
    assert all(event.attributes["total_seconds"] > 0 for event in events)
    links = [link.context.span_id for span in collector.spans("answers") for link in span.links]
    assert links == [one.context.span_id for one in requests]
    everything = repr([*map(vars, collector.spans("answers")), *(span.to_json() for span in requests), told])
    assert not any(word in everything for word in ("notice", "Rome", "six weeks", "anna"))


def test_an_error_is_noted_by_its_kind_and_not_by_its_words(collector: Collector) -> None:
    def fail() -> None:
        with collector.telemetry.span("cases", {"process": "claims"}):
            raise ConfigurationError("Eva asked about hail", advice="")

    with pytest.raises(ConfigurationError):
        fail()
    (span,) = collector.spans("cases")
    assert span.status.description == "ConfigurationError"
    assert "Eva" not in span.to_json()


PROGRAM = """
from tasks.settings import Settings
from tasks.telemetry_models import Measurement, Point
from tasks.wiring import application

telemetry = application(Settings()).telemetry
three = Measurement(name="answers", kind="counter", description="", points=(Point(labels={}, value=3),))
telemetry.export(lambda: [three])
with telemetry.span("training", {"dataset_id": "d1"}):
    pass
"""


class Received(BaseHTTPRequestHandler):
    """A collector over HTTP, which says yes to everything."""

    bodies: ClassVar[dict[str, bytes]] = {}

    def do_POST(self) -> None:
        self.bodies[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_what_a_process_leaves_is_sent_at_its_end_to_whom_the_standard_variables_name(home: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Received) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": "answers-of-acme"}
        subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, timeout=120)
        server.shutdown()
        thread.join()
    assert set(Received.bodies) == {"/v1/traces", "/v1/metrics"}
    assert all(b"answers-of-acme" in body for body in Received.bodies.values())
    assert b"training" in Received.bodies["/v1/traces"]
    assert b"answers" in Received.bodies["/v1/metrics"]
