"""The list of sessions and what can be done to them, against the adapter that records."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from tests.admin.clients import act, address, client_with, text_of
from tests.factories import (
    ApiGatewayFactory,
    ChannelSubscriptionFactory,
    UserFactory,
    WebSocketSessionFactory,
)
from websocket_gateway.models import WebSocketSession
from websocket_gateway.testing.connections import FakeConnections

pytestmark = pytest.mark.django_db

VIEW = "view_websocketsession"


def listed(client: Client, **query: str) -> set[str]:
    answer = client.get(address("websocketsession_changelist"), query)
    return {session.connection_id for session in answer.context["cl"].result_list}


def test_open_sessions_are_listed_and_filters_lead_to_the_others() -> None:
    gateway, user = ApiGatewayFactory.create(), UserFactory.create()
    long_ago = timezone.now() - timedelta(hours=3)
    WebSocketSessionFactory.create(connection_id="open=", api_gateway=gateway, user=user)
    WebSocketSessionFactory.create(connection_id="old=", created_on=long_ago)
    WebSocketSessionFactory.create(connection_id="ended=", ended=True)
    client = client_with(VIEW)

    assert listed(client) == {"open=", "old="}
    assert listed(client, state="ended") == {"ended="}
    assert listed(client, state="all") == {"open=", "old=", "ended="}
    assert listed(client, gateway=str(gateway.pk)) == {"open="}
    assert listed(client, user=str(user.pk)) == {"open="}
    assert listed(client, user="no such key") == set()
    assert listed(client, user="9" * 30) == set()
    assert listed(client, gateway="9" * 30) == set()
    assert listed(client, age="2h") == {"old="}
    assert listed(client, age="1h") == {"open="}


def test_a_search_finds_by_connection_user_and_channel_and_only_exactly() -> None:
    user = UserFactory.create(username="ada")
    WebSocketSessionFactory.create(connection_id="Ab=", user=user, channel_name="news")
    WebSocketSessionFactory.create(connection_id="aB=", channel_name="sports")
    ChannelSubscriptionFactory.create(
        session=WebSocketSessionFactory.create(connection_id="cd=", channel_name=""), channel_name="sports"
    )
    client = client_with(VIEW)

    assert listed(client, q="Ab=") == {"Ab="}
    assert listed(client, q="ada") == {"Ab="}
    assert listed(client, q="sports") == {"aB=", "cd="}
    assert listed(client, q="sport") == set()
    assert listed(client, q="\x00") == {"Ab=", "aB=", "cd="}


def test_the_list_takes_less_than_ten_queries_however_it_is_narrowed(
    django_assert_max_num_queries: Any,
) -> None:
    session = WebSocketSessionFactory.create(logged_in=True)
    WebSocketSessionFactory.create_batch(20, logged_in=True)
    client = client_with(VIEW, "send_websocketsession", "disconnect_websocketsession")

    for query in ({}, {"state": "all"}, {"gateway": str(session.api_gateway_id)}, {"q": "lobby"}):
        with django_assert_max_num_queries(9):
            client.get(address("websocketsession_changelist"), query)


def test_a_message_is_seen_before_it_is_sent(fake_connections: FakeConnections) -> None:
    sessions = WebSocketSessionFactory.create_batch(2)
    client = client_with(VIEW, "send_websocketsession")
    message = '{"type":  "n\u00f6tice"}'

    asked = act(client, "send_message", *sessions)
    preview = act(client, "send_message", *sessions, step="form", message=message)
    assert fake_connections.sent == []
    sent = act(client, "send_message", *sessions, step="apply", message=message)

    assert "2 open sessions:" in text_of(asked)
    assert '{"type":"n\u00f6tice"}' in text_of(preview)
    assert "18 bytes" in text_of(preview)
    assert "Delivered to 2 of 2." in text_of(sent)
    assert {json.loads(item.data)["type"] for item in fake_connections.sent} == {"n\u00f6tice"}
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == [
        "Sent a message of 18 bytes"
    ] * 2


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("", "Write the message as JSON."),
        ("{", "The message is not JSON"),
        ('{"_ws": 1}', "reserved"),
        ('"' + "x" * 131_072 + '"', "API Gateway takes at most 131,072"),
    ],
)
def test_what_can_never_be_sent_is_refused_with_the_reason(
    fake_connections: FakeConnections, message: str, why: str
) -> None:
    session = WebSocketSessionFactory.create()

    answer = act(
        client_with(VIEW, "send_websocketsession"), "send_message", session, step="apply", message=message
    )

    assert why in text_of(answer)
    assert fake_connections.sent == []


def test_sessions_subscribe_to_a_channel_or_move_to_it() -> None:
    session = WebSocketSessionFactory.create(channel_name="lobby")
    client = client_with(VIEW, "change_websocketsession")

    act(client, "change_channel", session, step="form", channel="news", how="subscribe")
    assert session.subscriptions.get().channel_name == "news"
    act(client, "change_channel", session, step="form", channel="news", how="move")

    session.refresh_from_db()
    assert (session.channel_name, session.subscriptions.count()) == ("news", 0)
    assert LogEntry.objects.count() == 2


def test_disconnecting_asks_first_and_closes_for_real(fake_connections: FakeConnections) -> None:
    session = WebSocketSessionFactory.create()
    client = client_with(VIEW, "disconnect_websocketsession")

    asked = act(client, "disconnect", session)
    assert WebSocketSession.objects.get().connected
    done = act(client, "disconnect", session, step="apply")

    assert "Close this socket?" in text_of(asked)
    assert "1 socket was closed." in text_of(done)
    assert not WebSocketSession.objects.get().connected
    assert fake_connections.closed == [session.connection_id]
    assert "Nothing was changed." in text_of(act(client, "disconnect", session, step="apply"))


@pytest.mark.parametrize("action", [("send_message"), ("change_channel"), ("disconnect")])
def test_each_action_is_a_permission_of_its_own(fake_connections: FakeConnections, action: str) -> None:
    session = WebSocketSessionFactory.create()
    others = {"send_message": "disconnect_websocketsession"}.get(action, "send_websocketsession")

    answer = act(
        client_with(VIEW, others), action, session, step="apply", message="{}", channel="x", how="move"
    )

    session.refresh_from_db()
    assert answer.status_code == 200
    assert (session.connected, session.channel_name, fake_connections.sent) == (True, "lobby", [])
    assert not LogEntry.objects.exists()


def test_the_page_of_a_session_offers_what_one_may_do() -> None:
    session = WebSocketSessionFactory.create()
    url = address("websocketsession_change", session.pk)

    page = text_of(client_with(VIEW, "disconnect_websocketsession").get(url))

    assert 'name="action" value="disconnect"' in page
    assert 'name="action" value="send_message"' not in page
    assert "session_auth_hash" not in page


def test_without_a_csrf_token_nothing_happens(fake_connections: FakeConnections) -> None:
    session = WebSocketSessionFactory.create()
    logged_in = client_with(superuser=True)
    client = Client(enforce_csrf_checks=True)
    client.cookies = logged_in.cookies

    assert act(client, "disconnect", session, step="apply").status_code == 403
    assert client.post(address("send"), {"step": "apply"}).status_code == 403
    assert WebSocketSession.objects.get().connected


def test_more_than_one_can_oversee_are_refused(fake_connections: FakeConnections) -> None:
    gateway = ApiGatewayFactory.create()
    sessions = WebSocketSessionFactory.create_batch(201, api_gateway=gateway)

    answer = act(client_with(superuser=True), "disconnect", *sessions, step="apply")

    assert "at most 200 sessions" in text_of(answer)
    assert WebSocketSession.objects.filter(connected=True).count() == 201


def test_a_users_page_leads_to_the_live_sockets() -> None:
    session = WebSocketSessionFactory.create(logged_in=True)
    WebSocketSessionFactory.create(user=session.user, api_gateway=session.api_gateway, ended=True)
    url = f"/admin/auth/user/{session.user_id}/change/"

    page = text_of(client_with(superuser=True).get(url))
    hidden = text_of(client_with("view_user").get(url))

    assert f'websocketsession/?user={session.user_id}">1 socket is open</a>' in page
    assert "socket is open" not in hidden
