"""Who a client is: tokens, session cookies, subprotocols."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.factories import ApiGatewayFactory, UserFactory
from tests.views.stack import Stack
from tests.views.urls import StackView
from websocket_gateway.models import WebSocketSession
from websocket_gateway.receiving.tokens import issue_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


def test_connect_needs_a_token_by_default(ws_client: Any) -> None:
    assert ws_client(StackView).connect().error == "invalid_token"


def test_public_view_lets_strangers_in_as_nobody(ws_client: Any) -> None:
    client = ws_client(StackView, USE_WS_TOKEN=False)

    assert client.connect().ok
    assert client.session.user is None
    assert client.send({"handler": "say"}).json()["by"] == "AnonymousUser"


@pytest.mark.urls("tests.views.urls")
def test_public_view_takes_the_user_of_the_session_cookie(client: Client) -> None:
    user = UserFactory.create()
    client.force_login(user)
    stack = Stack(ApiGatewayFactory.create(), base="/public/", client=client)

    assert stack.connect().status_code == 200
    assert WebSocketSession.objects.get().user == user


@pytest.mark.urls("tests.views.urls")
def test_cookie_of_another_session_beside_the_token_is_refused(client: Client) -> None:
    user = UserFactory.create()
    client.force_login(user)
    gateway = ApiGatewayFactory.create()

    foreign = Stack(gateway, client=client).connect(token=issue_token(user, session_key="another"))
    own = Stack(gateway, client=client).connect(token=client.post("/token/").json()["token"])

    assert (foreign.status_code, own.status_code) == (403, 200)


def test_token_as_subprotocol_is_accepted_and_only_the_first_is_echoed(ws_client: Any) -> None:
    client = ws_client(StackView)

    reply = client.connect(subprotocol_token=issue_token(UserFactory.create()))

    assert reply.ok
    assert reply.response["Sec-WebSocket-Protocol"] == "websocket-gateway"


def test_subprotocol_that_was_not_offered_is_not_echoed(ws_client: Any) -> None:
    reply = ws_client(StackView).connect(user=UserFactory.create())

    assert "Sec-WebSocket-Protocol" not in reply.response
