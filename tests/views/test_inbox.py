"""The inbox of a user on the wire: `acked` subscriptions, `ack` frames, what other connections are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from tests.factories import UserFactory
from tests.views.urls import StackView
from websocket_gateway.channels import history, inbox
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import Channel, ChannelCursor, ChannelMessage, WebSocketSession
from websocket_gateway.sending import broadcast

pytestmark = pytest.mark.django_db(transaction=True)

CHANNELS = {
    "user_*": {"HISTORY_MESSAGES": 100, "ACKS": True},
    "orders_*": {"HISTORY_MESSAGES": 100, "ACKS": True},
    "plain_*": {"HISTORY_MESSAGES": 100},
}


@pytest.fixture(autouse=True)
def channels(fake_connections: Any) -> Iterator[None]:
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": CHANNELS, "MAX_MESSAGES_PER_MINUTE": 0}):
        yield


@pytest.fixture
def ada() -> User:
    user: User = UserFactory.create(username="ada")
    return user


def notify(user: User, *numbers: int) -> None:
    for number in numbers:
        broadcast({"n": number}, user=user, inbox=True)


def ask(client: Any, kind: str, **channels: Any) -> dict[str, Any]:
    reply = client.control(kind, reply_id="q1", channels=channels)
    answers: dict[str, Any] = reply.json()["_ws"]["channels"]
    return answers


def read(client: Any, user: User) -> dict[str, Any]:
    name = inbox.channel(user)
    answer: dict[str, Any] = ask(client, "subscribe", **{name: {"acked": True}})[name]
    return answer


def ack(client: Any, user: User, value: object) -> dict[str, Any]:
    name = inbox.channel(user)
    answer: dict[str, Any] = ask(client, "ack", **{name: value})[name]
    return answer


def offsets(answer: dict[str, Any]) -> list[int]:
    return [message["offset"] for message in answer.get("messages", [])]


def test_a_message_waits_for_a_user_who_is_offline(connected: Any, ada: User) -> None:
    report = broadcast({"n": 1}, user=ada, inbox=True)
    assert (report.offset, report.recipients, inbox.unread(ada)) == (1, 0, 1)
    notify(ada, 2, 3)

    answer = read(connected(user=ada), ada)

    assert offsets(answer) == [1, 2, 3]
    assert {name: answer[name] for name in ("offset", "acked", "last", "unread")} == {
        "offset": 0, "acked": 0, "last": 3, "unread": 3,
    }  # fmt: skip


def test_an_acknowledgement_counts_on_every_device(connected: Any, ada: User) -> None:
    notify(ada, 1, 2, 3)
    phone, desk = connected(user=ada), connected(user=ada)
    read(phone, ada)
    epoch = read(desk, ada)["epoch"]

    assert ack(phone, ada, 2) == {"epoch": epoch, "acked": 2, "last": 3, "unread": 1}

    name = inbox.channel(ada)
    told = {"epoch": epoch, "acked": 2, "last": 3, "unread": 1}
    assert desk.received == [{"_ws": {"type": "acked", "channels": {name: told}}}]
    assert phone.received == []
    assert offsets(read(connected(user=ada), ada)) == [3]
    assert inbox.unread(ada) == 1


def test_the_greatest_offset_stays(connected: Any, ada: User) -> None:
    notify(ada, 1, 2, 3, 4)
    client = connected(user=ada)
    epoch = read(client, ada)["epoch"]

    answers = [ack(client, ada, value) for value in (3, 1, {"epoch": epoch, "offset": 2}, 3, 4)]

    assert [answer["acked"] for answer in answers] == [3, 3, 3, 3, 4]
    assert [answer["unread"] for answer in answers] == [1, 1, 1, 1, 0]
    assert ChannelCursor.objects.get().acked_offset == 4


@pytest.mark.parametrize(
    "value", [3, {"epoch": "", "offset": 3}, -1, True, 1.5, "1", None, {"last": 1}, {"acked": True}, [1]]
)
def test_what_is_no_offset_of_a_message_is_refused(connected: Any, ada: User, value: object) -> None:
    notify(ada, 1, 2)
    client = connected(user=ada)
    read(client, ada)

    assert ack(client, ada, value)["error"]["code"] == "invalid_position"
    assert not ChannelCursor.objects.exists()


def test_an_acknowledgement_of_an_epoch_that_ended_changes_nothing(connected: Any, ada: User) -> None:
    notify(ada, 1, 2, 3)
    client = connected(user=ada)
    before = read(client, ada)["epoch"]
    ack(client, ada, 3)
    history.forget(inbox.channel(ada))
    notify(ada, 4, 5)
    assert inbox.unread(ada) == 2

    answer = ack(client, ada, {"epoch": before, "offset": 3})

    epoch = Channel.objects.get().epoch
    assert answer == {"epoch": epoch, "acked": 0, "last": 2, "unread": 2}
    assert ack(client, ada, {"epoch": epoch, "offset": 1})["unread"] == 1
    assert ChannelCursor.objects.get().epoch == epoch


def test_channels_without_acknowledgements_and_strangers_are_refused(
    connected: Any, ada: User, ws_client: Any
) -> None:
    broadcast({"n": 1}, channel="plain_1")
    broadcast({"n": 1}, channel="orders_1")
    client, guest = connected(user=ada), ws_client(StackView, USE_WS_TOKEN=False)
    assert guest.connect().ok
    ask(client, "subscribe", plain_1=None)
    ask(guest, "subscribe", orders_1=None)

    answers = ask(client, "ack", plain_1=1, orders_1=1, none=1, **{"not valid": 1})
    codes = {name: answer["error"]["code"] for name, answer in answers.items()}
    assert codes == {
        "plain_1": "acks_off",
        "orders_1": "not_subscribed",
        "none": "acks_off",
        "not valid": "invalid_channel",
    }
    assert ask(guest, "ack", orders_1=1)["orders_1"]["error"]["code"] == "permission_denied"
    wanted = ask(guest, "subscribe", orders_1={"acked": True}, plain_1={"acked": True})
    assert [wanted[name]["error"]["code"] for name in wanted] == ["permission_denied", "acks_off"]


def test_any_channel_can_have_acknowledgements_of_each_user(connected: Any, ada: User) -> None:
    for number in (1, 2, 3):
        broadcast({"n": number}, channel="orders_1")
    bob = UserFactory.create(username="bob")
    first, second = connected(user=ada), connected(user=bob)
    for client in (first, second):
        ask(client, "subscribe", orders_1=None)

    assert ask(first, "ack", orders_1=2)["orders_1"]["unread"] == 1

    assert ask(second, "ack", orders_1=1)["orders_1"]["unread"] == 2
    assert (first.received, second.received) == ([], [])  # each user's own business
    assert offsets(ask(first, "recover", orders_1={"acked": True})["orders_1"]) == [3]


def test_what_expired_is_told_once_and_is_not_unread(connected: Any, ada: User) -> None:
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": {"user_*": {"HISTORY_MESSAGES": 2, "ACKS": True}}}):
        notify(ada, 1, 2, 3, 4, 5)
        assert inbox.unread(ada) == 2
        client = connected(user=ada)

        answer = read(client, ada)

        assert (answer["lost"], answer["offset"], offsets(answer)) == ("expired", 3, [4, 5])
        assert (answer["acked"], answer["unread"]) == (3, 2)
        assert "lost" not in read(connected(user=ada), ada)
        ChannelMessage.objects.update(created_on="2020-01-01T00:00:00Z")
        assert inbox.unread(ada) == 0


def test_the_cost_in_statements(connected: Any, ada: User) -> None:
    notify(ada, 1, 2, 3)
    client = connected(user=ada)
    with CaptureQueriesContext(connection) as ping:
        client.control("ping", reply_id="p")
    read(client, ada)

    def statements(value: int) -> list[str]:
        with CaptureQueriesContext(connection) as log:
            ack(client, ada, value)
        return [query["sql"] for query in log.captured_queries][len(ping) :]

    assert len(statements(1)) == 3  # read, insert, find the other connections
    assert len(statements(2)) == 3  # read, update, find the other connections
    assert len(statements(2)) == 1  # nothing to do
    position = client.position(inbox.channel(ada))
    with CaptureQueriesContext(connection) as beat:
        ask(client, "recover", **{inbox.channel(ada): position})
    assert len(beat) - len(ping) <= 2


def test_unread_of_many_users_is_one_query(ada: User, django_assert_num_queries: Any) -> None:
    others = [UserFactory.create(username=f"u{number}") for number in range(5)]
    for place, user in enumerate(others):
        notify(user, *range(place))

    with django_assert_num_queries(1):
        found = inbox.unread_of([*others, ada])

    assert found == {**{user.pk: place for place, user in enumerate(others)}, ada.pk: 0}
    assert inbox.unread_of([]) == {}


def test_a_project_can_mark_all_as_read(connected: Any, ada: User, fake_connections: Any) -> None:
    notify(ada, 1, 2, 3)
    client = connected(user=ada)
    read(client, ada)

    with transaction.atomic():
        assert inbox.acknowledge(ada, 2)
        assert fake_connections.messages_to(client.connection_id) == []
    assert inbox.acknowledge(ada)
    assert not inbox.acknowledge(ada)

    told = [frame["_ws"]["channels"][inbox.channel(ada)] for frame in client.received]
    assert [(frame["acked"], frame["unread"]) for frame in told] == [(2, 1), (3, 0)]
    with pytest.raises(ValueError, match="offset 3, not 4"):
        inbox.acknowledge(ada, 4)


def test_a_message_commits_with_the_data_or_not_at_all(
    connected: Any, ada: User, fake_connections: Any
) -> None:
    client = connected(user=ada)
    read(client, ada)
    with transaction.atomic():
        assert broadcast({"n": 1}, user=ada, inbox=True).deferred
        transaction.set_rollback(True)
    assert inbox.unread(ada) == 0
    with transaction.atomic():
        notify(ada, 2)
        assert fake_connections.messages_to(client.connection_id) == []

    assert [frame["n"] for frame in client.received] == [2]
    assert inbox.unread(ada) == 1


def test_clear_errors(ada: User) -> None:
    everyone = User.objects.all()
    for wrong, error, words in (
        ({"channel": "news"}, TypeError, "needs a user"),
        ({"everyone": True}, TypeError, "needs a user"),
        ({}, TypeError, "needs a user"),
        ({"user": AnonymousUser()}, ValueError, "no inbox"),
        ({"user": User(username="new")}, ValueError, "no inbox"),
        ({"user": everyone}, TypeError, "one user, not to QuerySet"),
        ({"user": [ada]}, TypeError, "one user, not to list"),
        ({"user": ada, "channel": "news"}, TypeError, "exactly one"),
    ):
        with pytest.raises(error, match=words):
            broadcast({"n": 1}, inbox=True, **wrong)
    with override_settings(WEBSOCKET_GATEWAY={}), pytest.raises(ConfigurationError, match="Declare inboxes"):
        notify(ada, 1)
    wrong_setting = {"CHANNELS": {"user_*": {"ACKS": True}}}
    with (
        override_settings(WEBSOCKET_GATEWAY=wrong_setting),
        pytest.raises(ConfigurationError, match="ACKS needs a history"),
    ):
        notify(ada, 1)
    assert not ChannelMessage.objects.exists()
    assert not WebSocketSession.objects.exists()
