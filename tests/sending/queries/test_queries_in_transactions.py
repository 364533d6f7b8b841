"""Queries that only some databases have, that lock, or that are sent to later and from `async def`."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.db.models import (
    QuerySet,
)

from tests.sending.queries.sessions import (
    ALL,
    reached,
)
from websocket_gateway.models import WebSocketSession

pytestmark = pytest.mark.django_db


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL alone has DISTINCT ON")
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(lambda q: q.order_by("channel_name", "-pk"), [4, 5, 6], id="order"),
        pytest.param(lambda q: q.order_by("channel_name", "pk").reverse(), [4, 5, 6], id="reverse"),
        pytest.param(lambda q: q.order_by("channel_name", "pk")[:2], [0, 1], id="slice"),
        pytest.param(
            lambda q: q.order_by("channel_name", "pk").values("channel_name")[1:], [1, 2], id="values"
        ),
    ],
)
def test_one_session_for_each_channel(
    build: Any, expected: list[int], rows: list[WebSocketSession], fake_connections: Any
) -> None:
    query = WebSocketSession.objects.filter(connected=True).distinct("channel_name")

    build(query).send_message("hello")

    assert reached(fake_connections, rows) == expected


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no row locks")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("slice_", [slice(None), slice(0, 99)])
def test_a_query_that_locks_needs_no_transaction_to_be_sent_to(
    slice_: slice, rows: list[WebSocketSession], fake_connections: Any
) -> None:
    query: QuerySet[WebSocketSession] = WebSocketSession.objects.select_for_update()

    query[slice_].send_message("hello")  # type: ignore[attr-defined]

    assert reached(fake_connections, rows) == ALL


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda q: q.reverse(), id="reverse"),
        pytest.param(lambda q: q.filter(connected=True).order_by("-pk")[:7], id="slice"),
        pytest.param(lambda q: q.filter(channel_name="a").union(q.exclude(channel_name="a")), id="union"),
    ],
)
def test_it_is_the_same_from_async_code_and_on_commit(
    build: Any,
    rows: list[WebSocketSession],
    fake_connections: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    async_to_sync(build(WebSocketSession.objects.all()).asend_message)("hello")
    assert reached(fake_connections, rows) == ALL
    fake_connections.sent.clear()

    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        report = build(WebSocketSession.objects.all()).send_message("hello", on_commit=True)
        assert fake_connections.sent == []

    assert report.deferred
    assert reached(fake_connections, rows) == ALL
