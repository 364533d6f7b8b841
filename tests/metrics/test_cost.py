"""What metrics cost for each message, counted in calls: the same on every machine, however busy it is.

What Django calls when a request has ended is among them, because EMF writes then.
`tests/benchmarks/measuring.py` measures the time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tests.benchmarks.receiving import FRAME, ChatView
from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from tests.metrics.conftest import RecordedEmf
from websocket_gateway import metrics
from websocket_gateway.logins import hash_session_auth
from websocket_gateway.metrics.otel import OtelRecorder
from websocket_gateway.testing import message_request

MESSAGES = 400
"""Enough for several lines of values, so that the calls which write them are among the calls."""
MOST = 1.03


def calls_of(send: Callable[[], None], *, without: str = "\0") -> int:
    """The calls of functions, in Python and in C, except those that a file of the package `without` makes."""
    calls, inside = 0, 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls, inside
        calls += event in ("call", "c_call") and not inside
        if inside or without in frame.f_code.co_filename:
            inside += {"call": 1, "return": -1}.get(event, 0)

    sys.setprofile(count)
    try:
        send()
    finally:
        sys.setprofile(None)
    return calls


@pytest.fixture(name="send")
def send_fixture(db: None) -> Any:
    """Sends so many messages, each with the end of its request."""
    gateway, user = ApiGatewayFactory.create(), UserFactory.create()
    session = WebSocketSessionFactory.create(
        api_gateway=gateway, user=user, session_auth_hash=hash_session_auth(user)
    )
    view: Any = ChatView.as_view()
    requests = [message_request(gateway, session.connection_id, FRAME) for _ in range(3 * MESSAGES)]

    def send(number: int = MESSAGES) -> None:
        for _ in range(number):
            view(requests.pop(), route="default")
            request_finished.send(sender=None)

    request_finished.disconnect(close_old_connections)  # as Django's test client: the database is in memory
    send(5)
    yield send
    request_finished.connect(close_old_connections)


def test_a_message_with_metrics_needs_at_most_three_percent_more_calls(
    send: Callable[[], None], emf: RecordedEmf
) -> None:
    on = calls_of(send)
    metrics.switch(None)
    off = calls_of(send)

    assert emf.counts()["event.duration", "code=ok", "event=message"] == MESSAGES
    assert off < on <= off * MOST, (on - off) / MESSAGES


def test_of_opentelemetry_at_most_three_percent_are_calls_outside_of_its_sdk(
    send: Callable[[], None],
) -> None:
    """What its SDK calls for a value is the same for every package that uses it."""
    reader = InMemoryMetricReader()
    recorder = OtelRecorder(MeterProvider([reader], shutdown_on_exit=False))
    recorder._looks_left = 0  # a process that has looked for a tracer provider often enough
    off = calls_of(send)
    metrics.switch(recorder)
    try:
        on = calls_of(send, without="opentelemetry")
    finally:
        metrics.switch(None)

    assert reader.get_metrics_data() is not None
    assert off < on <= off * MOST, (on - off) / MESSAGES
