"""What users have acknowledged, in the admin: read-only, with what is unread."""

from __future__ import annotations

from typing import Any

import pytest

from tests.admin.clients import address, client_with, text_of
from tests.factories import UserFactory
from websocket_gateway.channels import inbox
from websocket_gateway.models import ChannelCursor
from websocket_gateway.sending import broadcast

pytestmark = pytest.mark.django_db(transaction=True)

CHANNELS = {"user_*": {"HISTORY_MESSAGES": 10, "ACKS": True}, "all": {"HISTORY_MESSAGES": 10, "ACKS": True}}


@pytest.fixture(autouse=True)
def cursors(settings: Any) -> list[ChannelCursor]:
    """Three users with 2, 1 and 0 of three messages unread; two of them in a channel that they share."""
    settings.WEBSOCKET_GATEWAY = {"CHANNELS": CHANNELS}
    users = UserFactory.create_batch(3)
    broadcast({"n": 1}, channel="all")
    for place, user in enumerate(users, 1):
        for number in range(3):
            broadcast({"n": number}, user=user, inbox=True)
        inbox.acknowledge(user, place)
    for user in users[:2]:
        ChannelCursor.objects.create(user=user, channel_name="all", epoch="ended", acked_offset=9)
    return list(ChannelCursor.objects.order_by("-pk"))


def test_the_list_shows_what_is_unread(django_assert_max_num_queries: Any) -> None:
    client = client_with("view_channelcursor")
    client.get(address("channelcursor_changelist"))  # numbers what a busy server has left without a number

    with django_assert_max_num_queries(12):
        page = text_of(client.get(address("channelcursor_changelist")))

    unread = [part.split("<")[0] for part in page.split('<td class="field-unread">')[1:]]
    assert unread == ["1", "1", "0", "1", "2"]


def test_one_is_shown_and_cannot_be_changed(cursors: list[ChannelCursor]) -> None:
    client = client_with("view_channelcursor", "change_channelcursor", "delete_channelcursor")
    where = address("channelcursor_change", cursors[-1].pk)

    assert cursors[-1].channel_name in text_of(client.get(where))

    assert client.post(where, {"acked_offset": 0}).status_code == 403
    assert client.post(address("channelcursor_delete", cursors[-1].pk), {"post": "yes"}).status_code == 403
    assert client.get(address("channelcursor_add")).status_code == 403
    assert client_with("view_channel").get(where).status_code == 403
