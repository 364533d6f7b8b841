"""An attempt is given back when its connection has ended: once, within its window."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from tests.factories import ApiGatewayFactory, UserFactory
from tests.views.urls import PublicView, StackView
from websocket_gateway.connections import revoke
from websocket_gateway.models import ConnectionRateLimit, WebSocketSession
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.testing import FakeConnections

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


def attempts(kind: str = "user") -> int:
    return ConnectionRateLimit.objects.get(key__startswith=f"connect:300s:{kind}:").attempts


def test_user_who_clicks_from_page_to_page_is_never_refused(ws_client: Any) -> None:
    user = UserFactory.create()

    for click in range(60):
        client = ws_client(StackView)
        assert client.connect(user=user).ok, click
        client.disconnect()

    assert attempts() == 0


def test_visitor_who_clicks_from_page_to_page_is_never_refused(ws_client: Any) -> None:
    for click in range(60):
        client = ws_client(PublicView)
        assert client.connect().ok, click
        client.disconnect()

    assert attempts("ip") == 0


def test_attempt_is_given_back_once_however_often_disconnect_comes(connected: Any) -> None:
    user = UserFactory.create()
    first, _second = connected(user=user), connected(user=user)

    for _ in range(3):
        first.disconnect()

    assert attempts() == 1


def test_attempt_of_a_connection_that_we_closed_is_given_back_at_its_disconnect(
    connected: Any, fake_connections: FakeConnections
) -> None:
    user = UserFactory.create()
    client, _other = connected(user=user), connected(user=user)

    revoke(WebSocketSession.objects.filter(connection_id=client.connection_id))
    assert attempts() == 2
    for _ in range(2):
        client.disconnect()

    assert attempts() == 1


def test_attempt_whose_disconnect_came_first_is_given_back(ws_client: Any) -> None:
    user = UserFactory.create()
    client = ws_client(StackView)

    client.disconnect()
    reply = client.connect(user=user)
    client.disconnect()

    assert reply.error == "already_connected"
    assert attempts() == 0


def test_repeated_connect_of_an_open_connection_is_not_given_back(connected: Any) -> None:
    user = UserFactory.create()
    client = connected(user=user)

    assert client.connect(user=user).error == "already_connected"
    assert attempts() == 2


def test_attempt_of_an_earlier_window_gives_nothing_back(connected: Any) -> None:
    user = UserFactory.create()
    old, _new = connected(user=user), connected(user=user)
    earlier = timezone.now() - timedelta(minutes=5)
    WebSocketSession.objects.filter(connection_id=old.connection_id).update(created_on=earlier)

    old.disconnect()

    assert attempts() == 2


def test_windows_of_another_length_are_left_alone(connected: Any, ws_client: Any) -> None:
    user = UserFactory.create()
    before = connected(user=user)
    connected(user=user, RATE_LIMIT_WINDOW_MINUTES=10)
    after = ws_client(StackView, RATE_LIMIT_WINDOW_MINUTES=10)
    after.connection_id = before.connection_id

    after.disconnect()

    counted = dict(ConnectionRateLimit.objects.filter(key__contains="user").values_list("key", "attempts"))
    assert counted[f"connect:300s:user:{user.pk}"] == 0
    assert counted[f"connect:600s:user:{user.pk}"] == 1


def test_attempt_that_was_not_counted_is_not_given_back(connected: Any) -> None:
    user = UserFactory.create()
    uncounted = connected(user=user, RATE_LIMIT_ENABLED=False)
    connected(user=user)

    uncounted.disconnect()

    assert attempts() == 1


def test_attempt_that_a_hook_refuses_is_not_given_back(ws_client: Any) -> None:
    class RefusingView(StackView):
        def connect(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse(status=403)

    client = ws_client(RefusingView)
    client.connect(user=UserFactory.create())
    client.disconnect()

    assert attempts() == 1


def test_counter_that_an_operator_deleted_does_not_fall_below_zero(connected: Any) -> None:
    client = connected()
    ConnectionRateLimit.objects.all().delete()
    client.disconnect()
    assert not ConnectionRateLimit.objects.exists()

    user = UserFactory.create()
    client = connected(user=user)
    ConnectionRateLimit.objects.update(attempts=0)
    client.disconnect()

    assert attempts() == 0


def test_disconnect_of_another_gateway_gives_nothing_back(connected: Any, ws_client: Any) -> None:
    client = connected()
    stranger = ws_client(StackView)
    stranger.gateway, stranger.connection_id = ApiGatewayFactory.create(), client.connection_id

    assert stranger.disconnect().status_code == 403
    assert attempts() == 1


def test_given_back_attempt_can_be_used_at_once(ws_client: Any) -> None:
    user = UserFactory.create()
    clients = [ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=2) for _ in range(4)]
    tokens = [issue_token(user) for _ in clients]

    statuses = [
        client.connect(token=token).status_code for client, token in zip(clients, tokens, strict=True)
    ]
    clients[0].disconnect()
    again = ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=2).connect(user=user)

    assert statuses == [200, 200, 429, 429]
    assert again.ok
