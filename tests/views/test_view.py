"""A connection's life through `WebSocketView`: connect, frames, disconnect."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import ApiGatewayFactory, UserFactory
from websocket_gateway.models import WebSocketSession
from websocket_gateway.views import WebSocketView

pytestmark = pytest.mark.django_db


class ChatView(WebSocketView):
    def say(self, request: Any) -> dict[str, Any]:
        return {"said": self.body["text"], "by": request.user.username}

    def nothing(self, request: Any) -> None:
        return None

    async def think(self, request: Any) -> dict[str, Any]:
        return {"thought": self.body["text"], "by": (await request.auser()).username}


def test_connection_is_registered_with_its_user_and_channel(ws_client: Any) -> None:
    gateway = ApiGatewayFactory.create(default_channel_name="lobby")
    user = UserFactory.create()
    client = ws_client(ChatView, gateway=gateway)

    reply = client.connect(user=user)

    assert (reply.status_code, reply.content) == (200, b"")
    assert client.session.user == user
    assert client.session.channel_name == "lobby"
    assert client.session.connected


def test_frame_reaches_the_handler_it_names(ws_client: Any) -> None:
    client = ws_client(ChatView)
    client.connect(user=UserFactory.create(username="ada"))

    reply = client.send({"handler": "say", "text": "hello"})

    assert reply.json() == {"said": "hello", "by": "ada"}


def test_async_handler_is_awaited(ws_client: Any) -> None:
    client = ws_client(ChatView)
    client.connect(user=UserFactory.create(username="ada"))

    reply = client.send({"action": "think", "text": "hm"})

    assert reply.json() == {"thought": "hm", "by": "ada"}


def test_reply_carries_the_id_that_the_client_gave(ws_client: Any) -> None:
    client = ws_client(ChatView)
    client.connect(user=UserFactory.create())

    reply = client.send({"handler": "nothing"}, reply_id="c7")

    assert reply.json() == {"_ws": {"reply_to": "c7"}}


def test_error_is_a_frame_when_a_reply_was_asked_for(ws_client: Any) -> None:
    client = ws_client(ChatView)
    client.connect(user=UserFactory.create())

    asked = client.send({"handler": "nonsense"}, reply_id="c7")
    plain = client.send({"handler": "nonsense"})

    assert (asked.status_code, asked.error) == (200, "unknown_handler")
    assert plain.status_code == 400


def test_disconnect_ends_the_row_and_keeps_it(ws_client: Any) -> None:
    client = ws_client(ChatView)
    client.connect(user=UserFactory.create())

    reply = client.disconnect()

    assert reply.status_code == 200
    assert not client.session.connected
    assert client.session.disconnected_on is not None
    assert client.send({"handler": "nothing"}).status_code == 410


def test_token_opens_one_connection_only(ws_client: Any) -> None:
    from websocket_gateway.receiving.tokens import issue_token

    token = issue_token(UserFactory.create())

    first = ws_client(ChatView).connect(token=token)
    second = ws_client(ChatView).connect(token=token)

    assert (first.status_code, second.status_code) == (200, 403)
    assert WebSocketSession.objects.count() == 1
