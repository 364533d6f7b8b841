"""Recorders that tests read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.metrics.emf_schema import check_line
from tests.metrics.figures import Counts, counts_of_exports, counts_of_lines
from websocket_gateway import metrics
from websocket_gateway.metrics.emf import EmfRecorder
from websocket_gateway.metrics.otel import OtelRecorder


class Kept:
    """An output that keeps lines, or refuses them while `full`."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.full = False

    def write(self, line: bytes) -> bool:
        if not self.full:
            self.lines.append(line)
        return not self.full


class Recorded:
    """A recorder that is switched on, and what it has recorded."""

    def counts(self) -> Counts:
        raise NotImplementedError


class RecordedEmf(Recorded):
    """Lines of EMF."""

    def __init__(self) -> None:
        self.output = Kept()
        self.recorder = EmfRecorder(self.output)

    def lines(self) -> list[dict[str, Any]]:
        """Every line, checked."""
        self.recorder.flush()
        found = [json.loads(line) for line in self.output.lines]
        for line in found:
            check_line(line)
        return found

    def counts(self) -> Counts:
        return counts_of_lines(self.lines())


class RecordedOtel(Recorded):
    """The in-memory exporters of OpenTelemetry's SDK."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._exporter = InMemorySpanExporter()
        self._meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self._tracers = TracerProvider(shutdown_on_exit=False)
        self._tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.recorder = OtelRecorder(self._meters, self._tracers)

    def export(self) -> dict[str, Any]:
        """The figures as the SDK's JSON."""
        data = self._reader.get_metrics_data()
        found: dict[str, Any] = json.loads(data.to_json()) if data else {"resource_metrics": []}
        return found

    def counts(self) -> Counts:
        return counts_of_exports([self.export()])

    def spans(self) -> list[ReadableSpan]:
        """The spans that ended, in that order."""
        return list(self._exporter.get_finished_spans())

    def close(self) -> None:
        self._meters.shutdown()
        self._tracers.shutdown()


@pytest.fixture
def emf() -> Iterator[RecordedEmf]:
    recorded = RecordedEmf()
    metrics.switch(recorded.recorder)
    yield recorded
    metrics.switch(None)


@pytest.fixture
def otel() -> Iterator[RecordedOtel]:
    recorded = RecordedOtel()
    metrics.switch(recorded.recorder)
    yield recorded
    metrics.switch(None)
    recorded.close()


@pytest.fixture(params=["emf", "otel"])
def recorded(request: pytest.FixtureRequest) -> Recorded:
    found: Recorded = request.getfixturevalue(request.param)
    return found
