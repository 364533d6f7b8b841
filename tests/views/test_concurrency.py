"""Promises under concurrency, through the whole stack, with real threads and real connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from tests.threads import run_together
from tests.views.stack import Stack
from tests.views.urls import PublicView
from websocket_gateway.connections import revoke
from websocket_gateway.models import ApiGateway, ConnectionRateLimit, WebSocketSession
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.signals import disconnected
from websocket_gateway.testing import FakeConnections
from websocket_gateway.testing.events import new_connection_id

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.views.urls"),
    pytest.mark.usefixtures("within_one_minute"),
]


@pytest.fixture
def gateway() -> ApiGateway:
    return ApiGatewayFactory.create()


@pytest.fixture(params=[False, True], ids=["autocommit", "ATOMIC_REQUESTS"])
def atomic_requests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", request.param)


def connecting(gateway: ApiGateway, *, base: str = "/ws/", **options: Any) -> Callable[[], int]:
    stack = Stack(gateway, base=base, connection_id=options.pop("connection_id", ""))
    return lambda: stack.connect(**options).status_code


@pytest.mark.usefixtures("atomic_requests")
def test_twenty_of_sixty_simultaneous_strangers_are_let_in(gateway: ApiGateway) -> None:
    attempts = [connecting(gateway, base="/public/") for _ in range(60)]

    statuses = Counter(run_together(*attempts))

    assert statuses == {200: 20, 429: 40}
    assert WebSocketSession.objects.filter(connected=True).count() == 20


@pytest.mark.usefixtures("atomic_requests")
def test_twenty_of_sixty_simultaneous_sockets_of_one_user_are_let_in(
    gateway: ApiGateway, settings: Any
) -> None:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "TOKEN_RATE_LIMIT_PER_MINUTE": 100}
    user = UserFactory.create()
    attempts = [connecting(gateway, token=issue_token(user)) for _ in range(60)]

    statuses = Counter(run_together(*attempts))

    assert statuses == {200: 20, 429: 40}


@pytest.mark.usefixtures("atomic_requests")
def test_sixty_wrong_tokens_count_exactly(gateway: ApiGateway) -> None:
    attempts = [connecting(gateway, token=f"wrong{number}") for number in range(60)]

    statuses = Counter(run_together(*attempts))

    assert statuses == {403: 20, 429: 40}
    assert sorted(ConnectionRateLimit.objects.values_list("attempts", flat=True)) == [20, 60]


@pytest.mark.usefixtures("atomic_requests")
def test_one_token_lets_one_of_many_simultaneous_clients_in(gateway: ApiGateway) -> None:
    token = issue_token(UserFactory.create())

    statuses = Counter(run_together(*[connecting(gateway, token=token) for _ in range(15)]))

    assert statuses == {200: 1, 403: 14}


def test_repeated_connect_is_409_and_changes_nothing(gateway: ApiGateway) -> None:
    connection_id = new_connection_id()
    attempts = [
        connecting(gateway, connection_id=connection_id, token=issue_token(UserFactory.create()))
        for _ in range(10)
    ]

    statuses = Counter(run_together(*attempts))

    assert statuses == {200: 1, 409: 9}
    assert WebSocketSession.objects.filter(connection_id=connection_id, connected=True).count() == 1


@pytest.mark.parametrize("round_number", range(5))
def test_connect_racing_disconnect_always_ends_as_ended(gateway: ApiGateway, round_number: int) -> None:
    stack = Stack(gateway)
    token = issue_token(UserFactory.create())

    connect, disconnect = run_together(
        lambda: stack.connect(token=token).status_code, lambda: stack.disconnect().status_code
    )

    assert connect in (200, 409)
    assert disconnect == 200
    assert not WebSocketSession.objects.get(connection_id=stack.connection_id).connected


def test_disconnect_that_overtakes_its_connect_wins(gateway: ApiGateway) -> None:
    stack = Stack(gateway)

    stack.disconnect()
    response = stack.connect(token=issue_token(UserFactory.create()))

    assert response.status_code == 409
    assert not WebSocketSession.objects.get(connection_id=stack.connection_id).connected


def test_two_revocations_at_once_end_each_socket_once(
    gateway: ApiGateway, fake_connections: FakeConnections
) -> None:
    user = UserFactory.create()
    WebSocketSessionFactory.create_batch(5, api_gateway=gateway, user=user)
    ended: list[str] = []

    def note(session: WebSocketSession, **kwargs: Any) -> None:
        ended.append(session.connection_id)

    disconnected.connect(note, weak=False)
    try:
        counts = run_together(*[lambda: revoke(WebSocketSession.objects.filter(user=user))] * 8)
    finally:
        disconnected.disconnect(note)

    assert sum(counts) == 5
    assert len(ended) == len(set(ended)) == 5
    assert sorted(fake_connections.closed) == sorted(ended)


def test_many_disconnects_of_one_connection_end_it_once(gateway: ApiGateway) -> None:
    session = WebSocketSessionFactory.create(api_gateway=gateway)
    calls = [lambda: Stack(gateway, connection_id=session.connection_id).disconnect().status_code] * 8

    assert set(run_together(*calls)) == {200}
    assert WebSocketSession.objects.filter(connection_id=session.connection_id, connected=False).count() == 1


def test_simultaneous_frames_of_one_connection_are_all_answered(gateway: ApiGateway) -> None:
    session = WebSocketSessionFactory.create(api_gateway=gateway, stale=True)
    stack = Stack(gateway, connection_id=session.connection_id)

    statuses = run_together(*[lambda: stack.send({"handler": "say", "text": "x"}).status_code] * 12)

    assert set(statuses) == {200}


def test_simultaneous_subscriptions_never_exceed_the_limit(
    gateway: ApiGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PublicView, "MAX_SUBSCRIPTIONS", 3)
    opened = Stack(gateway, base="/public/")
    assert opened.connect().status_code == 200

    def subscribing(number: int) -> Callable[[], int]:
        stack = Stack(gateway, base="/public/", connection_id=opened.connection_id)
        frame = {"_ws": {"type": "subscribe", "channel": f"c{number}"}}
        return lambda: int(stack.send(frame).status_code)

    statuses = Counter(run_together(*(subscribing(number) for number in range(20))))

    session = WebSocketSession.objects.get()
    assert session.subscriptions.count() == statuses[200] <= 3
    assert statuses.keys() <= {200, 409}
