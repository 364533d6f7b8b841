"""Metrics: the one seam between the package and what counts. Off by default, and then one test of `recorder`.

`METRICS` chooses the recorder. Callers name a metric of the catalogue by its last part, without the prefix.
A recorder that raises is logged once, and disturbs no request.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Protocol

from websocket_gateway.metrics.catalogue import METRICS, PREFIX, Metric, allowed, close

__all__ = ["Recorder", "Timing", "close", "count", "record", "span", "spare_stdout", "switch", "timed"]

logger = logging.getLogger(__name__)

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

    def span(self, name: str, attributes: Labels, trace: str) -> AbstractContextManager[Any]:
        """A span for the length of the block; `trace` is the header of API Gateway, or empty."""
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
        metric = METRICS[f"{PREFIX}.{name}"]
        _quietly(recorder.add, metric, number, _shown(metric, labels))


def record(name: str, value: float, **labels: str | None) -> None:
    """Record a value of a histogram."""
    if recorder is not None:
        metric = METRICS[f"{PREFIX}.{name}"]
        _quietly(recorder.record, metric, value, _shown(metric, labels))


def span(name: str, *, trace: str = "", **attributes: str) -> AbstractContextManager[Any]:
    """A span for the length of the block, if the recorder has spans."""
    if recorder is None:
        return nullcontext()
    made = _quietly(recorder.span, f"{PREFIX}.{name}", attributes, trace)
    return nullcontext() if made is None else _QuietSpan(made)


class _QuietSpan:
    """A span of a recorder, whose errors are logged only."""

    __slots__ = ("_span",)

    def __init__(self, made: AbstractContextManager[Any]) -> None:
        self._span = made

    def __enter__(self) -> None:
        _quietly(self._span.__enter__)

    def __exit__(self, *raised: Any) -> None:
        _quietly(self._span.__exit__, *raised)


class Timing:
    """The labels of what is timed, which are known at its end."""

    __slots__ = ("labels",)

    def __init__(self, labels: dict[str, str | None]) -> None:
        self.labels = labels


@contextmanager
def timed(
    name: str, *, error_of: Callable[[Exception], str] | None = None, **labels: str
) -> Iterator[Timing]:
    """Time the block as `name.duration`, within a span `name`; `error_of` answers the label `error.type`."""
    timing = Timing(dict(labels))
    if recorder is None:
        yield timing
        return
    begun = time.perf_counter()
    try:
        with span(name, **labels):
            yield timing
    except Exception as exc:
        timing.labels["error_type"] = error_of(exc) if error_of else "exception"
        raise
    finally:
        record(f"{name}.duration", time.perf_counter() - begun, **timing.labels)


def _shown(metric: Metric, labels: Mapping[str, str | None]) -> dict[str, str]:
    """The labels as they may be shown: of the catalogue, with values of closed sets."""
    shown = {}
    for argument, value in labels.items():
        label = metric.labels[argument]
        kept = allowed(label, value)
        if kept is not None:
            shown[label.name] = kept
    return shown


def _quietly(function: Callable[..., Any], *args: object) -> Any:
    try:
        return function(*args)
    except Exception as exc:  # noqa: BLE001 - whatever a recorder does, the request goes on
        if type(exc).__name__ not in _complained:
            _complained.add(type(exc).__name__)
            logger.exception("Metrics are not recorded; further errors of this type are not logged.")
        return None
