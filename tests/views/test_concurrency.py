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
from tests.views.urls import PublicView, StackView
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
def test_twenty_of_sixty_simultaneous_strangers_are_let_in(
    gateway: ApiGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PublicView, "RATE_LIMIT_MAX_ATTEMPTS_PER_IP", 20)
    attempts = [connecting(gateway, base="/public/") for _ in range(60)]

    statuses = Counter(run_together(*attempts))

    assert statuses == {200: 20, 429: 40}
    assert WebSocketSession.objects.filter(connected=True).count() == 20


@pytest.mark.usefixtures("atomic_requests")
def test_twenty_of_sixty_simultaneous_sockets_of_one_user_are_let_in(
    gateway: ApiGateway,
) -> None:
    user = UserFactory.create()
    attempts = [connecting(gateway, token=issue_token(user)) for _ in range(60)]

    statuses = Counter(run_together(*attempts))

    assert statuses == {200: 20, 429: 40}


def test_twenty_of_twenty_one_simultaneous_sockets_of_one_user_are_let_in(gateway: ApiGateway) -> None:
    user = UserFactory.create()
    attempts = [connecting(gateway, token=issue_token(user)) for _ in range(21)]

    assert Counter(run_together(*attempts)) == {200: 20, 429: 1}


def test_many_disconnects_at_once_give_an_attempt_back_once(gateway: ApiGateway) -> None:
    user = UserFactory.create()
    stacks = [Stack(gateway) for _ in range(3)]
    for stack in stacks:
        stack.connect(token=issue_token(user))

    run_together(*[stacks[0].disconnect] * 6, *[stacks[1].disconnect] * 6)

    assert ConnectionRateLimit.objects.get(key__contains=":user:", key__startswith="connect").attempts == 1


@pytest.mark.parametrize("round_number", range(5))
def test_attempt_is_given_back_while_its_user_is_logged_out(
    gateway: ApiGateway, fake_connections: FakeConnections, round_number: int
) -> None:
    user = UserFactory.create()
    stacks = [Stack(gateway) for _ in range(2)]
    for stack in stacks:
        stack.connect(token=issue_token(user))
    one = WebSocketSession.objects.filter(connection_id=stacks[0].connection_id)

    run_together(lambda: revoke(one), *[lambda: stacks[0].disconnect().status_code] * 3)

    assert ConnectionRateLimit.objects.get(key__contains=":user:", key__startswith="connect").attempts == 1


@pytest.mark.parametrize("round_number", range(5))
def test_connect_racing_disconnect_gives_its_attempt_back(gateway: ApiGateway, round_number: int) -> None:
    stack = Stack(gateway)
    token = issue_token(UserFactory.create())

    run_together(lambda: stack.connect(token=token), lambda: stack.disconnect())

    assert ConnectionRateLimit.objects.get(key__startswith="connect").attempts == 0


def test_user_who_clicks_in_several_tabs_at_once_is_never_refused(gateway: ApiGateway) -> None:
    user = UserFactory.create()

    def click() -> set[int]:
        statuses = set()
        for _ in range(10):
            stack = Stack(gateway)
            statuses |= {stack.connect(token=issue_token(user)).status_code, stack.disconnect().status_code}
        return statuses

    assert run_together(*[click] * 6) == [{200}] * 6
    assert ConnectionRateLimit.objects.get(key__startswith="connect").attempts == 0


@pytest.mark.usefixtures("atomic_requests")
@pytest.mark.parametrize("open_before", [0, 3])
def test_simultaneous_connections_of_one_user_fill_their_limit_exactly(
    gateway: ApiGateway, settings: Any, open_before: int
) -> None:
    settings.WEBSOCKET_GATEWAY = {
        **settings.WEBSOCKET_GATEWAY,
        "MAX_CONNECTIONS_PER_USER": 10,
        "RATE_LIMIT_MAX_ATTEMPTS": 100,
    }
    user = UserFactory.create()
    WebSocketSessionFactory.create_batch(open_before, api_gateway=gateway, user=user)
    attempts = [connecting(gateway, token=issue_token(user)) for _ in range(30)]

    statuses = Counter(run_together(*attempts))

    assert statuses == {200: 10 - open_before, 429: 20 + open_before}
    assert WebSocketSession.objects.filter(user=user, connected=True).count() == 10


@pytest.mark.parametrize(("limit", "sent"), [(20, 60), (45, 60)])
def test_simultaneous_messages_fill_the_limit_exactly(
    gateway: ApiGateway, settings: Any, limit: int, sent: int
) -> None:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "MAX_MESSAGES_PER_MINUTE": limit}
    session = WebSocketSessionFactory.create(api_gateway=gateway)
    stack = Stack(gateway, connection_id=session.connection_id)

    statuses = Counter(run_together(*[lambda: stack.send({"_ws": {"type": "ping"}}).status_code] * sent))

    assert statuses == {200: limit, 429: sent - limit}


@pytest.mark.usefixtures("atomic_requests")
def test_sixty_wrong_tokens_count_exactly(gateway: ApiGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StackView, "RATE_LIMIT_MAX_ATTEMPTS_PER_IP", 20)
    attempts = [connecting(gateway, token=f"wrong{number}") for number in range(60)]

    statuses = Counter(run_together(*attempts))

    assert statuses == {403: 20, 429: 40}
    assert ConnectionRateLimit.objects.get().attempts == 20


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
