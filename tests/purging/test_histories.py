"""Purging histories: what no client can get any more goes, and what a dead publisher left is sent."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from tests.purging.purges import ago
from websocket_gateway.channels import history
from websocket_gateway.channels.numbering import number_messages
from websocket_gateway.models import Channel, ChannelMessage
from websocket_gateway.purging import Part, count_purgeable, purge
from websocket_gateway.sending import broadcast
from websocket_gateway.testing.connections import FakeConnections

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def channels(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {
        "CHANNELS": {
            "orders_*": {"HISTORY_MESSAGES": 3, "HISTORY_SECONDS": 3600},
            "short": {"HISTORY_MESSAGES": 1},
        }
    }


def publish(channel: str, number: int) -> None:
    for turn in range(number):
        broadcast({"n": turn}, channel=channel)


def offsets(channel: str) -> list[int | None]:
    rows = ChannelMessage.objects.filter(channel_name=channel).order_by("pk")
    return list(rows.values_list("offset", flat=True))


def test_messages_beyond_the_number_and_the_age_go() -> None:
    publish("orders_eu", 5)
    publish("short", 3)
    ChannelMessage.objects.filter(channel_name="orders_eu", offset__in=[1, 3]).update(created_on=ago(hours=2))
    readable = [message.offset for message in history.messages("orders_eu")]

    foreseen = count_purgeable(only=[Part.HISTORY])
    report = purge(only=[Part.HISTORY])

    assert foreseen.counts == report.counts
    assert report.counts["history_deleted"] == 3 + 2
    assert offsets("orders_eu") == readable == [4, 5]
    assert offsets("short") == [3]
    assert not purge(only=[Part.HISTORY])


def test_a_channel_that_has_no_history_any_more_is_emptied(settings: Any) -> None:
    publish("orders_eu", 2)
    settings.WEBSOCKET_GATEWAY = {}

    assert purge(only=[Part.HISTORY]).counts["history_deleted"] == 2
    assert not ChannelMessage.objects.exists()


def test_the_counter_outlives_its_messages_for_30_days() -> None:
    publish("orders_eu", 2)
    ChannelMessage.objects.update(created_on=ago(hours=2))

    assert purge(only=[Part.HISTORY]).counts["channels_deleted"] == 0
    assert history.position("orders_eu")["offset"] == 2

    Channel.objects.update(published_on=ago(days=31))
    assert purge(only=[Part.HISTORY]).counts["channels_deleted"] == 1


def test_a_channel_with_a_message_that_is_not_numbered_stays() -> None:
    Channel.objects.create(name="orders_eu", published_on=ago(days=31))
    ChannelMessage.objects.create(channel_name="orders_eu", body=b"{}")

    assert purge(only=[Part.HISTORY]).counts["channels_deleted"] == 0


def test_what_a_dead_publisher_has_left_is_numbered_and_sent(service: FakeConnections) -> None:
    WebSocketSessionFactory.create(
        connection_id="ada=", channel_name="orders_eu", api_gateway=ApiGatewayFactory.create()
    )
    ChannelMessage.objects.create(channel_name="orders_eu", body=b'{"n":1}', created_on=ago(seconds=9))
    ChannelMessage.objects.create(channel_name="orders_us", body=b'{"n":2}')  # its publisher may live

    assert count_purgeable(only=[Part.HISTORY]).counts["messages_published"] == 1
    assert purge(only=[Part.HISTORY]).counts["messages_published"] == 1

    (sent,) = service.messages_to("ada=")
    assert (sent["n"], sent["_ws"]["offset"]) == (1, 1)
    assert offsets("orders_us") == [None]


def test_new_epochs_are_begun_on_demand_and_messages_stay() -> None:
    publish("orders_eu", 2)
    publish("short", 1)
    before = {channel.name: channel.epoch for channel in Channel.objects.all()}

    assert "epochs_begun" not in purge().counts
    assert count_purgeable(new_epochs=True).counts["epochs_begun"] == 2
    assert purge(new_epochs=True).counts["epochs_begun"] == 2

    after = {channel.name: channel.epoch for channel in Channel.objects.all()}
    assert not set(before.values()) & set(after.values())
    assert offsets("orders_eu") == [1, 2]
    number_messages("orders_eu")
    broadcast({}, channel="orders_eu")
    assert offsets("orders_eu") == [1, 2, 3]


def test_the_command_has_the_option_and_refuses_it_for_other_parts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish("short", 1)

    call_command("purge_connections", "--only", "history", "--new-epochs", "--dry-run")
    assert capsys.readouterr().out.startswith("Would begin 1 epoch of channels")
    call_command("purge_connections", "--only", "history", "--new-epochs")
    assert capsys.readouterr().out.startswith("Began 1 epoch of channels")
    with pytest.raises(CommandError, match="add history to --only"):
        call_command("purge_connections", "--only", "tokens", "--new-epochs")
