"""Metrics as lines of CloudWatch's embedded metric format, without a dependency and without a thread.

Format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

A process sums counters, and keeps the values of histograms, for `SECONDS`. Then they are written after the
next request, by the next record that is not the duration of an event or a handler, or when the process ends.
What the destination does not take at once waits, up to `MAX_WAITING` lines; then the oldest lines are dropped
and counted.

A record appends a number to the list of its series, and takes no lock: `append`, a slice and `del` of a slice
are atomic. What other threads append while the first values are taken stays for the next time.
"""

from __future__ import annotations

import atexit
import json
import threading
from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from os import getpid
from time import monotonic, time
from typing import Final, Protocol

from django.core.signals import request_finished

from websocket_gateway import metrics
from websocket_gateway.forking import PerProcess
from websocket_gateway.metrics import Labels, Take
from websocket_gateway.metrics.catalogue import METRICS, PREFIX, Kind, Metric

NAMESPACE: Final = PREFIX
SECONDS: Final = 10.0
"""How long a process collects before it writes."""
MAX_VALUES: Final = 100
"""Values of one metric in a line; CloudWatch takes no more. A counter is summed when it has so many."""
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
        self.since = time()
        self.new: dict[Series, list[float]] = {}
        """What was recorded, in order: a request appends only."""
        self.sums: dict[Series, int] = {}
        self.levels: dict[Series, int] = {}
        """Up-down counters: their current value, which stays."""
        self.waiting: deque[bytes] = deque()
        self.dropped = 0


class EmfRecorder:
    """Writes to `output`, a line for each metric and set of labels."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._states = PerProcess(_State)
        self._due = monotonic() + SECONDS

    def add(self, metric: Metric, number: int, labels: Labels) -> None:
        """See `Recorder.add`."""
        self.bind(metric, labels)(number)

    def record(self, metric: Metric, value: float, labels: Labels) -> None:
        """See `Recorder.record`."""
        self.bind(metric, labels)(value)

    def bind(self, metric: Metric, labels: Labels) -> Take:
        """See `Recorder`. The cost of each message: `tests/metrics/test_cost.py` counts these calls."""
        series: Series = metric, tuple(labels.items())
        states, made = self._states, self._states.made

        def take(value: float) -> None:
            try:
                values = made[getpid()].new[series]
            except KeyError:  # the first of its process
                values = states().new.setdefault(series, [])
            values.append(value)
            if len(values) >= MAX_VALUES:
                self._take_in(series)

        return take

    has_spans = False

    def span(self, name: str, attributes: object, trace: str) -> None:
        """EMF has no spans."""

    def flush(self) -> None:
        """Write everything that was collected."""
        state = self._states()
        with state.lock:
            self._due = monotonic() + SECONDS
            state.waiting.extend(_take_lines(state))
            state.since = time()
            self._hand_over(state)

    def spare_stdout(self) -> None:
        """Leave stdout to the report of a command."""
        spare = getattr(self._output, "spare_stdout", None)
        if spare is not None:
            spare()

    def flush_if_due(self) -> None:
        """The same, once enough time has passed."""
        if monotonic() >= self._due:
            self.flush()

    def _take_in(self, series: Series) -> None:
        """Sum the values of a counter, or write a line of values, unless another thread has done so."""
        state = self._states()
        with state.lock:
            values = state.new[series]
            while len(values) >= MAX_VALUES:
                state.waiting.extend(_take_values(state, series, values))
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


def _take_lines(state: _State) -> Iterator[bytes]:
    """Sums, and then lines of values. What other threads append meanwhile stays for the next time."""
    lines = [
        line
        for series, values in list(state.new.items())
        for _ in range(0, len(values), MAX_VALUES)
        for line in _take_values(state, series, values)
    ]
    for series, number in state.sums.items():
        yield line_of(series, number, state.since)
    state.sums = {}
    yield from lines


def _take_values(state: _State, series: Series, values: list[float]) -> Iterator[bytes]:
    """Take the first `MAX_VALUES`: a counter is summed, and the others are a line."""
    taken = values[:MAX_VALUES]
    del values[: len(taken)]
    kind = series[0].kind
    if kind is Kind.COUNTER:
        state.sums[series] = state.sums.get(series, 0) + int(sum(taken))
        return
    if kind is Kind.UP_DOWN_COUNTER:
        taken = list(accumulate(taken, initial=state.levels.get(series, 0)))[1:]
        state.levels[series] = int(taken[-1])
    else:  # to whole microseconds; `round` takes five times as long
        taken = [(value * 1e6 + 0.5) // 1 / 1e6 for value in taken]
    yield line_of(series, taken, state.since)


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
    recorder = metrics.recorder
    if type(recorder) is EmfRecorder:
        recorder.flush_if_due()


def _at_exit() -> None:
    if isinstance(metrics.recorder, EmfRecorder):
        metrics.recorder.flush()


request_finished.connect(_after_request, dispatch_uid="websocket_gateway.metrics.emf")
atexit.register(_at_exit)
