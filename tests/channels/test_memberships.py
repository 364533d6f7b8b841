"""Who is in a channel with presence: every way in and every way out, and what others are told of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import override_settings

from tests.factories import UserFactory, WebSocketSessionFactory
from tests.sink import Sink
from tests.support.heavy import say, sized
from websocket_gateway.connections import revoke
from websocket_gateway.connections.ending import end, end_gone
from websocket_gateway.models import ApiGateway, ChannelMember, WebSocketSession
from websocket_gateway.signals import channel_joined, channel_left
from websocket_gateway.testing import WebSocketClient
from websocket_gateway.views import WebSocketView

pytestmark = pytest.mark.django_db(transaction=True)


class Ticket(WebSocketView):
    """A view whose clients may change the primary channel."""

    ADDITIONAL_ALLOWED_HANDLERS = ("change_channel",)


@pytest.fixture(autouse=True)
def presence() -> Iterator[None]:
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": {"room*": {"PRESENCE": True}}}):
        yield


@pytest.fixture
def told() -> Iterator[list[tuple[str, str, str]]]:
    """The signals: what happened, the channel, the member."""
    found: list[tuple[str, str, str]] = []

    def joined(channel_name: str, member: str, **kwargs: Any) -> None:
        found.append(("joined", channel_name, member))

    def left(channel_name: str, member: str, **kwargs: Any) -> None:
        found.append(("left", channel_name, member))

    channel_joined.connect(joined)
    channel_left.connect(left)
    yield found
    channel_joined.disconnect(joined)
    channel_left.disconnect(left)


@pytest.fixture
def tab(gateway: ApiGateway) -> Any:
    """Opens a tab of a user, in a primary channel."""

    def open_tab(user: Any, channel: str | None = None) -> WebSocketClient:
        client = WebSocketClient(Ticket, gateway=gateway)
        assert client.connect(user=user, channel=channel).ok
        return client

    return open_tab


def present(channel: str = "room") -> set[str]:
    rows = ChannelMember.objects.filter(channel_name=channel, present=True)
    return set(rows.values_list("member", flat=True))


def events(sink: Sink, connection_id: str) -> list[tuple[int, list[str], list[str]]]:
    """What a connection was sent of members: their number, who came, who went."""
    frames = [json.loads(body)["_ws"] for body in sink.received.get(connection_id, [])]
    ids = [[[one["id"] for one in frame.get(kind, [])] for kind in ("join", "leave")] for frame in frames]
    return [(frame["count"], *some) for frame, some in zip(frames, ids, strict=True)]


def test_a_member_is_told_once_over_several_tabs(
    sink: Sink, gateway: ApiGateway, tab: Any, told: Any
) -> None:
    watcher = WebSocketSessionFactory.create(api_gateway=gateway, channel_name="room")
    ada = UserFactory.create()
    first, second = tab(ada, "room"), tab(ada)
    second.control("subscribe", channel="room", reply_id="1")
    member = f"u:{ada.pk}"

    assert present() == {member}
    first.disconnect()
    assert present() == {member}
    second.disconnect()
    assert present() == set()
    assert told == [("joined", "room", member), ("left", "room", member)]
    assert events(sink, watcher.connection_id) == [(1, [member], []), (0, [], [member])]


def test_every_way_in_and_out(sink: Sink, tab: Any, told: Any) -> None:
    ada = UserFactory.create()
    member = f"u:{ada.pk}"
    client = tab(ada, "room")
    client.send({"handler": "change_channel", "channel": "room_2"}, reply_id="1")
    assert (present(), present("room_2")) == (set(), {member})
    client.control("subscribe", channels={"room": None, "room_3": None}, reply_id="2")
    assert present() == present("room_3") == {member}
    client.control("unsubscribe", channel="room", reply_id="3")
    client.control("unsubscribe", channel="room_2", reply_id="4")
    assert present() == present("room_2") == set()
    client.session.subscribe("room")
    assert present() == {member}
    client.disconnect()
    assert present() == present("room_3") == set()
    kinds = [kind for kind, _, _ in told]
    assert (kinds.count("joined"), kinds.count("left")) == (5, 5)


@pytest.mark.parametrize("how", ["disconnect", "revoke", "gone", "push", "logout"])
def test_every_end_is_a_leave(sink: Sink, tab: Any, how: str) -> None:
    ada = UserFactory.create()
    client = tab(ada, "room")
    session = client.session
    WebSocketSession.objects.update(created_on="2020-01-01T00:00Z")
    assert present() == {f"u:{ada.pk}"}

    if how == "disconnect":
        client.disconnect()
    elif how == "revoke":
        revoke(WebSocketSession.objects.filter(pk=session.pk))
    elif how == "gone":
        end_gone({session.pk: session.connection_id})
    elif how == "push":
        sink.answers[session.connection_id] = 410
        session.send_message({"type": "hello"})
    else:
        ada.is_active = False
        ada.save()

    assert present() == set()


def test_a_connection_that_was_loaded_before_it_joined_leaves_too(gateway: ApiGateway) -> None:
    session = WebSocketSessionFactory.create(api_gateway=gateway, user=UserFactory.create())
    before = WebSocketSession.objects.get(pk=session.pk)
    session.subscribe("room")
    assert present()

    end(before, reason="client")

    assert present() == set()


def test_a_connection_that_ended_before_it_was_known_as_a_member_does_not_stay(gateway: ApiGateway) -> None:
    session = WebSocketSessionFactory.create(api_gateway=gateway, user=UserFactory.create())
    end(WebSocketSession.objects.get(pk=session.pk), reason="client")

    session.subscribe("room")

    assert present() == set()


def test_in_a_transaction_a_join_waits_for_the_commit(gateway: ApiGateway) -> None:
    session = WebSocketSessionFactory.create(api_gateway=gateway, user=UserFactory.create())
    with transaction.atomic():
        session.subscribe("room")
        assert present() == set()
    assert present() == {f"u:{session.user_id}"}

    with transaction.atomic():
        session.subscribe("room_2")
        transaction.set_rollback(True)
    assert present("room_2") == set()


def test_guests_are_members_one_by_one(sink: Sink, tab: Any) -> None:
    with override_settings(
        WEBSOCKET_GATEWAY={"CHANNELS": {"room*": {"PRESENCE": True}}, "ALLOWED_ORIGINS": None}
    ):
        sessions = WebSocketSessionFactory.create_batch(2, user=None)
        for session in sessions:
            session.subscribe("room")

    assert present() == {f"s:{session.pk}" for session in sessions}


def test_channels_without_presence_are_told_by_signals_for_each_connection(
    gateway: ApiGateway, tab: Any, told: Any
) -> None:
    client = tab(UserFactory.create(), "news")
    client.control("subscribe", channel="sport", reply_id="1")
    client.control("subscribe", channels={"sport": None, "more": None}, reply_id="2")
    client.control("unsubscribe", channel="sport", reply_id="3")
    client.disconnect()

    assert told == [
        ("joined", "news", ""),
        ("joined", "sport", ""),
        ("joined", "more", ""),
        ("left", "sport", ""),
        ("left", "news", ""),
        ("left", "more", ""),
    ]
    assert not ChannelMember.objects.exists()


@pytest.mark.parametrize("members", [2, 4, 5])
def test_the_posts_of_a_join_are_bounded(sink: Sink, gateway: ApiGateway, members: int) -> None:
    options = {"CHANNELS": {"room": {"PRESENCE": True}}, "PRESENCE_EVENTS_UP_TO": 4}
    watcher = WebSocketSessionFactory.create(api_gateway=gateway, channel_name="room")
    with override_settings(WEBSOCKET_GATEWAY=options):
        for _ in range(members - 1):
            WebSocketSessionFactory.create(api_gateway=gateway, user=UserFactory.create()).subscribe("room")
        sink.received.clear()
        sink.requests.clear()

        WebSocketSessionFactory.create(api_gateway=gateway, user=UserFactory.create()).subscribe("room")
        first = len(sink.requests)
        WebSocketSessionFactory.create(api_gateway=gateway, user=UserFactory.create()).subscribe("room")

    if members <= 4:
        assert first == members
        assert events(sink, watcher.connection_id)[0][0] == members
    else:
        # The first one beyond is told as a number to all, the next one within 10 seconds to nobody.
        assert (first, len(sink.requests)) == (members, members)
        assert events(sink, watcher.connection_id) == [(5, [], [])]


@pytest.mark.usefixtures("write_ahead_log")
def test_two_tabs_that_close_at_the_same_moment_are_one_leave(gateway: ApiGateway, told: Any) -> None:
    ada = UserFactory.create()
    rounds = sized(10, 500)
    for _ in range(rounds):
        tabs = WebSocketSessionFactory.create_batch(2, api_gateway=gateway, user=ada)
        for session in tabs:
            session.subscribe("room")
        barrier = Barrier(2)

        def close(session: WebSocketSession, barrier: Barrier = barrier) -> None:
            barrier.wait()
            end(session, reason="client")
            connections.close_all()

        threads = [Thread(target=close, args=(session,)) for session in tabs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [kind for kind, name, _ in told if name == "room"] == ["joined", "left"] * rounds
    say(f"{connection.vendor}: {rounds} times two tabs at the same moment, {rounds} leaves")
