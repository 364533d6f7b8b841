"""Frames about many channels: subscribe, recover, history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import ChannelPermissionFactory, UserFactory
from tests.views.urls import StackView
from websocket_gateway.channels import history
from websocket_gateway.channels.bodies import recent_bodies
from websocket_gateway.models import Channel, ChannelMessage, ChannelSubscription
from websocket_gateway.sending import broadcast

pytestmark = pytest.mark.django_db(transaction=True)

CHANNELS = {"orders_*": {"HISTORY_MESSAGES": 200}, "short": {"HISTORY_MESSAGES": 3}}


@pytest.fixture(autouse=True)
def channels(fake_connections: Any) -> Iterator[None]:
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": CHANNELS, "MAX_MESSAGES_PER_MINUTE": 0}):
        yield


def publish(channel: str, *numbers: int) -> None:
    for number in numbers:
        broadcast({"n": number}, channel=channel)


def at(channel: str, offset: int) -> dict[str, object]:
    return {"epoch": Channel.objects.get(name=channel).epoch, "offset": offset}


def subscribe(client: Any, **wanted: Any) -> dict[str, Any]:
    reply = client.control("subscribe", reply_id="s1", channels=wanted)
    ours = reply.json()["_ws"]
    assert (ours["type"], ours["reply_to"], list(ours["channels"])) == ("subscribed", "s1", list(wanted))
    answers: dict[str, Any] = ours["channels"]
    return answers


def given(answer: dict[str, Any]) -> list[int]:
    return [message["offset"] for message in answer.get("messages", [])]


def test_each_channel_of_a_frame_gets_an_answer_of_its_own(connected: Any) -> None:
    publish("orders_eu", 1, 2, 3)
    ChannelPermissionFactory.create(channel_name="staff", audience="staff")
    client = connected()

    answers = subscribe(
        client,
        orders_eu=at("orders_eu", 1),
        orders_us=None,
        plain=None,
        staff=None,
        **{"not valid": None, "orders_x": {"epoch": 7, "offset": 0}},
    )

    epoch = at("orders_eu", 0)["epoch"]
    assert answers["orders_eu"] == {
        "epoch": epoch,
        "offset": 1,
        "messages": [{"offset": 2, "data": {"n": 2}}, {"offset": 3, "data": {"n": 3}}],
        "more": False,
    }
    assert answers["orders_us"] == {"epoch": "", "offset": 0}
    assert answers["plain"] == {}
    codes = {name: answers[name]["error"]["code"] for name in ("staff", "not valid", "orders_x")}
    assert codes == {
        "staff": "channel_denied",
        "not valid": "invalid_channel",
        "orders_x": "invalid_position",
    }
    joined = set(ChannelSubscription.objects.values_list("channel_name", flat=True))
    assert joined == {"orders_eu", "orders_us", "plain"}


def test_the_form_with_one_channel_still_works(connected: Any) -> None:
    reply = connected().control("subscribe", reply_id="1", channel="orders_eu")
    assert reply.json() == {"_ws": {"type": "subscribed", "channel": "orders_eu", "reply_to": "1"}}


@pytest.mark.parametrize("wanted", [{}, [], None, "x", {f"c{n}": None for n in range(101)}])
@pytest.mark.parametrize("kind", ["subscribe", "recover"])
def test_a_frame_without_channels_or_with_too_many_is_refused(connected: Any, kind: str, wanted: Any) -> None:
    assert connected().control(kind, reply_id="1", channels=wanted).error == "bad_request"


def test_channels_beyond_the_limit_are_refused_one_by_one(connected: Any) -> None:
    client = connected(MAX_SUBSCRIPTIONS=2)
    subscribe(client, first=None)
    answers = subscribe(client, first=None, second=None, third=None)
    codes = [answers[name].get("error", {}).get("code") for name in ("first", "second", "third")]
    assert codes == [None, None, "too_many_channels"]
    assert ChannelSubscription.objects.count() == 2


def test_the_last_messages_are_given_without_a_position(connected: Any) -> None:
    publish("orders_eu", *range(5))
    client = connected()
    assert given(subscribe(client, orders_eu={"last": 2})["orders_eu"]) == [4, 5]
    assert given(subscribe(client, orders_eu={"last": 99})["orders_eu"]) == [1, 2, 3, 4, 5]
    assert given(subscribe(client, orders_eu={"last": 0})["orders_eu"]) == []
    assert given(subscribe(client, orders_eu=None)["orders_eu"]) == []


def test_what_was_published_since_the_position_comes_once_and_in_order(connected: Any) -> None:
    client = connected()
    position = history.position("orders_eu")  # before the first message: there is no counter yet
    subscribe(client, orders_eu=position)
    publish("orders_eu", 1, 2)

    answer = client.recover("orders_eu", position)

    assert given(answer) == [1, 2]
    top = at("orders_eu", 2)
    assert client.recover("orders_eu", top) == top


def test_a_page_has_a_hundred_messages_and_says_that_there_are_more(connected: Any) -> None:
    publish("orders_eu", *range(150))
    client = connected()
    first = subscribe(client, orders_eu=at("orders_eu", 0))["orders_eu"]
    assert (given(first), first["more"]) == (list(range(1, 101)), True)
    second = client.recover("orders_eu", at("orders_eu", 100))
    assert (given(second), second["more"]) == (list(range(101, 151)), False)


def test_a_page_ends_before_it_is_too_large_and_a_large_message_travels_alone(connected: Any) -> None:
    for size in (20_000, 20_000, 100_000, 10):
        broadcast({"x": "y" * size}, channel="orders_eu")
    client = connected()
    subscribe(client, orders_eu=None)
    pages, position = [], at("orders_eu", 0)
    while True:
        answer = client.recover("orders_eu", position)
        pages.append(given(answer))
        position = {**position, "offset": pages[-1][-1]}
        if not answer["more"]:
            break
    assert pages == [[1], [2], [3], [4]]


def test_all_channels_of_a_frame_share_the_size_of_an_answer(connected: Any) -> None:
    for name in ("orders_a", "orders_b"):
        broadcast({"x": "y" * 20_000}, channel=name)
    answers = subscribe(connected(), orders_a={"last": 1}, orders_b={"last": 1})
    assert given(answers["orders_a"]) == [1]
    assert answers["orders_b"] == {**at("orders_b", 0), "messages": [], "more": True}


@pytest.mark.parametrize(
    ("position", "reason", "offsets"),
    [
        pytest.param(lambda: at("short", 1), "expired", [8, 9, 10], id="beyond the number kept"),
        pytest.param(lambda: {"epoch": "other", "offset": 9}, "epoch", [8, 9, 10], id="other epoch"),
        pytest.param(lambda: at("short", 11), "ahead", [8, 9, 10], id="ahead of the server"),
    ],
)
def test_a_client_is_told_when_messages_are_lost(
    connected: Any, position: Any, reason: str, offsets: list[int]
) -> None:
    publish("short", *range(10))
    client = connected()
    subscribe(client, short=None)

    answer = client.recover("short", position())

    assert (answer["lost"], answer["offset"], given(answer)) == (reason, 7, offsets)


def test_messages_are_kept_as_long_as_they_are_said_to_be(connected: Any) -> None:
    publish("orders_eu", *range(5))
    recent_bodies().__init__()  # type: ignore[misc]  # another process answers
    yesterday = timezone.now() - timedelta(days=1, seconds=1)
    ChannelMessage.objects.filter(offset__lte=3).update(created_on=yesterday)
    client = connected()
    subscribe(client, orders_eu=None)

    answer = client.recover("orders_eu", at("orders_eu", 1))
    assert (answer["lost"], answer["offset"], given(answer)) == ("expired", 3, [4, 5])
    assert "lost" not in client.recover("orders_eu", at("orders_eu", 3))
    ChannelMessage.objects.all().delete()
    gone = client.recover("orders_eu", at("orders_eu", 2))
    assert (gone["lost"], gone["offset"], gone["messages"]) == ("expired", 5, [])


def test_recover_asks_who_may_and_what_is_kept(connected: Any) -> None:
    publish("orders_eu", 1)
    client = connected()
    assert client.recover("orders_eu")["error"]["code"] == "not_subscribed"
    assert client.recover("orders_new")["error"]["code"] == "not_subscribed"
    assert client.recover("plain")["error"]["code"] == "history_off"
    assert client.recover("a b")["error"]["code"] == "invalid_channel"
    subscribe(client, orders_eu=None)
    wrong: Any
    for wrong in (7, [], {"epoch": "x"}, {"epoch": "x", "offset": -1}, {"epoch": "x", "offset": True}):
        assert client.recover("orders_eu", wrong)["error"]["code"] == "invalid_position"
    assert client.recover("orders_eu", None) == at("orders_eu", 1)


def test_a_user_who_lost_the_permission_gets_nothing_more(connected: Any) -> None:
    publish("orders_eu", 1)
    client = connected(user=UserFactory.create())
    subscribe(client, orders_eu=None)
    ChannelPermissionFactory.create(channel_name="orders_*", audience="staff")

    assert client.recover("orders_eu", at("orders_eu", 0))["error"]["code"] == "channel_denied"
    # Nothing is handed out, so nothing is asked: a heartbeat is cheap.
    assert client.recover("orders_eu", at("orders_eu", 1)) == at("orders_eu", 1)


def test_the_history_can_be_kept_from_those_who_may_join(connected: Any) -> None:
    class View(StackView):
        def can_read_history(self, request: HttpRequest, channel_name: str) -> bool:
            if channel_name == "orders_secret":
                raise PermissionDenied
            return channel_name != "orders_eu"

    publish("orders_eu", 1)
    client = connected(View)

    answers = subscribe(client, orders_eu={"last": 1}, orders_us=None, orders_secret=None)
    assert answers.pop("orders_secret")["error"]["code"] == "permission_denied"
    assert answers == {"orders_eu": {}, "orders_us": {"epoch": "", "offset": 0}}
    assert client.recover("orders_eu", at("orders_eu", 0))["error"]["code"] == "permission_denied"
    reply = client.control("history", reply_id="h1", channel="orders_eu")
    assert reply.error == "permission_denied"


def test_earlier_messages_are_read_page_by_page(connected: Any) -> None:
    publish("orders_eu", *range(10))
    client = connected()
    subscribe(client, orders_eu=None)

    first = client.control("history", reply_id="h1", channel="orders_eu", limit=4).json()["_ws"]
    second = client.control("history", reply_id="h2", channel="orders_eu", limit=8, before=7).json()["_ws"]

    assert (first["type"], first["reply_to"]) == ("history", "h1")
    assert (given(first), first["more"]) == ([7, 8, 9, 10], True)
    assert (given(second), second["more"]) == ([1, 2, 3, 4, 5, 6], False)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"channel": "plain"}, "history_off"),
        ({"channel": "orders_us"}, "not_subscribed"),
        ({"channel": "orders_eu", "limit": 0}, "invalid_position"),
        ({"channel": "orders_eu", "limit": 101}, "invalid_position"),
        ({"channel": "orders_eu", "limit": "5"}, "invalid_position"),
        ({"channel": "orders_eu", "before": 0}, "invalid_position"),
        ({"channel": "orders_eu", "before": True}, "invalid_position"),
        ({"channel": 7}, "invalid_channel"),
        ({}, "invalid_channel"),
    ],
)
def test_a_wrong_request_for_history_is_refused(connected: Any, fields: dict[str, Any], code: str) -> None:
    client = connected()
    subscribe(client, orders_eu=None)
    assert client.control("history", reply_id="h1", **fields).error == code


def test_a_message_left_by_a_dead_publisher_is_found_by_a_heartbeat(connected: Any) -> None:
    publish("orders_eu", 1)
    client = connected()
    subscribe(client, orders_eu=None)
    long_ago = timezone.now() - timedelta(seconds=3)
    ChannelMessage.objects.create(channel_name="orders_eu", body=b'{"n":2}', created_on=long_ago)

    assert given(client.recover("orders_eu", at("orders_eu", 1))) == [2]


def test_a_reconnect_with_twenty_channels_is_one_frame_and_eight_statements(connected: Any) -> None:
    names = [f"orders_{number}" for number in range(20)]
    for name in names:
        publish(name, 1, 2)
    client = connected(user=UserFactory.create())
    recent_bodies().__init__()  # type: ignore[misc]
    wanted = {name: at(name, 1) for name in names}

    with CaptureQueriesContext(connection) as captured:
        answers = subscribe(client, **wanted)

    assert all(given(answer) == [2] for answer in answers.values())
    assert len(captured) <= 8, [query["sql"][:100] for query in captured.captured_queries]


def test_a_heartbeat_costs_two_statements(connected: Any) -> None:
    publish("orders_eu", 1)
    client = connected(user=UserFactory.create())
    subscribe(client, orders_eu=None)
    top = at("orders_eu", 1)
    with CaptureQueriesContext(connection) as captured:
        assert client.recover("orders_eu", top) == top
    # The session with its user, and the channel: the rules are read when something is handed out.
    assert len(captured) == 2, [query["sql"][:100] for query in captured.captured_queries]
