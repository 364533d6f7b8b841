"""Channels with a history in the admin: read-only, and forgotten as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from tests.admin.clients import act, address, client_with, text_of
from websocket_gateway.models import Channel, ChannelMember, ChannelMessage
from websocket_gateway.sending import broadcast

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def published(settings: Any) -> Channel:
    """A channel with two messages kept of three."""
    settings.WEBSOCKET_GATEWAY = {"CHANNELS": {"orders": {"HISTORY_MESSAGES": 10}}}
    for number in range(3):
        broadcast({"item": "<b>", "n": number}, channel="orders")
    ChannelMessage.objects.filter(offset=1).delete()
    return Channel.objects.get()


def test_the_list_shows_the_offset_and_what_is_kept(published: Channel) -> None:
    page = text_of(client_with("view_channel").get(address("channel_changelist")))

    assert '<td class="field-last_offset">3</td>' in page
    assert '<td class="field-kept">2</td>' in page
    assert "Forget history" not in page


def test_an_empty_channel_has_nothing_kept(published: Channel) -> None:
    ChannelMessage.objects.all().delete()

    page = text_of(client_with("view_channel").get(address("channel_change", published.pk)))

    assert published.epoch in page


def test_forgetting_deletes_the_messages_and_begins_an_epoch(published: Channel) -> None:
    answer = act(client_with("view_channel", "delete_channel"), "forget_history", published)

    assert "Forgot the history of 1 channel; its clients are told." in text_of(answer)
    assert not ChannelMessage.objects.exists()
    assert Channel.objects.get().epoch != published.epoch
    assert "Forgot the history" in LogEntry.objects.get().get_change_message()


def test_forgetting_needs_its_permission(published: Channel) -> None:
    act(client_with("view_channel"), "forget_history", published)

    assert ChannelMessage.objects.count() == 2


def test_a_message_is_shown_as_json_and_cannot_be_changed() -> None:
    message = ChannelMessage.objects.latest("pk")
    client = client_with("view_channelmessage", "change_channelmessage", "delete_channelmessage")

    page = client.get(address("channelmessage_change", message.pk))

    assert '"item": "<b>"' in text_of(page)
    assert b"<b>" not in page.content
    assert client.post(address("channelmessage_delete", message.pk), {"post": "yes"}).status_code == 403
    assert client.post(address("channelmessage_change", message.pk), {"offset": "9"}).status_code == 403
    assert client_with("view_channel").get(address("channelmessage_changelist")).status_code == 403


def test_the_list_of_messages_does_not_read_their_bodies(django_assert_max_num_queries: Any) -> None:
    client = client_with("view_channelmessage")

    with django_assert_max_num_queries(8):
        page = text_of(client.get(address("channelmessage_changelist"), {"q": "orders"}))

    assert "orders:3" in page


def test_the_members_of_a_channel_are_listed_and_cannot_be_changed() -> None:
    ada = ChannelMember.objects.create(channel_name="room", member="u:1", info={"name": "<b>Ada"})
    ChannelMember.objects.create(channel_name="other", member="u:2", present=False)
    client = client_with("view_channelmember", "change_channelmember", "delete_channelmember")

    listed = text_of(client.get(address("channelmember_changelist"), {"q": "room", "present__exact": "1"}))
    page = client.get(address("channelmember_change", ada.pk))

    assert "u:1" in listed
    assert "u:2" not in listed
    assert "Ada" in text_of(page)
    assert b"<b>" not in page.content
    assert client.post(address("channelmember_delete", ada.pk), {"post": "yes"}).status_code == 403
    assert client_with("view_channel").get(address("channelmember_changelist")).status_code == 403
