"""Channels: their names, who may join, control frames."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest

from tests.factories import ApiGatewayFactory, ChannelPermissionFactory, UserFactory
from tests.views.urls import StackView
from websocket_gateway.models import ChannelSubscription, WebSocketSession

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


@pytest.mark.parametrize("name", ["a", "A-b_9", "x" * 191])
def test_channel_of_the_query_is_joined(ws_client: Any, name: str) -> None:
    client = ws_client(StackView)

    assert client.connect(user=UserFactory.create(), channel=name).ok
    assert client.session.channel_name == name


@pytest.mark.parametrize(
    "name",
    ["a b", "a\n", "\na", "a\x00", "x" * 192, "ä", "a/b", "a.b", "\u200b", "*", " ", "％"],
)
def test_text_that_is_no_channel_name_is_400(ws_client: Any, name: str) -> None:
    reply = ws_client(StackView).connect(user=UserFactory.create(), channel=name)

    assert (reply.status_code, reply.error) == (400, "invalid_channel")
    assert not WebSocketSession.objects.exists()


def test_length_of_channel_names_can_be_lowered(ws_client: Any) -> None:
    options = {"MAX_CHANNEL_NAME_LENGTH": 3}

    assert ws_client(StackView, **options).connect(user=UserFactory.create(), channel="abc").ok
    assert not ws_client(StackView, **options).connect(user=UserFactory.create(), channel="abcd").ok


def test_length_beyond_the_column_is_refused_whatever_the_view_says(ws_client: Any) -> None:
    reply = ws_client(StackView, MAX_CHANNEL_NAME_LENGTH=500).connect(
        user=UserFactory.create(), channel="x" * 192
    )

    assert reply.error == "invalid_channel"


@pytest.mark.parametrize("pattern", [r"^room\.[0-9]+$", re.compile(r"room\.[0-9]+")])
def test_pattern_is_a_full_match_as_text_or_compiled(ws_client: Any, pattern: Any) -> None:
    def connect(channel: str) -> bool:
        client = ws_client(StackView, CHANNEL_NAME_PATTERN=pattern)
        return bool(client.connect(user=UserFactory.create(), channel=channel).ok)

    assert connect("room.1")
    assert not connect("room.1\n")
    assert not connect("xroom.1")


def test_pattern_that_matches_everything_still_keeps_nul_out(ws_client: Any) -> None:
    client = ws_client(StackView, CHANNEL_NAME_PATTERN=re.compile(".*", re.DOTALL))

    assert client.connect(user=UserFactory.create(), channel="a\x00b").status_code == 400


def test_name_that_ends_in_a_space_is_refused_whatever_the_pattern_says(ws_client: Any) -> None:
    client = ws_client(StackView, CHANNEL_NAME_PATTERN=".*")

    assert client.connect(user=UserFactory.create(), channel="staff ").error == "invalid_channel"


def test_unlisted_channels_can_be_closed(ws_client: Any) -> None:
    ChannelPermissionFactory.create(channel_name="listed")
    options = {"ALLOW_UNLISTED_CHANNELS": False}

    assert ws_client(StackView, **options).connect(user=UserFactory.create(), channel="listed").ok
    other = ws_client(StackView, **options).connect(user=UserFactory.create(), channel="other")
    assert (other.status_code, other.error) == (403, "channel_denied")


def test_default_channel_of_the_gateway_is_asked_for_too(ws_client: Any) -> None:
    ApiGatewayFactory.create(default_channel_name="staff")
    ChannelPermissionFactory.create(channel_name="staff", audience="staff")

    assert not ws_client(StackView).connect(user=UserFactory.create()).ok
    assert ws_client(StackView).connect(user=UserFactory.create(staff=True)).ok


def test_can_join_channel_rules_connect_subscribe_and_change(ws_client: Any) -> None:
    class View(StackView):
        ADDITIONAL_ALLOWED_HANDLERS = ["change_channel"]

        def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
            return channel_name.startswith(f"{request.user}-")

    user = UserFactory.create()
    client = ws_client(View)

    assert not ws_client(View).connect(user=user, channel="lobby").ok
    assert client.connect(user=user, channel=f"{user}-1").ok
    assert client.control("subscribe", channel="lobby").error == "channel_denied"
    assert client.control("subscribe", channel=f"{user}-2").ok
    assert client.send({"handler": "change_channel", "channel": "lobby"}).error == "channel_denied"
    assert client.send({"handler": "change_channel", "channel": f"{user}-3"}).ok
    assert client.session.channel_name == f"{user}-3"


def test_channel_that_becomes_the_primary_one_is_no_longer_subscribed_to(ws_client: Any) -> None:
    class View(StackView):
        ADDITIONAL_ALLOWED_HANDLERS = ["change_channel"]
        MAX_SUBSCRIPTIONS = 1

    client = ws_client(View)
    client.connect(user=UserFactory.create())
    client.control("subscribe", channel="news")

    for _twice in range(2):
        assert client.send({"handler": "change_channel", "channel": "news"}).ok
        assert client.session.channel_name == "news"
        assert not client.session.subscriptions.exists()

    assert client.control("subscribe", channel="sport").ok  # it counts one subscription, not two
    assert client.send({"handler": "change_channel", "channel": "lobby"}).ok
    assert not WebSocketSession.objects.in_channel("news").exists()
    assert list(WebSocketSession.objects.in_channel("sport")) == [client.session]


def test_change_channel_is_no_handler_unless_listed_or_overridden(connected: Any) -> None:
    assert connected().send({"handler": "change_channel", "channel": "x"}).error == "unknown_handler"


def test_subscribing_and_unsubscribing_by_control_frames(connected: Any) -> None:
    client = connected()

    subscribed = client.control("subscribe", channel="news", reply_id="1")
    again = client.control("subscribe", channel="news")
    in_channel = list(WebSocketSession.objects.in_channel("news"))
    unsubscribed = client.control("unsubscribe", channel="news")

    assert subscribed.json() == {"_ws": {"type": "subscribed", "channel": "news", "reply_to": "1"}}
    assert again.ok
    assert in_channel == [client.session]
    assert unsubscribed.json() == {"_ws": {"type": "unsubscribed", "channel": "news"}}
    assert not ChannelSubscription.objects.exists()


@pytest.mark.parametrize("channel", [None, 7, [], {}, "", "a b", "x" * 192, True])
def test_control_frame_with_no_channel_name_is_400(connected: Any, channel: Any) -> None:
    client = connected()

    for kind in ("subscribe", "unsubscribe"):
        assert client.control(kind, channel=channel).error == "invalid_channel"


def test_subscriptions_of_a_connection_are_bounded(connected: Any) -> None:
    client = connected(MAX_SUBSCRIPTIONS=2)

    replies = [client.control("subscribe", channel=f"c{number}") for number in range(3)]

    assert [reply.error for reply in replies] == [None, None, "too_many_channels"]
    assert client.control("subscribe", channel="c0", reply_id="s").error is None  # it is in there already


@pytest.mark.parametrize("channel", ["news", "lobby"])
def test_a_control_frame_that_is_sent_again_is_answered_like_the_first_time(
    connected: Any, channel: str
) -> None:
    client = connected()
    client.send({"handler": "change_channel", "channel": "lobby"})

    for kind in ("subscribe", "unsubscribe"):
        first, again = (client.control(kind, channel=channel, reply_id="s1") for _ in range(2))
        assert first.json() == {"_ws": {"type": f"{kind}d", "channel": channel, "reply_to": "s1"}}
        assert again.json() == first.json()
        assert WebSocketSession.objects.in_channel(channel).count() == (kind == "subscribe")


def test_a_rule_that_breaks_is_not_a_refusal_of_the_channel(connected: Any) -> None:
    class View(StackView):
        broken = False

        def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
            if View.broken:
                raise LookupError("secret detail")
            return True

    client = connected(View)
    View.broken = True
    reply = client.control("subscribe", channel="news", reply_id="s1")
    View.broken = False

    assert (reply.error, reply.json()["_ws"]["reply_to"]) == ("internal_error", "s1")
    assert client.control("subscribe", channel="news", reply_id="s1").ok


@pytest.mark.skipif(connection.vendor != "sqlite", reason="locks SQLite's file")
@pytest.mark.django_db(transaction=True)
def test_a_database_that_another_writes_to_is_busy_and_the_answer_names_the_frame(
    connected: Any, lock: sqlite3.Connection
) -> None:
    client = connected()
    client.control("subscribe", channel="old")

    lock.execute("BEGIN IMMEDIATE")
    replies = [
        client.control("subscribe", channel="news", reply_id="s1"),
        client.control("unsubscribe", channel="old", reply_id="s1"),
    ]
    lock.execute("ROLLBACK")

    assert [reply.json()["_ws"]["reply_to"] for reply in replies] == ["s1", "s1"]
    assert [(reply.status_code, reply.error) for reply in replies] == [(503, "busy")] * 2
    assert client.control("subscribe", channel="news", reply_id="s1").ok
    assert client.control("unsubscribe", channel="old", reply_id="s1").ok


def test_ping_is_answered_by_pong(connected: Any) -> None:
    client = connected()

    assert client.control("ping").json() == {"_ws": {"type": "pong"}}
    assert client.control("ping", reply_id="p1").json() == {"_ws": {"type": "pong", "reply_to": "p1"}}
    assert client.control("pong").content == b""


@pytest.mark.parametrize("kind", ["subscribed", "", None, 7, ["ping"], {"ping": 1}])
def test_unknown_control_frame_is_400(connected: Any, kind: Any) -> None:
    reply = connected().send({"_ws": {"type": kind}})

    assert (reply.status_code, reply.error) == (400, "unknown_control")
