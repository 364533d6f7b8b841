"""Messages to channels with a history: saved with the caller's data, numbered after the commit, sent."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import UserFactory, WebSocketSessionFactory
from tests.sink import Sink
from websocket_gateway.channels import history
from websocket_gateway.channels.numbering import BATCH, number_and_find, number_messages
from websocket_gateway.exceptions import InvalidMessageError
from websocket_gateway.models import ApiGateway, Channel, ChannelMessage, WebSocketSession
from websocket_gateway.sending import DeliveryReport, broadcast, create_run, work_until_finished
from websocket_gateway.sending.publishing import send_abandoned

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("history")]


def offsets(channel: str = "orders_eu") -> list[int | None]:
    rows = ChannelMessage.objects.filter(channel_name=channel).order_by("pk")
    return list(rows.values_list("offset", flat=True))


def received(sink: Sink, connection_id: str) -> list[dict[str, Any]]:
    return [json.loads(body) for body in sink.received.get(connection_id, [])]


@pytest.fixture
def listener(gateway: ApiGateway) -> WebSocketSession:
    return WebSocketSessionFactory.create(
        connection_id="listener=", api_gateway=gateway, channel_name="orders_eu"
    )


def test_a_message_gets_the_next_offset_and_its_recipients_are_told(
    sink: Sink, listener: WebSocketSession
) -> None:
    reports = [broadcast({"n": n}, channel="orders_eu") for n in range(3)]

    epoch = Channel.objects.get(name="orders_eu").epoch
    assert [(report.offset, report.epoch, report.delivered) for report in reports] == [
        (n, epoch, 1) for n in (1, 2, 3)
    ]
    assert received(sink, "listener=") == [
        {"n": n, "_ws": {"channel": "orders_eu", "epoch": epoch, "offset": n + 1}} for n in range(3)
    ]
    assert history.position("orders_eu") == {"epoch": epoch, "offset": 3}


def test_a_query_for_the_whole_channel_publishes_and_a_part_of_it_does_not(
    sink: Sink, listener: WebSocketSession
) -> None:
    whole = WebSocketSession.objects.in_channel("orders_eu").send_message({"n": 1})
    part = WebSocketSession.objects.in_channel("orders_eu").filter(pk=listener.pk).send_message({"n": 2})

    assert (whole.offset, part.offset) == (1, None)
    assert [message["n"] for message in received(sink, "listener=")] == [1, 2]
    assert offsets() == [1]


def test_inside_a_transaction_the_message_commits_with_the_data(
    sink: Sink, listener: WebSocketSession
) -> None:
    with transaction.atomic():
        UserFactory.create(username="new")
        report = broadcast({"n": 1}, channel="orders_eu")
        assert report.deferred
        assert offsets() == [None]
        assert not sink.received

    assert offsets() == [1]
    assert [message["n"] for message in received(sink, "listener=")] == [1]


def test_after_a_rollback_there_is_no_message_no_offset_and_no_push(
    sink: Sink, listener: WebSocketSession
) -> None:
    with transaction.atomic():
        broadcast({"n": 1}, channel="orders_eu")
        transaction.set_rollback(True)

    assert broadcast({"n": 2}, channel="orders_eu").offset == 1
    assert [message["n"] for message in received(sink, "listener=")] == [2]


def test_a_message_whose_publisher_died_is_numbered_and_sent_by_the_next_one(
    sink: Sink, listener: WebSocketSession
) -> None:
    long_ago = timezone.now() - timedelta(seconds=3)
    ChannelMessage.objects.create(channel_name="orders_eu", body=b'{"n":1}', created_on=long_ago)
    ChannelMessage.objects.create(channel_name="orders_eu", body=b'{"n":2}')  # its publisher is about to send

    report = broadcast({"n": 3}, channel="orders_eu")

    assert report.offset == 3
    assert [(message["n"], message["_ws"]["offset"]) for message in received(sink, "listener=")] == [
        (1, 1),
        (3, 3),
    ]


def test_what_is_left_over_is_sent_once(sink: Sink, listener: WebSocketSession) -> None:
    long_ago = timezone.now() - timedelta(seconds=3)
    ChannelMessage.objects.create(channel_name="orders_eu", body=b'{"n":1}', created_on=long_ago)

    assert [send_abandoned("orders_eu") for _ in range(3)] == [1, 0, 0]
    assert len(received(sink, "listener=")) == 1


def test_a_message_numbered_by_another_process_is_still_sent_by_its_publisher(
    sink: Sink, listener: WebSocketSession
) -> None:
    with transaction.atomic():
        broadcast({"n": 1}, channel="orders_eu")
        # Runs before the publisher's own: as another process would that is faster.
        transaction.get_connection().run_on_commit.insert(
            0, (set(), lambda: number_messages("orders_eu"), False)
        )

    assert [message["_ws"]["offset"] for message in received(sink, "listener=")] == [1]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(["a"], id="list"),
        pytest.param("text", id="text"),
        pytest.param(b"\x00\x01", id="bytes"),
        pytest.param("[1]", id="list as text"),
        pytest.param({"_ws": 1}, id="reserved key"),
        pytest.param('{"_ws": 1}', id="reserved key as text"),
        pytest.param({"x": "y" * (131_072 - 512 - 7)}, id="one byte too large"),
    ],
)
def test_what_cannot_be_in_a_history_is_refused_before_anything_is_saved(message: object) -> None:
    with pytest.raises(InvalidMessageError, match=r"orders_eu|_ws"):
        broadcast(message, channel="orders_eu")
    assert offsets() == []


def test_the_largest_message_fits(sink: Sink, listener: WebSocketSession) -> None:
    report = broadcast({"x": "y" * (131_072 - 512 - 8)}, channel="orders_eu")
    assert (report.delivered, report.offset) == (1, 1)
    assert len(sink.received["listener="][0]) <= 131_072


@pytest.mark.parametrize("message", ['{"n": 1}', b' {"n": 1} ', {}], ids=["text", "bytes", "empty object"])
def test_an_object_may_be_encoded_already(sink: Sink, listener: WebSocketSession, message: Any) -> None:
    broadcast(message, channel="orders_eu")
    (got,) = received(sink, "listener=")
    assert got.pop("_ws")["offset"] == 1
    assert got == (json.loads(message) if message else {})


def test_a_channel_without_a_history_keeps_nothing(sink: Sink, gateway: ApiGateway) -> None:
    WebSocketSessionFactory.create(connection_id="plain=", api_gateway=gateway, channel_name="plain")
    report = broadcast({"n": 1}, channel="plain")
    assert (report.offset, report.epoch) == (None, "")
    assert received(sink, "plain=") == [{"n": 1, "_ws": {"channel": "plain"}}]
    assert not ChannelMessage.objects.exists()
    broadcast("text", channel="plain")
    assert sink.received["plain="][1] == b"text"


def test_a_history_is_kept_short_by_its_publishers(sink: Sink) -> None:
    for n in range(200):
        broadcast({"n": n}, channel="short")
    assert offsets("short") == [198, 199, 200]


def test_publishing_takes_seven_statements_and_those_for_the_recipients(
    sink: Sink, listener: WebSocketSession
) -> None:
    broadcast({"n": 1}, channel="orders_eu")  # makes the counter
    with CaptureQueriesContext(connection) as plain:
        broadcast({"n": 1}, channel="other")
    with CaptureQueriesContext(connection) as published:
        broadcast({"n": 2}, channel="orders_eu")
    # The plain one has no recipient, so it does not read the row of the gateway.
    assert len(published) - len(plain) - 1 <= 7, [query["sql"] for query in published]


def test_a_message_that_another_process_has_numbered_costs_four_statements(sink: Sink) -> None:
    broadcast({"n": 1}, channel="orders_eu")
    waiting = ChannelMessage.objects.create(channel_name="orders_eu", body=b"{}")
    number_messages("orders_eu")

    with CaptureQueriesContext(connection) as captured:
        numbered, place = number_and_find("orders_eu", waiting.pk)

    assert (numbered, place and place.offset) == ([], 2)
    # BEGIN, the lock, the messages, ROLLBACK.
    assert len(captured) == 4, [query["sql"] for query in captured]


def test_a_backlog_is_numbered_in_order_and_in_batches(sink: Sink) -> None:
    ChannelMessage.objects.bulk_create(
        ChannelMessage(channel_name="orders_eu", body=b"{}") for _ in range(BATCH + 3)
    )
    last = ChannelMessage.objects.order_by("pk").last()
    assert last is not None

    numbered, place = number_and_find("orders_eu", last.pk)

    assert [message.offset for message in numbered] == list(range(1, BATCH + 4))
    assert place == numbered[-1]
    assert offsets() == list(range(1, BATCH + 4))


def test_a_saved_broadcast_is_published_as_well(sink: Sink, listener: WebSocketSession) -> None:
    run = create_run(b'{"n":1}', channel="orders_eu")
    work_until_finished(run.pk)
    assert [message["_ws"]["offset"] for message in received(sink, "listener=")] == [1]
    assert offsets() == [1]


def test_messages_are_read_newest_last_and_by_position(sink: Sink) -> None:
    start = history.position("orders_eu")
    for n in range(5):
        broadcast({"n": n}, channel="orders_eu")

    latest = history.messages("orders_eu", limit=2)
    assert [(message.offset, message.data) for message in latest] == [(4, {"n": 3}), (5, {"n": 4})]
    assert [message.offset for message in history.messages("orders_eu", limit=2, before=3)] == [1, 2]
    assert [message.offset for message in history.messages("orders_eu", since=start)] == [1, 2, 3, 4, 5]
    middle = {**history.position("orders_eu"), "offset": 3}
    assert [message.offset for message in history.messages("orders_eu", since=middle)] == [4, 5]


def test_a_forgotten_history_begins_again_in_a_new_epoch(sink: Sink) -> None:
    assert history.forget("orders_eu") is False
    before = broadcast({"n": 1}, channel="orders_eu")
    assert history.forget("orders_eu") is True
    after = broadcast({"n": 2}, channel="orders_eu")
    assert (after.offset, after.epoch == before.epoch) == (1, False)
    assert [message.data for message in history.messages("orders_eu")] == [{"n": 2}]


def test_a_failed_push_is_logged_and_the_message_stays(
    listener: WebSocketSession, caplog: pytest.LogCaptureFixture
) -> None:
    ApiGateway.objects.update(api_endpoint="")
    with caplog.at_level(logging.WARNING), transaction.atomic():
        report: DeliveryReport = broadcast({"n": 1}, channel="orders_eu")
    assert report.deferred
    assert "1 of 1 recipient did not get a message sent on commit" in caplog.text
    assert offsets() == [1]
