"""Metrics and spans through OpenTelemetry's API, for the providers and exporters that the project configures.

Without a provider the API does nothing. The extra `otel` installs API and SDK.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final

from opentelemetry import context, metrics, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from websocket_gateway import __version__
from websocket_gateway.metrics.catalogue import PREFIX, PROCESS, Kind, Metric

BOUNDARIES: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Of histograms in seconds, as the conventions advise for HTTP servers:
https://opentelemetry.io/docs/specs/semconv/http/http-metrics/
"""
_LOOKS: Final = 1_000
TRACE_ATTRIBUTE: Final = f"{PREFIX}.aws.trace_id"
_ROOT: Final = r"1-[0-9a-f]{8}-[0-9a-f]{24}"
_PARENT: Final = r"[0-9a-f]{16}"
_ERROR: Final = trace.Status(trace.StatusCode.ERROR)


class OtelRecorder:
    """Instruments and spans of the providers given, by default the global ones."""

    def __init__(
        self,
        meter_provider: metrics.MeterProvider | None = None,
        tracer_provider: trace.TracerProvider | None = None,
    ) -> None:
        meter = metrics.get_meter(PREFIX, __version__, meter_provider)
        self._tracer = trace.get_tracer(PREFIX, __version__, tracer_provider)
        self._has_spans = tracer_provider is not None
        self._looks_left = _LOOKS
        self._take: dict[str, Callable[..., None]] = {
            metric.name: _instrument(meter, metric) for metric in PROCESS
        }

    def add(self, metric: Metric, number: int, labels: Mapping[str, str]) -> None:
        """See `Recorder.add`."""
        self._take[metric.name](number, labels)

    def record(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """See `Recorder.record`."""
        self._take[metric.name](value, labels)

    def bind(self, metric: Metric, labels: Mapping[str, str]) -> Callable[[float], None]:
        """See `Recorder`: the instrument with these labels. Everything else is the cost of the SDK."""
        return partial(self._take[metric.name], attributes=labels)

    def span(self, name: str, attributes: Mapping[str, str], trace: str) -> AbstractContextManager[None]:
        """See `Recorder.span`."""
        return self._span(name, attributes, trace)

    @property
    def has_spans(self) -> bool:
        """Whether the project has set a tracer provider; after `_LOOKS` without one it is not asked again."""
        if not self._has_spans and self._looks_left:
            self._looks_left -= 1
            self._has_spans = has_tracer_provider()
        return self._has_spans

    @contextmanager
    def _span(self, name: str, attributes: Mapping[str, str], trace: str) -> Iterator[None]:
        """An exception is noted by its type, without its message and traceback."""
        root, parent = parse_trace(trace)
        shown = {f"{PREFIX}.{key}": value for key, value in attributes.items()}
        if root:
            shown[TRACE_ATTRIBUTE] = root
        with self._tracer.start_as_current_span(
            name, context=parent, attributes=shown, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as exc:
                span.set_attribute("error.type", type(exc).__qualname__)
                span.set_status(_ERROR)
                raise

    def flush(self) -> None:
        """The readers and processors of the SDK flush by themselves."""


def has_tracer_provider() -> bool:
    """Whether the project has set one; without it, spans lead nowhere."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _instrument(meter: metrics.Meter, metric: Metric) -> Callable[..., None]:
    about = {"unit": metric.unit, "description": metric.help}
    if metric.kind is Kind.HISTOGRAM:
        return meter.create_histogram(
            metric.name, **about, explicit_bucket_boundaries_advisory=BOUNDARIES
        ).record
    if metric.kind is Kind.UP_DOWN_COUNTER:
        return meter.create_up_down_counter(metric.name, **about).add
    return meter.create_counter(metric.name, **about).add


def parse_trace(header: str) -> tuple[str, context.Context | None]:
    """The trace id of `X-Amzn-Trace-Id`, and the context of its parent, where the header names one.

    Anything that AWS would not write is ignored.
    https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
    """
    fields = dict(part.strip().split("=", 1) for part in header[:200].split(";") if "=" in part)
    root, parent = fields.get("Root", ""), fields.get("Parent", "")
    if not re.fullmatch(_ROOT, root):
        return "", None
    if not re.fullmatch(_PARENT, parent) or not int(parent, 16):
        return root, None
    flags = TraceFlags(TraceFlags.SAMPLED if fields.get("Sampled") == "1" else TraceFlags.DEFAULT)
    trace_id = int(root.replace("-", "")[1:], 16)
    remote = SpanContext(trace_id, int(parent, 16), is_remote=True, trace_flags=flags)
    return root, trace.set_span_in_context(NonRecordingSpan(remote))
