"""What a collector is told: by the API's own interfaces here; with the SDK in tests/integration/test_telemetry.py."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from opentelemetry.metrics import CallbackOptions, NoOpMeter, NoOpMeterProvider, Observation

from tasks.errors import ConfigurationError
from tasks.integrations.opentelemetry import OpenTelemetry, open_sdk
from tasks.settings import Settings
from tasks.telemetry_models import Measurement, Point


class Instruments(NoOpMeter):
    """Remembers what was asked for, and asks it."""

    def __init__(self) -> None:
        super().__init__("test")
        self.callbacks: dict[str, tuple[str, Any]] = {}

    def create_observable_counter(self, name: str, callbacks: Any = None, unit: str = "", description: str = "") -> Any:
        self.callbacks[name] = ("counter", callbacks[0])

    def create_observable_gauge(self, name: str, callbacks: Any = None, unit: str = "", description: str = "") -> Any:
        self.callbacks[name] = ("gauge", callbacks[0])

    def ask(self, name: str) -> list[Observation]:
        return list(self.callbacks[name][1](CallbackOptions()))


class Meters(NoOpMeterProvider):
    def __init__(self) -> None:
        self.meter = Instruments()

    def get_meter(self, *_arguments: Any, **_options: Any) -> Instruments:
        return self.meter


def counted(name: str, *points: tuple[float, dict[str, str]]) -> Measurement:
    kind: Literal["gauge", "counter"] = "gauge" if name == "waiting" else "counter"
    told = tuple(Point(labels=labels, value=value) for value, labels in points)
    return Measurement(name=name, kind=kind, description="", points=told)


def test_each_name_is_one_instrument_and_its_labels_are_attributes() -> None:
    meters = Meters()
    generated, none = {"mode": "generated"}, {"mode": "none"}
    told = [counted("answers", (3, generated), (1, none)), counted("waiting")]
    OpenTelemetry(meters=meters).export(lambda: told)
    kinds = {name: kind for name, (kind, _) in meters.meter.callbacks.items()}
    assert kinds == {"answers": "counter", "waiting": "gauge"}
    found = [(one.value, one.attributes) for one in meters.meter.ask("answers")]
    assert found == [(3, generated), (1, none)]
    assert meters.meter.ask("waiting") == []


def test_all_instruments_of_one_export_are_measured_once() -> None:
    meters = Meters()
    measured: list[int] = []

    def measure() -> Sequence[Measurement]:
        measured.append(1)
        return [counted(name, (len(measured), {})) for name in ("answers", "waiting")]

    OpenTelemetry(meters=meters).export(measure)
    assert {meters.meter.ask(name)[0].value for name in ("answers", "waiting")} == {
        2
    }  # once for the names, once for all


def test_switched_off_nothing_happens_and_errors_pass() -> None:
    off = OpenTelemetry()
    off.export(lambda: [counted("answers", (1, {}))])

    def fail() -> None:
        with off.span("work", {"cases": 1}) as span:
            span.add_event("answer", {"mode": "none"})
            span.add_facts({"done": True})
            raise ConfigurationError("what was asked", advice="")

    with pytest.raises(ConfigurationError):
        fail()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "EXPERTLOOP_TELEMETRY": "false"}, False),
        ({"EXPERTLOOP_TELEMETRY": "true"}, True),
    ],
)
def test_it_is_on_when_somebody_is_named_or_the_setting_says_so(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, expected: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Settings().telemetry is expected


def test_a_missing_sdk_is_said_with_the_way_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter", None)
    with pytest.raises(ConfigurationError, match="not installed") as raised:
        open_sdk()
    assert "expertloop[telemetry]" in raised.value.advice
