"""Metrics: the one seam between the package and what counts. Off by default, and then one test of `recorder`.

`METRICS` chooses the recorder. Callers name a metric of the catalogue by its last part, without the prefix.
A recorder that raises is logged once, and disturbs no request. `takers` keeps a function for each metric and
set of labels, so that labels are checked once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol, cast

from websocket_gateway.log_records import get_logger
from websocket_gateway.metrics.catalogue import METRICS, PREFIX, Kind, Metric, allowed, close

__all__ = ["Recorder", "close", "count", "record", "span", "spare_stdout", "switch", "timed"]

logger = get_logger(__name__)

TRACE_HEADER: Final = "X-Amzn-Trace-Id"
"""Set by API Gateway and load balancers of AWS; see `otel.parse_trace`."""

Labels = Mapping[str, str]
"""Labels by the names of the catalogue; absent ones are left out."""
Take = Callable[[float], None]
"""Records a value of one metric with one set of labels."""
Key = tuple[Any, ...]
"""The name of a metric, and its labels as pairs of argument and value, None for an absent label."""


class Recorder(Protocol):
    """Takes what happens. Called from any thread; must neither block nor raise.

    Optional: `bind(metric, labels)` returns a `Take`, which is kept, and called for `add` and `record`.
    `flush_if_due()` is called after each record that is not the duration of an event or a handler.
    `has_spans` is False where `span` need not be called.
    """

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


class Takers(dict[Key, Take]):
    """Functions that record with one recorder, by `Key`. One that is missing is made.

    Only values of closed sets are kept, so a client cannot make it grow.
    """

    def __init__(self, made: Recorder | None) -> None:
        super().__init__()
        self._recorder = made
        self.flush_if_due: Callable[[], None] | None = getattr(made, "flush_if_due", None)

    def __missing__(self, key: Key) -> Take:
        """Labels as they may be shown: of the catalogue, with values of closed sets."""
        name, *labels = key
        metric = METRICS[f"{PREFIX}.{name}"]
        kept = [(argument, allowed(metric.labels[argument], value)) for argument, value in labels]
        take = self._bind(
            metric, {metric.labels[argument].name: value for argument, value in kept if value is not None}
        )
        if kept == labels:
            self[key] = take
        return take

    def _bind(self, metric: Metric, labels: Labels) -> Take:
        made = self._recorder
        if made is None:
            return _take_nothing
        bind: Callable[[Metric, Labels], Take] | None = getattr(made, "bind", None)
        if bind is not None:
            return _quietly(bind, metric, labels) or _take_nothing
        method: Callable[..., None] = made.record if metric.kind is Kind.HISTOGRAM else made.add
        return lambda value: method(metric, value, labels)


def _take_nothing(value: float) -> None:
    """The `Take` while metrics are off."""


recorder: Recorder | None = None
"""None while metrics are off."""
takers = Takers(None)
"""Those of the recorder."""
may_have_spans = False
"""Whether `has_spans` is worth a call: False for a recorder whose class says that it has none."""
_complained: set[str] = set()


def switch(made: Recorder | None) -> None:
    """Record with this from now on; None switches metrics off."""
    global recorder, takers, may_have_spans
    before = recorder
    # A thread that finds the new recorder must find its takers, and one that is late may use the old ones.
    takers = Takers(made)
    may_have_spans = made is not None and getattr(type(made), "has_spans", True) is not False
    recorder = made
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
        _record((name, *labels.items()), number)


def record(name: str, value: float, **labels: str | None) -> None:
    """Record a value of a histogram."""
    if recorder is not None:
        _record((name, *labels.items()), value)


def _record(key: Key, value: float) -> None:
    now = takers
    take = now[key]
    try:
        take(value)
        if now.flush_if_due is not None:
            now.flush_if_due()
    except Exception as exc:  # noqa: BLE001 - whatever a recorder does, the request goes on
        complain(exc)


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
    """Time the block as `name.duration`, within a span `name`."""

    __slots__ = ("_begun", "_labels", "_name", "_span")

    def __init__(self, name: str, **labels: str | None) -> None:
        self._name, self._labels = name, labels

    def __enter__(self) -> None:
        self._begun = time.perf_counter()
        self._span = span(self._name, **cast("dict[str, str]", self._labels))
        self._span.__enter__()

    def __exit__(self, kind: Any, raised: BaseException | None, traceback: Any) -> None:
        self._span.__exit__(kind, raised, traceback)
        if recorder is None:
            return
        if isinstance(raised, Exception):
            self._labels["error_type"] = "exception"
        record(f"{self._name}.duration", time.perf_counter() - self._begun, **self._labels)


_NO_SPAN: Final = nullcontext()


def _quietly(function: Callable[..., Any], *args: object) -> Any:
    try:
        return function(*args)
    except Exception as exc:  # noqa: BLE001 - as above
        complain(exc)
        return None


def complain(exc: Exception) -> None:
    """Log the first error of each type that a recorder raises."""
    if type(exc).__name__ not in _complained:
        _complained.add(type(exc).__name__)
        logger.error(
            "Metrics are not recorded; more errors of this type are not logged.",
            exc_info=exc,
            extra={"event": "metrics_failed"},
        )
