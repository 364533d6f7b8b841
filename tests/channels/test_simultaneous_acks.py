"""Eight processes acknowledge, publish and forget the same inboxes; and 50 notifications on two devices."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from tests.factories import UserFactory
from tests.support import acks
from websocket_gateway.channels import history, inbox
from websocket_gateway.channels.cursors import move_cursor
from websocket_gateway.channels.heads import read_heads
from websocket_gateway.models import Channel, ChannelCursor, ChannelMessage
from websocket_gateway.sending import broadcast
from websocket_gateway.testing import WebSocketClient
from websocket_gateway.views import WebSocketView

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES = 8
NUMBER = 20


class View(WebSocketView):
    """A view without handlers of its own."""


@pytest.mark.usefixtures("write_ahead_log")
@pytest.mark.parametrize("kind", ["ack", "publish", "forget"])
def test_the_greatest_offset_stays_and_no_count_is_wrong(kind: str) -> None:
    users = UserFactory.create_batch(acks.USERS)
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": acks.CHANNELS}):
        for user in users:
            for number in range(100 if kind == "ack" else 1):
                broadcast({"n": number}, user=user, inbox=True)

        results = acks.results(acks.start(kind, NUMBER, PROCESSES))

        assert len(results) == PROCESSES
        assert [result["failed"] for result in results] == [{}] * PROCESSES
        assert sum(result["wrong"] + result["backwards"] for result in results) == 0
        for user in users:
            name = inbox.channel(user)
            head = read_heads([name], readers=[user.pk])[name]
            assert head.acked <= head.last_offset
            assert inbox.unread(user) == head.last_offset - head.acked
            assert ChannelCursor.objects.filter(user=user).count() <= 1
            assert kind == "forget" or ChannelCursor.objects.get(user=user).epoch == head.epoch
        if kind == "publish":
            published = sum(result["published"] for result in results)
            assert ChannelMessage.objects.filter(offset__isnull=False).count() == published + acks.USERS


def test_an_acknowledgement_that_meets_a_new_epoch_does_not_count_in_it() -> None:
    user = UserFactory.create()
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": acks.CHANNELS}):
        broadcast({"n": 1}, user=user, inbox=True)
        name = inbox.channel(user)
        before = read_heads([name], readers=[user.pk])[name]
        history.forget(name)
        for number in (2, 3):
            broadcast({"n": number}, user=user, inbox=True)
        inbox.acknowledge(user, 1)

        # Read before the history was forgotten, written after the user has acknowledged in the new epoch.
        assert not move_cursor(user.pk, name, before, 1)

        assert ChannelCursor.objects.get().epoch == Channel.objects.get().epoch
        assert inbox.unread(user) == 1


def test_fifty_notifications_on_two_devices_one_of_which_is_killed(fake_connections: Any) -> None:
    user = UserFactory.create()
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": acks.CHANNELS, "MAX_MESSAGES_PER_MINUTE": 0}):
        name = inbox.channel(user)
        for number in range(1, 51):
            broadcast({"n": number}, user=user, inbox=True)
            assert inbox.unread(user) == number
        shown: list[tuple[str, int]] = []

        def open_device(device: str) -> WebSocketClient:
            client = WebSocketClient(View, connections=fake_connections)
            assert client.connect(user=user).ok
            answer = client.subscribe(name, {"acked": True})
            assert answer["unread"] == inbox.unread(user) == len(answer.get("messages", []))
            shown.extend((device, message["data"]["n"]) for message in answer.get("messages", []))
            return client

        phone = open_device("phone")
        assert phone.ack(name, 20)["unread"] == inbox.unread(user) == 30
        shown_by_phone = list(shown)
        phone.disconnect()  # killed: 21 to 50 were displayed, and not acknowledged

        desk = open_device("desk")
        broadcast({"n": 51}, user=user, inbox=True)
        assert [message["n"] for message in desk.received] == [51]
        shown.append(("desk", 51))
        assert desk.ack(name)["unread"] == inbox.unread(user) == 0
        open_device("phone")

    assert [n for _, n in shown_by_phone] == list(range(1, 51))
    assert {n for _, n in shown} == set(range(1, 52))
    doubles = sorted(n for _, n in shown if [other for _, other in shown].count(n) > 1)
    assert doubles == sorted([*range(21, 51)] * 2)
