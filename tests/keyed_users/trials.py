"""Only the owner of an inbox is let in, at every door, however generous the rules of the project are.

`tests/security/test_foreign_inboxes.py` runs this with Django's users, and with users whose primary key is an
address or a UUID.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.test import override_settings

from websocket_gateway.channels import history, inbox
from websocket_gateway.client_config import build_user_marks
from websocket_gateway.models import (
    ApiGateway,
    ChannelCursor,
    ChannelMessage,
    ChannelPermission,
    ChannelSubscription,
    WebSocketSession,
)
from websocket_gateway.sending import broadcast
from websocket_gateway.testing import WebSocketClient
from websocket_gateway.views import WebSocketView

pytestmark = pytest.mark.django_db(transaction=True)

CHANNELS = {"user_*": {"HISTORY_MESSAGES": 100, "ACKS": True, "PRESENCE": True}}


class Generous(WebSocketView):
    """Lets everybody in everywhere."""

    ADDITIONAL_ALLOWED_HANDLERS = ("change_channel",)

    def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
        return True


class Careless(Generous):
    """Moves a connection without asking."""

    def change_channel(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.websocket_session.move_to(self.body["channel"])

    def join(self, request: HttpRequest) -> None:
        self.websocket_session.subscribe(self.body["channel"])


@pytest.fixture(autouse=True)
def channels(fake_connections: Any) -> Iterator[None]:
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": CHANNELS, "MAX_MESSAGES_PER_MINUTE": 0}):
        ChannelPermission.objects.create(channel_name="*", audience="anyone")
        yield


def person(name: str) -> Any:
    model = get_user_model()
    return model._default_manager.create(**{model.USERNAME_FIELD: f"{name}@example.com"})


@pytest.fixture
def ada() -> Any:
    user = person("ada")
    broadcast({"secret": 1}, user=user, inbox=True)
    return user


@pytest.fixture
def eve(ada: Any, fake_connections: Any) -> WebSocketClient:
    client = WebSocketClient(Generous, connections=fake_connections)
    assert client.connect(user=person("eve")).ok
    return client


def frames(name: str) -> dict[str, dict[str, Any]]:
    def control(kind: str, **fields: Any) -> dict[str, Any]:
        return {"_ws": {"type": kind, **fields}}

    return {
        "subscribe": control("subscribe", channel=name),
        "subscribe now": control("subscribe", channels={name: None}),
        "subscribe acked": control("subscribe", channels={name: {"acked": True}}),
        "subscribe last": control("subscribe", channels={name: {"last": 10}}),
        "subscribe at": control("subscribe", channels={name: {"epoch": "", "offset": 0}}),
        "recover": control("recover", channels={name: {"epoch": "", "offset": 0}}),
        "recover acked": control("recover", channels={name: {"acked": True}}),
        "history": control("history", channel=name),
        "ack": control("ack", channels={name: 1}),
        "presence": control("presence", channel=name),
        "change_channel": {"handler": "change_channel", "channel": name},
    }


DOORS = list(frames(""))


def code_of(reply: Any, name: str) -> str | None:
    ours = reply.json()["_ws"]
    error = ours.get("error") or ours.get("channels", {}).get(name, {}).get("error") or {}
    code: str | None = error.get("code")
    return code


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("is_inside", [False, True])
def test_no_other_user_gets_through(ada: Any, eve: WebSocketClient, door: str, is_inside: bool) -> None:
    name = inbox.channel(ada)
    if is_inside:  # however that came about
        ChannelSubscription.objects.create(session=eve.session, channel_name=name)

    reply = eve.send(frames(name)[door], reply_id="r1")

    assert code_of(reply, name) == "channel_denied"
    assert b"secret" not in reply.content
    assert eve.session.channel_name == ""
    assert ChannelSubscription.objects.count() == is_inside
    assert not ChannelCursor.objects.exists()


@pytest.mark.parametrize("door", DOORS)
def test_the_owner_gets_through(ada: Any, fake_connections: Any, door: str) -> None:
    ChannelPermission.objects.update(audience="superuser")
    name = inbox.channel(ada)
    client = WebSocketClient(Unlisted, connections=fake_connections)
    assert client.connect(user=ada, channel=name).ok
    assert client.session.channel_name == name

    reply = client.send(frames(name)[door], reply_id="r1")

    assert code_of(reply, name) is None
    assert ChannelCursor.objects.count() == (door == "ack")


class Unlisted(WebSocketView):
    """Lets nobody in anywhere, nor read."""

    ALLOW_UNLISTED_CHANNELS = False
    ADDITIONAL_ALLOWED_HANDLERS = ("change_channel",)

    def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
        return False

    def can_read_history(self, request: HttpRequest, channel_name: str) -> bool:
        return False


def test_no_other_user_connects_to_it(ada: Any, eve: WebSocketClient) -> None:
    name = inbox.channel(ada)
    for options in ({"user": person("mallory")}, {}):
        client = WebSocketClient(Generous, USE_WS_TOKEN=bool(options))
        assert client.connect(channel=name, **options).status_code == 403

    gateway = ApiGateway.objects.get()
    gateway.default_channel_name = name
    gateway.save()  # not an update, which processes notice later
    assert WebSocketClient(Generous).connect(user=person("trudy")).status_code == 403
    assert not WebSocketSession.objects.filter(channel_name=name).exists()


@pytest.mark.parametrize("handler", ["change_channel", "join"])
def test_code_of_the_project_does_not_move_it_there(ada: Any, eve: WebSocketClient, handler: str) -> None:
    name = inbox.channel(ada)
    client = WebSocketClient(Careless, gateway=eve.gateway)
    client.connect(user=person("mallory"))

    assert client.send({"handler": handler, "channel": name}, reply_id="r").error == "permission_denied"
    with pytest.raises(PermissionDenied, match="inbox of another user"):
        client.session.subscribe(name)
    assert not ChannelSubscription.objects.exists()


def test_a_guest_gets_no_further(ada: Any) -> None:
    name = inbox.channel(ada)
    guest = WebSocketClient(Generous, USE_WS_TOKEN=False)
    assert guest.connect().ok

    for door, frame in frames(name).items():
        assert code_of(guest.send(frame, reply_id="r"), name) in ("channel_denied", "permission_denied"), door


def test_it_waits_and_is_acknowledged(ada: Any, fake_connections: Any) -> None:
    name = inbox.channel(ada)
    client = WebSocketClient(Generous, connections=fake_connections)
    client.connect(user=ada)
    assert build_user_marks(ada)["inbox"] == name

    assert [message["data"] for message in client.subscribe(name, {"acked": True})["messages"]] == [
        {"secret": 1}
    ]
    broadcast({"secret": 2}, user=ada, inbox=True)
    assert inbox.unread_of([ada, person("bob")]) == {ada.pk: 2, person_named("bob").pk: 0}
    assert client.ack(name)["unread"] == 0
    assert (inbox.unread(ada), ChannelCursor.objects.get().user_id) == (0, ada.pk)


def person_named(name: str) -> Any:
    return get_user_model()._default_manager.get_by_natural_key(f"{name}@example.com")


def test_a_deleted_user_leaves_nothing_to_a_later_one(ada: Any, fake_connections: Any) -> None:
    name, key = inbox.channel(ada), ada.pk
    inbox.acknowledge(ada)
    broadcast({"secret": 2}, user=ada, inbox=True)

    ada.delete()

    assert not ChannelCursor.objects.exists()
    assert not ChannelMessage.objects.exists()
    later = get_user_model()(pk=key)
    setattr(later, get_user_model().USERNAME_FIELD, "ada@example.com")
    later.save()
    assert (inbox.channel(later), inbox.unread(later), history.messages(name)) == (name, 0, [])
