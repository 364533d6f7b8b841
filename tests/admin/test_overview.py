"""The live overview, its figures, and the broadcast form."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.test import override_settings
from django.utils import timezone

from tests.admin.clients import act, address, client_with, text_of
from tests.factories import (
    ApiGatewayFactory,
    BroadcastRunFactory,
    BroadcastShardFactory,
    ChannelSubscriptionFactory,
    ConnectionRateLimitFactory,
    UserFactory,
    WebSocketSessionFactory,
    WebSocketTokenFactory,
)
from websocket_gateway.admin.live_figures import read_overview
from websocket_gateway.models import BroadcastRun, ChannelMember, ConnectionRateLimit, RefusalCount
from websocket_gateway.testing.connections import FakeConnections

pytestmark = pytest.mark.django_db

SENDER = ("view_websocketsession", "send_websocketsession")


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    cache.clear()


def test_figures_count_gateways_channels_and_hours() -> None:
    now = timezone.now()
    full, empty = ApiGatewayFactory.create(api_name="full"), ApiGatewayFactory.create(api_name="empty")
    session = WebSocketSessionFactory.create(api_gateway=full, channel_name="a", created_on=now)
    WebSocketSessionFactory.create(api_gateway=full, channel_name="b", created_on=now - timedelta(days=2))
    WebSocketSessionFactory.create(api_gateway=empty, ended=True, created_on=now - timedelta(days=2))
    ChannelSubscriptionFactory.create(session=session, channel_name="b")

    figures = read_overview(fresh=True)

    assert figures["open"] == 2
    assert [(row["name"], row["count"]) for row in figures["gateways"]] == [("full", 2), ("empty", 0)]
    assert [(row["name"], row["count"]) for row in figures["channels"]] == [("b", 2), ("a", 1)]
    assert len(figures["hours"]) == 12
    assert sum(hour["connects"] for hour in figures["hours"]) == 1
    assert sum(hour["disconnects"] for hour in figures["hours"]) == 1


def test_figures_take_few_queries_and_are_kept_for_a_moment(django_assert_num_queries: Any) -> None:
    WebSocketSessionFactory.create_batch(5)
    with django_assert_num_queries(5):
        first = read_overview()
    WebSocketSessionFactory.create()

    with django_assert_num_queries(0):
        assert read_overview() == first


@override_settings(WEBSOCKET_GATEWAY={"CHANNELS": {"room*": {"PRESENCE": True}}})
def test_members_of_channels_are_counted_and_named(django_assert_num_queries: Any) -> None:
    ada = UserFactory.create(username="ada")
    ids = [f"u:{ada.pk}", "u:0", "s:7", "desk", "u:hash", "s:8"]
    for member in ids:
        info = {"name": "A guest"} if member == "s:7" else {"name": 7} if member == "desk" else {}
        ChannelMember.objects.create(channel_name="room", member=member, info=info)
    ChannelMember.objects.create(channel_name="room_2", member="s:9")
    ChannelMember.objects.create(channel_name="room_3", member="s:9", present=False)

    with django_assert_num_queries(5 + 4):  # channels, twice their first members, names of users
        figures = read_overview(fresh=True)

    assert figures["members"] == [
        {"name": "room", "count": 6, "members": ["ada", "u:0", "A guest", "desk", "u:hash"]},
        {"name": "room_2", "count": 1, "members": ["s:9"]},
    ]


def test_members_need_a_permission_of_their_own() -> None:
    ChannelMember.objects.create(channel_name="room", member="s:9")
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": {"room*": {"PRESENCE": True}}}):
        for client in (client_with("view_websocketsession"), client_with("view_channelmember")):
            answer = client.get(address("figures"))
            assert answer.status_code == 403 or answer.json()["members"] == []
            assert "Members of channels" not in client.get(address("overview")).content.decode()
        both = client_with("view_websocketsession", "view_channelmember")
        assert [row["name"] for row in both.get(address("figures")).json()["members"]] == ["room"]
        assert "Members of channels" in text_of(both.get(address("overview")))
    assert "Members of channels" not in text_of(both.get(address("overview")))


def test_the_page_and_its_figures_need_the_permission_to_view() -> None:
    viewer, other = client_with("view_websocketsession"), client_with("view_apigateway")

    assert viewer.get(address("figures")).json()["open"] == 0
    assert "Live overview" in text_of(viewer.get(address("overview")))
    assert ">Broadcast</a>" not in text_of(viewer.get(address("overview")))
    assert viewer.get(address("send")).status_code == 403
    for name in ("figures", "overview", "send"):
        assert other.get(address(name)).status_code == 403
    assert viewer.post(address("overview")).status_code == 405


def test_a_broadcast_says_how_many_it_reaches_before_it_is_sent(fake_connections: FakeConnections) -> None:
    WebSocketSessionFactory.create_batch(3, channel_name="news")
    WebSocketSessionFactory.create(channel_name="other")
    client = client_with(*SENDER)
    form = {"to": "channel", "channel": "news", "user": "", "message": '{"a": 1}'}

    preview = text_of(client.post(address("send"), {**form, "step": "preview"}))
    assert not BroadcastRun.objects.exists()
    sent = client.post(address("send"), {**form, "step": "apply"}, follow=True)

    assert "<strong>3</strong>" in preview
    assert '{"a":1}' in preview
    assert "Delivered to 3 of 3." in text_of(sent)
    message = {"a": 1, "_ws": {"channel": "news"}}
    assert [frame.message for frame in fake_connections.sent] == [message] * 3
    shown = read_overview(fresh=True)["broadcasts"][0]
    assert (shown["delivered"], shown["failed"]) == (3, 0)
    assert (shown["to"], shown["by"][:7]) == ("channel \u201cnews\u201d", "admin: ")
    assert "Sent 7 bytes to" in LogEntry.objects.get().get_change_message()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"to": "channel"}, "This field is required for this audience."),
        ({"to": "user", "user": "nobody"}, "No user is called 'nobody'."),
        ({"to": "everyone", "channel": "news"}, "Leave this empty: the message is for"),
        ({"to": "channel", "channel": "x" * 192}, "191 characters"),
        ({"to": "nonsense"}, "Select a valid choice"),
    ],
)
def test_a_broadcast_to_nobody_in_particular_is_refused(fields: dict[str, str], why: str) -> None:
    form = {"message": "{}", "step": "apply", **fields}

    assert why in text_of(client_with(*SENDER).post(address("send"), form))
    assert not BroadcastRun.objects.exists()


def test_a_broadcast_to_a_user(fake_connections: FakeConnections) -> None:
    session = WebSocketSessionFactory.create(user=UserFactory.create(username="ada"))
    form = {"to": "user", "user": "ada", "message": "[1]", "step": "apply"}

    client_with(*SENDER).post(address("send"), form)

    assert fake_connections.messages_to(session.connection_id) == [[1]]


def test_who_is_blocked_is_named_and_let_in_again() -> None:
    user = UserFactory.create(username="ada")
    rows = [
        ConnectionRateLimitFactory.create(key=f"connect:300s:user:{user.pk}", attempts=20),
        ConnectionRateLimitFactory.create(key="connect:300s:ip:192.0.2.1"),
    ]
    client = client_with("view_connectionratelimit", "delete_connectionratelimit")

    page = text_of(client.get(address("connectionratelimit_changelist")))
    done = text_of(act(client, "unblock", *rows))

    assert "user ada" in page
    assert "address 192.0.2.1" in page
    assert "2 counters were deleted." in done
    assert not ConnectionRateLimit.objects.exists()
    assert LogEntry.objects.count() == 2


def test_no_token_and_no_hash_is_shown() -> None:
    token = WebSocketTokenFactory.create(token="secret-token")
    client = client_with(superuser=True)

    pages = text_of(client.get(address("websockettoken_changelist")))
    pages += text_of(client.get(address("websockettoken_change", token.pk)))

    assert "can be used" in pages
    assert token.token_hash not in pages
    assert "secret-token" not in pages


def test_deliveries_failures_and_refusals_are_counted_by_hour() -> None:
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    BroadcastRunFactory.create(finished=True, created_on=now, delivered=70, gone=2, failed=3)
    in_shards = BroadcastRunFactory.create(created_on=now)
    for first in (1, 11):
        BroadcastShardFactory.create(
            run=in_shards, first_pk=first, last_pk=first + 9, position=0, delivered=10, failed=1
        )
    BroadcastRunFactory.create(
        finished=True, created_on=now - timedelta(hours=2), delivered=5, gone=0, failed=0
    )
    BroadcastRunFactory.create(finished=True, created_on=now - timedelta(days=2), delivered=9, failed=9)
    for rule, number, hours in (("rate_limited", 4, 0), ("rate_limited", 2, 1), ("origin_secret", 1, 1)):
        RefusalCount.objects.create(rule=rule, number=number, hour=now - timedelta(hours=hours))

    figures = read_overview(fresh=True)

    last = [(hour["delivered"], hour["failed"], hour["refusals"]) for hour in figures["hours"][-3:]]
    assert last == [(5, 0, 0), (0, 0, 3), (90, 5, 4)]
    assert [(row["name"], row["count"]) for row in figures["refusals"]] == [
        ("rate_limited", 6),
        ("origin_secret", 1),
    ]
    assert [(row["delivered"], row["gone"], row["failed"]) for row in figures["broadcasts"][1:]] == [
        (5, 0, 0),
        (20, 0, 2),
        (70, 2, 3),
    ]
