"""`MAX_CONNECTIONS_PER_USER` and `MAX_MESSAGES_PER_MINUTE`, one event at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from tests.views.test_logging import listening
from tests.views.urls import PublicView, StackView
from websocket_gateway.models import WebSocketSession
from websocket_gateway.signals import connected as connected_signal
from websocket_gateway.signals import disconnected

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


def test_connection_number_101_of_a_user_is_refused(ws_client: Any) -> None:
    user = UserFactory.create()
    client = ws_client(StackView)
    WebSocketSessionFactory.create_batch(99, api_gateway=client.gateway, user=user)

    with listening(connected_signal) as opened, listening(disconnected) as ended:
        hundredth, next_one = client.connect(user=user), ws_client(StackView).connect(user=user)

    assert hundredth.ok
    assert (next_one.status_code, next_one.error) == (429, "rate_limited")
    assert int(next_one.response["Retry-After"]) > 0
    assert WebSocketSession.objects.filter(user=user).count() == 100
    assert (len(opened), len(ended)) == (1, 0)


def test_ended_connections_make_room_for_others(ws_client: Any) -> None:
    user = UserFactory.create()
    first = ws_client(StackView, MAX_CONNECTIONS_PER_USER=1)

    assert first.connect(user=user).ok
    assert not ws_client(StackView, MAX_CONNECTIONS_PER_USER=1).connect(user=user).ok
    first.disconnect()
    assert ws_client(StackView, MAX_CONNECTIONS_PER_USER=1).connect(user=user).ok


def test_connections_that_must_be_dead_do_not_count(ws_client: Any) -> None:
    user = UserFactory.create()
    client = ws_client(StackView, MAX_CONNECTIONS_PER_USER=1)
    long_ago = timezone.now() - timedelta(hours=3)
    WebSocketSessionFactory.create(api_gateway=client.gateway, user=user, created_on=long_ago)

    assert client.connect(user=user).ok


def test_setting_stands_in_for_an_attribute_that_is_none(ws_client: Any, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "MAX_CONNECTIONS_PER_USER": 1}
    user = UserFactory.create()

    replies = [ws_client(StackView).connect(user=user) for _ in range(2)]
    unlimited = ws_client(StackView, MAX_CONNECTIONS_PER_USER=0).connect(user=user)

    assert [reply.status_code for reply in replies] == [200, 429]
    assert unlimited.ok


def test_visitors_without_a_user_share_no_limit_of_connections(ws_client: Any) -> None:
    replies = [ws_client(PublicView, MAX_CONNECTIONS_PER_USER=1).connect() for _ in range(3)]

    assert all(reply.ok for reply in replies)


def test_refusals_are_logged_with_their_rule(ws_client: Any, caplog: pytest.LogCaptureFixture) -> None:
    user = UserFactory.create()
    client = ws_client(StackView, MAX_CONNECTIONS_PER_USER=1, MAX_MESSAGES_PER_MINUTE=1)
    client.connect(user=user)
    ws_client(StackView, MAX_CONNECTIONS_PER_USER=1).connect(user=user)
    for _ in range(2):
        client.send({"handler": "say"})

    rules = [(vars(record).get("rule"), vars(record).get("user_id")) for record in caplog.records]
    assert ("MAX_CONNECTIONS_PER_USER", user.pk) in rules
    assert ("MAX_MESSAGES_PER_MINUTE", user.pk) in rules


def test_message_beyond_the_limit_is_refused_and_not_handled(connected: Any) -> None:
    client = connected(MAX_MESSAGES_PER_MINUTE=3)

    replies = [client.send({"handler": "say"}, reply_id=f"c{number}") for number in range(5)]

    assert [reply.error for reply in replies] == [None, None, None, "rate_limited", "rate_limited"]
    assert client.control("ping").error == "rate_limited"
    assert replies[-1].json()["_ws"]["reply_to"] == "c4"


def test_every_message_of_the_default_limit_is_let_through_and_not_one_more(connected: Any) -> None:
    client = connected()

    errors = [client.control("ping").error for _ in range(603)]

    assert errors == [None] * 600 + ["rate_limited"] * 3


def test_another_minute_has_the_full_number_again(connected: Any) -> None:
    client = connected(MAX_MESSAGES_PER_MINUTE=2)
    assert [client.control("ping").error for _ in range(3)][-1] == "rate_limited"

    WebSocketSession.objects.update(last_seen_on=timezone.now() - timedelta(seconds=61))

    assert [client.control("ping").error for _ in range(3)] == [None, None, "rate_limited"]


def test_each_connection_counts_its_own_messages(connected: Any) -> None:
    user = UserFactory.create()
    clients = [connected(user=user, MAX_MESSAGES_PER_MINUTE=1) for _ in range(3)]

    assert [client.control("ping").error for client in clients] == [None] * 3


def test_messages_without_a_limit_are_not_counted(connected: Any) -> None:
    client = connected(MAX_MESSAGES_PER_MINUTE=0)

    assert {client.control("ping").error for _ in range(50)} == {None}
    assert client.session.recent_messages == 0


def test_another_gateway_is_no_way_around_the_limit_of_connections(ws_client: Any) -> None:
    user = UserFactory.create()
    ws_client(StackView, MAX_CONNECTIONS_PER_USER=1).connect(user=user)
    elsewhere = ws_client(StackView, MAX_CONNECTIONS_PER_USER=1)
    elsewhere.gateway = ApiGatewayFactory.create()

    assert elsewhere.connect(user=user).error == "rate_limited"
