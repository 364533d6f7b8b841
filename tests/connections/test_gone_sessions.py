"""Sockets that are gone when a message comes: whose sessions end, and whose never do."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection as db_connection
from django.utils import timezone

from tests.sending.broadcasts import connect, counts
from tests.sink import Sink
from tests.threads import run_together
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending import broadcast
from websocket_gateway.signals import connection_gone

pytestmark = pytest.mark.django_db(transaction=True)


def test_gone_sessions_are_ended_and_the_others_are_left_alone(sink: Sink, gateway: ApiGateway) -> None:
    gone, alive = connect(gateway, "AbC=", "aBc=")
    sink.answers["AbC="] = 410

    report = broadcast({}, channel="lobby")

    gone.refresh_from_db()
    alive.refresh_from_db()
    assert counts(report) == (1, 1, 0)
    assert report.complete
    assert not gone.connected
    assert gone.disconnected_on is not None
    assert alive.connected


def test_whoever_listens_is_told_which_connections_were_gone(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, "gone=", "alive=")
    sink.answers["gone="] = 410
    told: list[tuple[str, ...]] = []

    def listen(sender: Any, connection_ids: tuple[str, ...], **kwargs: Any) -> None:
        told.append(connection_ids)

    connection_gone.connect(listen)
    try:
        broadcast({}, channel="lobby")
    finally:
        connection_gone.disconnect(listen)

    assert told == [("gone=",)]


def test_a_session_too_young_to_be_called_gone_stays_and_counts_as_failed(
    sink: Sink, gateway: ApiGateway
) -> None:
    (session,) = connect(gateway, "young=", fresh=True)
    sink.answers["young="] = 410

    report = broadcast({}, channel="lobby")

    session.refresh_from_db()
    assert counts(report) == (0, 0, 1)
    assert session.connected
    assert dict(report.reasons) == {"gone or not open yet: connected less than 15 s ago": 1}


def test_who_connects_while_it_runs_is_never_marked_gone(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, *(f"old{number}=" for number in range(40)))
    started = threading.Event()

    def connect_one(connection_id: str) -> None:
        # Inside `$connect`: the row is there, the socket is not yet.
        if not started.is_set():
            started.set()
            connect(gateway, "racing=", created_on=timezone.now())
            # This is a thread of the server: its database connection is its own.
            db_connection.close()

    sink.on_request = connect_one
    sink.answers["racing="] = 410
    sink.answers["old7="] = 410

    broadcast({}, channel="lobby")
    broadcast({}, channel="lobby")

    ended = WebSocketSession.objects.filter(connected=False)
    assert [row.connection_id for row in ended] == ["old7="]


def test_marking_costs_one_update_however_many_are_gone(
    sink: Sink, gateway: ApiGateway, django_assert_num_queries: Any
) -> None:
    names = [f"gone{number}=" for number in range(30)]
    connect(gateway, *names)
    sink.answers = dict.fromkeys(names, 410)

    # Two streams, the gateway, one UPDATE.
    with django_assert_num_queries(4) as queries:
        report = broadcast({}, channel="lobby")

    assert report.gone == 30
    assert sum(query["sql"].startswith("UPDATE") for query in queries.captured_queries) == 1


def test_nobody_fresh_is_marked_gone_while_a_thousand_come_and_go(
    sink: Sink, gateway: ApiGateway, settings: Any
) -> None:
    """The service says "gone" of those that are not open yet, as it does while `$connect` is answered."""
    settings.WEBSOCKET_GATEWAY = {"SEND_MAX_PER_SECOND": 0, "CONNECT_GRACE_SECONDS": 3600}
    connect(gateway, *(f"old{number}=" for number in range(100)))
    finished = threading.Event()
    fresh = [f"fresh{number}=" for number in range(1000)]
    sink.answers = dict.fromkeys(fresh, 410)

    def come_and_go() -> None:
        for start in range(0, 1000, 50):
            came = [
                WebSocketSession(connection_id=name, channel_name="lobby", api_gateway=gateway)
                for name in fresh[start : start + 50]
            ]
            retry_when_busy(lambda: WebSocketSession.objects.bulk_create(came), model=WebSocketSession)  # noqa: B023
            leave = WebSocketSession.objects.filter(connection_id__in=fresh[start : start + 25])
            retry_when_busy(lambda: leave.update(connected=False), model=WebSocketSession)  # noqa: B023
        finished.set()

    def keep_broadcasting() -> None:
        while not finished.is_set():
            broadcast({}, channel="lobby")
        assert broadcast({}, channel="lobby").delivered == 100

    run_together(come_and_go, keep_broadcasting)

    assert not WebSocketSession.objects.filter(disconnected_on__isnull=False).exists()
    assert WebSocketSession.objects.filter(connected=True).count() == 600
    assert sum(name.startswith("old") for name in sink.received) == 100
