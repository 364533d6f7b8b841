"""Presence under odd names, changed hooks, deleted users, several gateways, and every way into a channel."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.factories import ApiGatewayFactory, UserFactory
from tests.sink import gateway_fixture, sink_fixture
from tests.views.test_presence import Named, Room, ask, channels, tab
from websocket_gateway.channels import presence
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.signals import channel_joined, channel_left
from websocket_gateway.testing import WebSocketClient
from websocket_gateway.views import WebSocketView

__all__ = ["channels", "gateway_fixture", "sink_fixture"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "name", ["", "x" * 65, 7, b"desk", ["desk"], "\x00", "\ud800", "a\nb"], ids=lambda name: repr(name)[:12]
)
def test_a_member_with_a_wrong_name_is_an_error_and_leaves_nothing(
    sink: Any, gateway: ApiGateway, name: Any
) -> None:
    class Odd(WebSocketView):
        def presence_member(self, request: Any) -> Any:
            return name

    client = WebSocketClient(Odd, gateway=gateway)
    reply = client.connect(user=UserFactory.create(), channel="room")

    if reply.ok:  # a name that is allowed is shown as it is
        assert [member.id for member in presence.members("room")] == [name]
    else:
        assert reply.status_code == 500
        assert not WebSocketSession.objects.filter(connected=True).exists()
        assert presence.count("room") == 0


@pytest.mark.parametrize("name", ["ädä", "u:1", "a b", "👩‍🚀", "<b>", "x" * 64])
def test_a_member_with_a_rare_name_is_one_member(sink: Any, gateway: ApiGateway, name: str) -> None:
    class Odd(WebSocketView):
        def presence_member(self, request: Any) -> Any:
            return name

    clients = [tab(gateway, f"user{number}", Odd) for number in range(2)]

    answer = ask(clients[0])
    assert (answer["count"], [one["id"] for one in answer["members"]]) == (1, [name])
    for client in clients:
        client.disconnect()
    assert presence.count("room") == 0


def test_what_is_shown_is_that_of_the_moment_of_the_join(sink: Any, gateway: ApiGateway) -> None:
    ada = tab(gateway, "ada")
    User.objects.filter(username="ada").update(username="countess")

    assert ask(ada)["members"][0]["info"] == {"name": "ada"}
    ada.disconnect()
    again = WebSocketClient(Room, gateway=gateway)
    again.connect(user=User.objects.get(), channel="room")
    assert ask(again)["members"][0]["info"] == {"name": "countess"}


def test_a_deleted_user_has_left(sink: Any, gateway: ApiGateway) -> None:
    ada, bob = tab(gateway, "ada"), tab(gateway, "bob")
    assert ask(bob)["count"] == 2

    user = WebSocketSession.objects.get(connection_id=ada.connection_id).user
    assert user is not None
    user.delete()

    assert [one["info"]["name"] for one in ask(bob)["members"]] == ["bob"]


def test_a_channel_is_one_over_two_gateways(sink: Any, gateway: ApiGateway) -> None:
    other = ApiGatewayFactory.create(api_endpoint=gateway.api_endpoint, stage_name=gateway.stage_name)
    ada, bob = tab(gateway, "ada"), tab(other, "bob")

    assert ask(ada)["count"] == ask(bob)["count"] == 2
    bob.disconnect()
    assert ask(ada)["count"] == 1


def test_guests_are_members_of_their_own(sink: Any, gateway: ApiGateway) -> None:
    class Open(WebSocketView):
        USE_WS_TOKEN = False

    clients = [WebSocketClient(Open, gateway=gateway) for _ in range(2)]
    for client in clients:
        assert client.connect(channel="room").ok

    ids = {one["id"] for one in ask(clients[0])["members"]}
    assert len(ids) == 2
    assert all(name.startswith("s:") for name in ids)


class Moving(Named):
    """Lets its clients move."""

    ADDITIONAL_ALLOWED_HANDLERS = ("change_channel",)


@pytest.mark.parametrize("before", ["room", "hall"])
@pytest.mark.parametrize("after", ["room_2", "hall_2"])
def test_a_move_leaves_one_channel_and_joins_the_other(
    sink: Any, gateway: ApiGateway, before: str, after: str
) -> None:
    """In a `hall` there is no presence; the signals are sent all the same."""
    ada = tab(gateway, "ada", Moving, channel=before)
    told: list[tuple[str, str]] = []

    def left(channel_name: str, **kwargs: Any) -> None:
        told.append(("left", channel_name))

    def joined(channel_name: str, **kwargs: Any) -> None:
        told.append(("joined", channel_name))

    channel_left.connect(left)
    channel_joined.connect(joined)
    try:
        assert ada.send({"handler": "change_channel", "channel": after}).error is None
    finally:
        channel_left.disconnect(left)
        channel_joined.disconnect(joined)

    assert sorted(told) == [("joined", after), ("left", before)]
    if before == "room":
        assert presence.count(before) == 0
    if after == "room_2":
        assert presence.count(after) == 1
