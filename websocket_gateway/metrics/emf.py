"""Metrics as lines of CloudWatch's embedded metric format, without a dependency and without a thread.

Format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

A process sums counters, and keeps the values of histograms, for `SECONDS`. Then they are written by the next
record, after the next request, or when the process ends. What the destination does not take at once
waits, up to `MAX_WAITING` lines; then the oldest lines are dropped and counted.
"""

from __future__ import annotations

import atexit
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Final, Protocol

from django.core.signals import request_finished

from websocket_gateway import metrics
from websocket_gateway.forking import PerProcess
from websocket_gateway.metrics import Labels
from websocket_gateway.metrics.catalogue import METRICS, PREFIX, Kind, Metric

NAMESPACE: Final = PREFIX
SECONDS: Final = 10.0
"""How long a process collects before it writes."""
AT_ONCE: Final = 200
"""Records that are summed together."""
MAX_VALUES: Final = 100
"""Values of one metric in a line; CloudWatch takes no more."""
MAX_WAITING: Final = 1_000
"""Lines that wait for a destination that takes none."""
_DROPPED: Final = METRICS[f"{PREFIX}.metrics.dropped"]

Series = tuple[Metric, tuple[tuple[str, str], ...]]


class Output(Protocol):
    """Where lines go."""

    def write(self, line: bytes) -> bool:
        """Write a line without waiting; False if the destination does not take it now."""
        ...


class _State:
    """What one process has collected."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.since = time.time()
        self.due = time.monotonic() + SECONDS
        self.new: deque[tuple[Metric, float, Labels]] = deque()
        """What was recorded just now: a request appends only, and one of many sums."""
        self.sums: dict[Series, int] = {}
        self.levels: dict[Series, int] = {}
        """Up-down counters: their current value, which stays."""
        self.values: dict[Series, list[float]] = {}
        self.waiting: deque[bytes] = deque()
        self.dropped = 0


class EmfRecorder:
    """Writes to `output`, a line for each metric and set of labels."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._states = PerProcess(_State)

    def add(self, metric: Metric, number: int, labels: Labels) -> None:
        """See `Recorder.add`."""
        self.record(metric, number, labels)

    def record(self, metric: Metric, value: float, labels: Labels) -> None:
        """See `Recorder.record`. Without a lock: it appends only, and every `AT_ONCE` records it sums."""
        state = self._states()
        state.new.append((metric, value, labels))
        if len(state.new) >= AT_ONCE or time.monotonic() >= state.due:
            self._take_in(state)

    has_spans = False

    def span(self, name: str, attributes: object, trace: str) -> None:
        """EMF has no spans."""

    def flush(self) -> None:
        """Write everything that was collected."""
        state = self._states()
        with state.lock:
            self._sort(state)
            self._write_all(state)

    def spare_stdout(self) -> None:
        """Leave stdout to the report of a command."""
        spare = getattr(self._output, "spare_stdout", None)
        if spare is not None:
            spare()

    def flush_if_due(self) -> None:
        """The same, once enough time has passed."""
        if time.monotonic() >= self._states().due:
            self.flush()

    def _take_in(self, state: _State) -> None:
        with state.lock:
            self._sort(state)
            if time.monotonic() >= state.due:
                self._write_all(state)

    def _sort(self, state: _State) -> None:
        """Sum and collect what is new. What other threads append meanwhile stays for the next time."""
        for _ in range(len(state.new)):
            metric, number, labels = state.new.popleft()
            series = metric, tuple(labels.items())
            if metric.kind is Kind.COUNTER:
                state.sums[series] = state.sums.get(series, 0) + int(number)
                continue
            if metric.kind is Kind.UP_DOWN_COUNTER:
                number = state.levels[series] = state.levels.get(series, 0) + int(number)
            values = state.values.setdefault(series, [])
            values.append(round(number, 6))
            if len(values) >= MAX_VALUES:
                state.waiting.append(line_of(series, state.values.pop(series), state.since))
                self._hand_over(state)

    def _write_all(self, state: _State) -> None:
        state.waiting.extend(_lines(state))
        state.sums, state.values = {}, {}
        state.since, state.due = time.time(), time.monotonic() + SECONDS
        self._hand_over(state)

    def _hand_over(self, state: _State) -> None:
        while state.waiting and self._output.write(state.waiting[0]):
            state.waiting.popleft()
        while len(state.waiting) > MAX_WAITING:
            state.waiting.popleft()
            state.dropped += 1
        # Not among the lines that wait: it would be dropped with them.
        line = line_of((_DROPPED, ()), state.dropped, state.since) if state.dropped else b""
        if line and not state.waiting and self._output.write(line):
            state.dropped = 0


def _lines(state: _State) -> Iterator[bytes]:
    for series, number in state.sums.items():
        yield line_of(series, number, state.since)
    for series, values in state.values.items():
        yield line_of(series, values, state.since)


def line_of(series: Series, values: int | list[float], since: float) -> bytes:
    """One line: the metric by its labels, and over all of them, which is what an alarm can name."""
    metric, labels = series
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[name for name, _ in labels], []] if labels else [[]],
        "Metrics": [{"Name": metric.name, "Unit": "Seconds" if metric.unit == "s" else "Count"}],
    }
    shown = {
        "_aws": {"Timestamp": int(since * 1000), "LogGroupName": NAMESPACE, "CloudWatchMetrics": [directive]},
        **dict(labels),
        metric.name: values,
    }
    return json.dumps(shown, separators=(",", ":")).encode() + b"\n"


def _after_request(**kwargs: object) -> None:
    if isinstance(metrics.recorder, EmfRecorder):
        metrics.recorder.flush_if_due()


def _at_exit() -> None:
    if isinstance(metrics.recorder, EmfRecorder):
        metrics.recorder.flush()


request_finished.connect(_after_request, dispatch_uid="websocket_gateway.metrics.emf")
atexit.register(_at_exit)
