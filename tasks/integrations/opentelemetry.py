"""OpenTelemetry (https://opentelemetry.io/docs/specs/otel): traces and metrics to any collector.

Everything is written against its API, which does nothing until an SDK is there: off costs nothing and is one code path.
The SDK reads the standard OTEL_* variables: where to send, how often, what to sample, how this service is called.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, NoOpMeterProvider, Observation
from opentelemetry.trace import (
    Link,
    NoOpTracerProvider,
    SpanContext,
    Status,
    StatusCode,
    Tracer,
    TracerProvider,
    get_current_span,
)
from opentelemetry.trace import Span as ApiSpan

from tasks.errors import ConfigurationError
from tasks.telemetry_models import Measurement
from tasks.telemetry_ports import Fact, Origin, Span

_SERVICE = "expertloop"
_REMEMBERED_SECONDS = 1.0


class OpenTelemetry:
    """The `Telemetry` port.

    Args:
        tracers: Where spans go; nowhere unless told.
        meters: Where numbers go; nowhere unless told.
    """

    def __init__(self, tracers: TracerProvider | None = None, meters: MeterProvider | None = None) -> None:
        self._tracer: Tracer = (tracers or NoOpTracerProvider()).get_tracer(_SERVICE)
        self._meter: Meter = (meters or NoOpMeterProvider()).get_meter(_SERVICE)

    @contextmanager
    def span(self, name: str, facts: dict[str, Fact], causes: Sequence[Origin] = ()) -> Iterator[Span]:
        """A piece of work, within the one that goes on in this thread; an exception is noted by its kind alone."""
        links = [Link(cause) for cause in causes if isinstance(cause, SpanContext)]
        # Its message and its stack can hold what somebody asked.
        with self._tracer.start_as_current_span(
            name, attributes=facts, links=links, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield _Span(span)
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    def find_origin(self) -> Origin | None:
        """The piece of work that goes on in this thread or task; None: none does, or nobody is told."""
        context = get_current_span().get_span_context()
        return context if context.is_valid else None

    def export(self, measure: Callable[[], Sequence[Measurement]]) -> None:
        """Tell these numbers now and then, from now on; what has no name yet is never told."""
        snapshot, meter = _Snapshot(measure), self._meter
        create = {"gauge": meter.create_observable_gauge, "counter": meter.create_observable_counter}
        for one in measure():
            create[one.kind](one.name, callbacks=[partial(_observe, snapshot, one.name)], description=one.description)


class _Span:
    """The `Span` port."""

    def __init__(self, span: ApiSpan) -> None:
        self._span = span

    def add_facts(self, facts: dict[str, Fact]) -> None:
        self._span.set_attributes(facts)

    def add_event(self, name: str, facts: dict[str, Fact]) -> None:
        self._span.add_event(name, facts)


class _Snapshot:
    """Measured once for all instruments of one export."""

    def __init__(self, measure: Callable[[], Sequence[Measurement]]) -> None:
        self._measure = measure
        self._known: Sequence[Measurement] = ()
        self._until = float("-inf")

    def read(self) -> Sequence[Measurement]:
        if time.monotonic() >= self._until:
            self._known, self._until = self._measure(), time.monotonic() + _REMEMBERED_SECONDS
        return self._known


def _observe(snapshot: _Snapshot, name: str, _options: CallbackOptions) -> Iterable[Observation]:
    return [
        Observation(point.value, point.labels) for one in snapshot.read() if one.name == name for point in one.points
    ]


def open_sdk() -> OpenTelemetry:
    """With the SDK and its OTLP exporter, both told by OTEL_* variables; what is left is sent when the process ends.

    Raises:
        ConfigurationError: They are not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk import metrics, resources, trace
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "EXPERTLOOP_TELEMETRY or an OTEL_* variable asks for OpenTelemetry, whose SDK is not installed",
            advice="pip install 'expertloop[telemetry]', or set EXPERTLOOP_TELEMETRY=false",
        ) from error
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before this.
    resource = resources.Resource({"service.name": _SERVICE}).merge(resources.OTELResourceDetector().detect())
    tracers = trace.TracerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    return OpenTelemetry(tracers, metrics.MeterProvider([reader], resource=resource))
