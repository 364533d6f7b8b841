"""What metrics cost for each message, counted in calls: the same on every machine, however busy it is.

What Django calls when a request has ended is among them, because EMF writes then.
`tests/benchmarks/measuring.py` measures the time.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections

from tests.benchmarks.receiving import FRAME, ChatView
from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from tests.metrics.conftest import RecordedEmf
from websocket_gateway import metrics
from websocket_gateway.logins import hash_session_auth
from websocket_gateway.testing import message_request

MESSAGES = 400
"""Enough for several lines of values, so that the calls which write them are among the calls."""
MOST = 1.03


def calls_of(view: Any, requests: list[Any]) -> int:
    """The calls of functions, in Python and in C, that these messages need."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    request_finished.disconnect(close_old_connections)  # as Django's test client: the database is in memory
    sys.setprofile(count)
    try:
        for request in requests:
            view(request, route="default")
            request_finished.send(sender=None)
    finally:
        sys.setprofile(None)
        request_finished.connect(close_old_connections)
    return calls


@pytest.mark.django_db
def test_a_message_with_metrics_needs_at_most_three_percent_more_calls() -> None:
    gateway, user = ApiGatewayFactory.create(), UserFactory.create()
    session = WebSocketSessionFactory.create(
        api_gateway=gateway, user=user, session_auth_hash=hash_session_auth(user)
    )
    view: Any = ChatView.as_view()

    def requests() -> list[Any]:
        return [message_request(gateway, session.connection_id, FRAME) for _ in range(MESSAGES)]

    calls_of(view, requests()[:5])
    off = calls_of(view, requests())
    emf = RecordedEmf()
    metrics.switch(emf.recorder)
    try:
        on = calls_of(view, requests())
    finally:
        metrics.switch(None)

    assert emf.counts()["event.duration", "code=ok", "event=message"] == MESSAGES
    assert off < on <= off * MOST, (on - off) / MESSAGES
