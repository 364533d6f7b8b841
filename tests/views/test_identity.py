"""Who a client is: tokens, session cookies, subprotocols."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories import ApiGatewayFactory, UserFactory
from tests.views.stack import Stack
from tests.views.urls import StackView
from websocket_gateway.logins import sha256
from websocket_gateway.models import WebSocketSession, WebSocketToken
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


@pytest.mark.urls("tests.views.urls")
def test_log_names_the_rule_that_refused_a_token_and_no_secret(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    user = UserFactory.create()
    gateway = ApiGatewayFactory.create()
    used, expired, foreign = (issue_token(user, session_key="another") for _ in range(3))
    Stack(gateway).connect(token=used)
    WebSocketToken.objects.filter(token_hash=sha256(expired)).update(expires_on=timezone.now())
    client.cookies["sessionid"] = "of-another-application"
    caplog.clear()

    for token in (None, "wrong", used, expired, foreign):
        answer = Stack(gateway, client=client).connect(token=token)
        assert answer.json()["_ws"]["error"]["code"] == "invalid_token"

    refused = [record for record in caplog.records if record.name == "websocket_gateway.security"]
    rules = ["missing", "unknown", "used", "expired", "session_cookie"]
    assert [record.rule for record in refused] == [f"token: {rule}" for rule in rules]  # type: ignore[attr-defined]
    assert "'sessionid'" in refused[-1].getMessage()
    written = " ".join(str(vars(record)) for record in caplog.records)
    assert not any(secret in written for secret in (used, expired, foreign, "of-another-application"))


@pytest.mark.urls("tests.views.urls")
def test_log_names_the_new_password_and_the_inactive_user(caplog: pytest.LogCaptureFixture) -> None:
    stack, (one, other) = Stack(ApiGatewayFactory.create()), UserFactory.create_batch(2)
    tokens = issue_token(one), issue_token(other)
    type(one).objects.filter(pk=one.pk).update(password="another")
    type(one).objects.filter(pk=other.pk).update(is_active=False)

    for token in tokens:
        assert stack.connect(token=token).status_code == 403

    rules = [record.rule for record in caplog.records if record.name == "websocket_gateway.security"]  # type: ignore[attr-defined]
    assert rules == ["token: password", "token: user"]
