"""What metrics cost for each message: `WebSocketView` with a recorder, against the same view without one.

Run it with `python -m tests.benchmarks.measuring`. Both take turns in one process, and the time of the
processor is measured, so that whatever else the machine does counts little; the figure is the ratio of the
medians. EMF has a limit. OpenTelemetry is printed only: its SDK takes what it takes for each value and span.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.core.signals import request_finished  # noqa: E402
from django.db import close_old_connections, connection  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402

from tests.benchmarks.receiving import FRAME, ChatView  # noqa: E402
from tests.benchmarks.results import keep  # noqa: E402
from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory  # noqa: E402
from websocket_gateway import metrics  # noqa: E402
from websocket_gateway.logins import hash_session_auth  # noqa: E402
from websocket_gateway.metrics import Recorder  # noqa: E402
from websocket_gateway.metrics.emf import EmfRecorder  # noqa: E402
from websocket_gateway.metrics.otel import OtelRecorder  # noqa: E402
from websocket_gateway.testing import message_request  # noqa: E402

MESSAGES = 5
ROUNDS = 500
LIMIT = 1.03


class Nowhere:
    """Takes every line."""

    def write(self, line: bytes) -> bool:
        return True


def _otel(*, spans: bool) -> Recorder:
    tracers = TracerProvider(shutdown_on_exit=False)
    if spans:
        tracers.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    return OtelRecorder(meters, tracers if spans else None)


RECORDERS: dict[str, tuple[Callable[[], Recorder], bool]] = {
    "emf": (lambda: EmfRecorder(Nowhere()), True),
    "otel": (lambda: _otel(spans=False), False),
    "otel with spans": (lambda: _otel(spans=True), False),
}


def main() -> int:
    """Measure, print, and answer 1 where a ratio is beyond the limit."""
    databases = setup_databases(verbosity=0, interactive=False)
    request_finished.disconnect(close_old_connections)  # the database is in memory
    try:
        ratios = {name: measure(make()) for name, (make, _) in RECORDERS.items()}
    finally:
        teardown_databases(databases, verbosity=0)
    return int(any(ratio > LIMIT for name, ratio in ratios.items() if RECORDERS[name][1]))


def measure(recorder: Recorder) -> float:
    """How many times the time of a message without metrics a message with them takes."""
    call = _caller(ApiGatewayFactory.create(), UserFactory.create())
    turns: dict[bool, list[float]] = {True: [], False: []}
    call()
    for number in range(ROUNDS):
        for on in (True, False) if number % 2 else (False, True):
            metrics.switch(recorder if on else None)
            turns[on].append(call())
    metrics.switch(None)
    best = {on: statistics.median(found) / MESSAGES for on, found in turns.items()}
    ratio = best[True] / best[False]
    cost = (best[True] - best[False]) * 1e6
    print(  # noqa: T201
        f"{connection.vendor}, {type(recorder).__name__}: {best[False] * 1e6:.0f} µs a message, "
        f"{cost:+.1f} µs with metrics; ratio {ratio:.3f}"
    )
    keep(
        f"a message with {type(recorder).__name__}",
        f"{cost:+.1f} µs on {best[False] * 1e6:.0f} µs",
        f"{ratio:.3f} times the time without metrics",
    )
    return ratio


def _caller(gateway: Any, user: Any) -> Callable[[], float]:
    view: Any = ChatView.as_view()
    session = WebSocketSessionFactory.create(
        api_gateway=gateway, user=user, session_auth_hash=hash_session_auth(user)
    )

    def call() -> float:
        first, *requests = [
            message_request(gateway, session.connection_id, FRAME) for _ in range(MESSAGES + 1)
        ]
        view(first, route="default")  # not measured: a recorder that was just switched on checks labels once
        begun = time.process_time()
        for request in requests:
            response = view(request, route="default")
            request_finished.send(sender=None)
        elapsed = time.process_time() - begun
        if response.status_code != 200:
            raise SystemExit(f"The view answered {response.status_code}: {response.content!r}")
        return elapsed

    return call


if __name__ == "__main__":
    raise SystemExit(main())
