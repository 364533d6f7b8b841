"""Metrics: the one seam between the package and what counts. Off by default, and then one test of `recorder`.

`METRICS` chooses the recorder. Callers name a metric of the catalogue by its last part, without the prefix.
A recorder that raises is logged once, and disturbs no request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol, cast

from websocket_gateway.log_records import get_logger
from websocket_gateway.metrics.catalogue import METRICS, PREFIX, Metric, allowed, close

__all__ = ["Recorder", "close", "count", "record", "span", "spare_stdout", "switch", "timed"]

logger = get_logger(__name__)

TRACE_HEADER: Final = "X-Amzn-Trace-Id"
"""Set by API Gateway and load balancers of AWS; see `otel.parse_trace`."""

Labels = Mapping[str, str]
"""Labels by the names of the catalogue; absent ones are left out."""


class Recorder(Protocol):
    """Takes what happens. Called from any thread; must neither block nor raise."""

    def add(self, metric: Metric, number: int, labels: Labels) -> None:
        """Add to a counter, or to an up-down counter, where `number` may be negative."""
        ...

    def record(self, metric: Metric, value: float, labels: Labels) -> None:
        """Record a value of a histogram."""
        ...

    def span(self, name: str, attributes: Labels, trace: str) -> AbstractContextManager[Any] | None:
        """A span for the length of a block, or None; `trace` is the header of API Gateway, or empty."""
        ...

    def flush(self) -> None:
        """Write what is waiting."""
        ...


recorder: Recorder | None = None
"""None while metrics are off."""
_complained: set[str] = set()


def switch(made: Recorder | None) -> None:
    """Record with this from now on; None switches metrics off."""
    global recorder
    before, recorder = recorder, made
    if before is not None and before is not made:
        _quietly(before.flush)


def spare_stdout() -> None:
    """Leave stdout alone: this process is a command, whose report is written there."""
    spare = getattr(recorder, "spare_stdout", None)
    if spare is not None:
        spare()


def count(name: str, number: int = 1, **labels: str | None) -> None:
    """Add `number` to a counter."""
    if recorder is not None and number:
        metric, shown = _known.get((name, *labels.items())) or _resolve(name, labels)
        try:
            recorder.add(metric, number, shown)
        except Exception as exc:  # noqa: BLE001 - whatever a recorder does, the request goes on
            _complain(exc)


def record(name: str, value: float, **labels: str | None) -> None:
    """Record a value of a histogram."""
    if recorder is not None:
        metric, shown = _known.get((name, *labels.items())) or _resolve(name, labels)
        try:
            recorder.record(metric, value, shown)
        except Exception as exc:  # noqa: BLE001 - as above
            _complain(exc)


def has_spans() -> bool:
    """Whether the recorder has spans; one without the attribute `has_spans` is asked for each."""
    return recorder is not None and getattr(recorder, "has_spans", True)


def span(name: str, *, trace: str = "", **attributes: str) -> AbstractContextManager[Any]:
    """A span for the length of the block, if the recorder has spans."""
    if recorder is None or not has_spans():
        return _NO_SPAN
    made = _quietly(recorder.span, f"{PREFIX}.{name}", attributes, trace)
    return _NO_SPAN if made is None else _QuietSpan(made)


class _QuietSpan:
    """A span of a recorder, whose errors are logged only."""

    __slots__ = ("_span",)

    def __init__(self, made: AbstractContextManager[Any]) -> None:
        self._span = made

    def __enter__(self) -> None:
        _quietly(self._span.__enter__)

    def __exit__(self, *raised: Any) -> None:
        _quietly(self._span.__exit__, *raised)


class timed:  # noqa: N801 - used as a function
    """Time the block as `name.duration`, within a span `name`; `error_of` answers the label `error.type`."""

    __slots__ = ("_begun", "_error_of", "_labels", "_name", "_span")

    def __init__(
        self, name: str, *, error_of: Callable[[Exception], str] | None = None, **labels: str | None
    ) -> None:
        self._name, self._error_of, self._labels = name, error_of, labels

    def __enter__(self) -> None:
        self._begun = time.perf_counter()
        self._span = span(self._name, **cast("dict[str, str]", self._labels))
        self._span.__enter__()

    def __exit__(self, kind: Any, raised: BaseException | None, traceback: Any) -> None:
        self._span.__exit__(kind, raised, traceback)
        if recorder is None:
            return
        if isinstance(raised, Exception):
            self._labels["error_type"] = self._error_of(raised) if self._error_of else "exception"
        record(f"{self._name}.duration", time.perf_counter() - self._begun, **self._labels)


_NO_SPAN: Final = nullcontext()
_known: dict[tuple[object, ...], tuple[Metric, Labels]] = {}
"""Metrics by name and labels. Only values of closed sets are kept, so a client cannot make it grow."""


def _resolve(name: str, labels: Mapping[str, str | None]) -> tuple[Metric, Labels]:
    """The metric, and its labels as they may be shown: of the catalogue, with values of closed sets."""
    metric = METRICS[f"{PREFIX}.{name}"]
    kept = {argument: allowed(metric.labels[argument], value) for argument, value in labels.items()}
    shown = {metric.labels[argument].name: value for argument, value in kept.items() if value is not None}
    if kept == labels:
        _known[(name, *labels.items())] = metric, shown
    return metric, shown


def _quietly(function: Callable[..., Any], *args: object) -> Any:
    try:
        return function(*args)
    except Exception as exc:  # noqa: BLE001 - as above
        _complain(exc)
        return None


def _complain(exc: Exception) -> None:
    """Log the first error of each type."""
    if type(exc).__name__ not in _complained:
        _complained.add(type(exc).__name__)
        logger.error(
            "Metrics are not recorded; more errors of this type are not logged.",
            exc_info=exc,
            extra={"event": "metrics_failed"},
        )
