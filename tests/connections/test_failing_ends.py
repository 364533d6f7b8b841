"""A row, a statement or a receiver that fails keeps no socket of another session open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django
import pytest
from django.db import OperationalError, connection, transaction

from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from websocket_gateway.connections import disconnect, revoke
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.signals import disconnected
from websocket_gateway.testing import FakeConnections

pytestmark = pytest.mark.django_db(transaction=True)


def open_sockets(*names: str) -> list[WebSocketSession]:
    gateway = ApiGatewayFactory.create()
    return [WebSocketSessionFactory.create(connection_id=name, api_gateway=gateway) for name in names]


def still_connected() -> list[str]:
    rows = WebSocketSession.objects.filter(connected=True).order_by("pk")
    return list(rows.values_list("connection_id", flat=True))


@contextmanager
def hearing(receiver: Callable[..., Any]) -> Iterator[None]:
    disconnected.connect(receiver)
    try:
        yield
    finally:
        disconnected.disconnect(receiver)


@pytest.fixture
def told() -> Iterator[list[str]]:
    """The connections whose ends receivers were told of."""
    names: list[str] = []

    def note(session: WebSocketSession, **kwargs: Any) -> None:
        names.append(session.connection_id)

    with hearing(note):
        yield names


@contextmanager
def failing_update(number: int) -> Iterator[None]:
    """The database refuses one UPDATE, by its number."""
    count = 0

    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal count
        count += sql.startswith("UPDATE")
        if count == number and sql.startswith("UPDATE"):
            raise OperationalError("the server has gone away")
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        yield


def test_a_session_whose_gateway_was_deleted_keeps_no_other_socket_open(
    fake_connections: FakeConnections,
) -> None:
    (orphan,) = open_sockets("orphan=")
    open_sockets("a=", "b=")
    sessions = list(WebSocketSession.objects.order_by("pk"))
    ApiGateway.objects.filter(pk=orphan.api_gateway_id).delete()

    done = disconnect(sessions)

    assert (done.closed, dict(done.failed)) == (2, {"orphan=": "the gateway's row was deleted"})
    assert sorted(fake_connections.closed) == ["a=", "b="]


def test_gateways_are_read_in_one_query_for_all_sessions(
    fake_connections: FakeConnections, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        open_sockets(f"{number}=")
    sessions = list(WebSocketSession.objects.all())

    with django_assert_num_queries(6):  # an UPDATE each, the gateways
        assert disconnect(sessions).closed == 5


@pytest.mark.parametrize("end", [revoke, disconnect])
def test_one_row_that_cannot_be_marked_keeps_no_other_socket_open(
    fake_connections: FakeConnections, told: list[str], end: Any
) -> None:
    open_sockets("a=", "b=", "c=", "d=")

    with failing_update(2), pytest.raises(OperationalError, match="gone away"):
        end(WebSocketSession.objects.all())

    assert still_connected() == ["b="]
    assert {"a=", "c=", "d="} <= set(fake_connections.closed)
    assert told == ["a=", "c=", "d="]
    assert revoke(WebSocketSession.objects.all()) == 1
    assert "b=" in fake_connections.closed


def test_a_failure_in_a_transaction_that_is_rolled_back_closes_nothing(
    fake_connections: FakeConnections, told: list[str]
) -> None:
    open_sockets("a=", "b=", "c=")

    with failing_update(2), pytest.raises(OperationalError), transaction.atomic():
        revoke(WebSocketSession.objects.all())

    assert still_connected() == ["a=", "b=", "c="]
    assert (fake_connections.closed, told) == ([], [])


async def is_cancelled(**kwargs: Any) -> None:
    raise asyncio.CancelledError


def exits(**kwargs: Any) -> None:
    raise SystemExit(3)


@pytest.mark.parametrize("end", [revoke, disconnect])
def test_a_receiver_that_is_cancelled_keeps_no_socket_open(
    fake_connections: FakeConnections, end: Any, caplog: pytest.LogCaptureFixture
) -> None:
    open_sockets("a=", "b=")

    with hearing(is_cancelled):
        end(WebSocketSession.objects.all())

    assert sorted(fake_connections.closed) == ["a=", "b="]
    logged = [record.message for record in caplog.records].count("A receiver of a signal was cancelled.")
    assert logged == (2 if django.VERSION < (6, 1) else 0)  # Django 6.1 catches it by itself


@pytest.mark.parametrize("end", [revoke, disconnect])
@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_receiver_that_exits_keeps_no_socket_open(
    fake_connections: FakeConnections, end: Any, in_transaction: bool
) -> None:
    open_sockets("a=", "b=")

    def ends() -> None:
        end(WebSocketSession.objects.all())

    with hearing(exits), pytest.raises(SystemExit):
        transaction.atomic(ends)() if in_transaction else ends()

    assert sorted(fake_connections.closed) == ["a=", "b="]
    assert still_connected() == []
