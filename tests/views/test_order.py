"""The order of checks: everything is wrong at first, then one thing after the other is put right."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest

from tests.factories import ApiGatewayFactory, ChannelPermissionFactory, UserFactory, WebSocketSessionFactory
from websocket_gateway.logins import hash_session_auth
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving.limits import count_attempt
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.testing import connect_request, message_request
from websocket_gateway.testing.client import Reply
from websocket_gateway.views import WebSocketView

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


class StrictView(WebSocketView):
    RATE_LIMIT_MAX_ATTEMPTS = 3
    RATE_LIMIT_MAX_ATTEMPTS_PER_IP = 4
    MAX_BODY_SIZE = 40
    MAX_CONNECTIONS_PER_USER = 1
    MAX_MESSAGES_PER_MINUTE = 4
    permissions_required = ["auth.view_user"]

    accepting = False

    def additional_connection_checks(self, request: HttpRequest) -> tuple[bool, str]:
        return self.accepting, "closed"

    def say(self, request: HttpRequest) -> dict[str, Any]:
        return {"said": True}


def may_view(user: User) -> User:
    user.user_permissions.set(Permission.objects.filter(codename="view_user"))
    return user


class Attempt:
    """A `$connect` with everything wrong; each call puts something right for good and tries again."""

    def __init__(self, gateway: ApiGateway, **wrong: Any) -> None:
        self.gateway, self.fields, self.number = gateway, wrong, 0

    def __call__(self, **right: Any) -> tuple[int, str | None]:
        self.fields |= right
        self.number += 1
        fields = dict(self.fields)
        length, accepting = fields.pop("length"), fields.pop("accepting")
        fields["source_ip"] = fields["source_ip"].replace("N", str(self.number))
        request = connect_request(self.gateway, **fields)
        request.META["CONTENT_LENGTH"] = length
        reply = Reply(StrictView.as_view(accepting=accepting)(request, route="connect"))
        return reply.status_code, reply.error


def test_connect_is_checked_in_the_documented_order() -> None:
    gateway, limited, user = ApiGatewayFactory.create(), UserFactory.create(), UserFactory.create()
    ChannelPermissionFactory.create(channel_name="closed", audience="superuser")
    for who, limit in (("ip:192.0.2.66", 4), (f"user:{limited.pk}", 3)):
        for _ in range(limit):
            count_attempt("connect", who, limit=limit, window_seconds=300)
    attempt = Attempt(
        gateway,
        length="41",
        headers={"wsOriginSecret": "wrong", "wsEventType": "MESSAGE"},
        source_ip="192.0.2.66",
        origin="https://evil.org",
        token="wrong",
        accepting=False,
        channel="closed",
        connection_id=WebSocketSessionFactory.create(api_gateway=gateway).connection_id,
    )

    assert attempt() == (413, None)
    assert attempt(length="0") == (403, None)
    assert attempt(headers={"wsEventType": "MESSAGE"}) == (400, None)
    assert attempt(headers={}) == (403, "origin_denied")
    assert attempt(origin="https://www.example.com") == (429, "rate_limited")
    assert attempt(source_ip="192.0.2.N") == (403, "invalid_token")
    assert attempt(token=issue_token(limited)) == (429, "rate_limited")
    assert attempt(token=issue_token(user)) == (403, "permission_denied")
    assert attempt(token=issue_token(may_view(user))) == (403, "connection_refused")
    assert attempt(token=issue_token(user), accepting=True) == (403, "channel_denied")
    user = may_view(UserFactory.create())
    assert attempt(token=issue_token(user), channel="open") == (409, "already_connected")
    assert attempt(token=issue_token(user), connection_id="") == (200, None)
    assert attempt(token=issue_token(user), connection_id="") == (429, "rate_limited")


def test_message_is_checked_in_the_documented_order() -> None:
    gateway, user = ApiGatewayFactory.create(), UserFactory.create()
    session = WebSocketSessionFactory.create(
        api_gateway=gateway, user=user, session_auth_hash=hash_session_auth(user)
    )

    def attempt(connection_id: str, frame: Any) -> str | None:
        request = message_request(gateway, connection_id, frame)
        return Reply(StrictView.as_view()(request, route="default")).error

    assert attempt("unknown=", "{") == "invalid_frame"
    assert attempt("unknown=", {"nothing": 1}) == "not_connected"
    assert attempt(session.connection_id, {"nothing": 1}) == "permission_denied"
    user.user_permissions.set(Permission.objects.filter(codename="view_user"))
    assert attempt(session.connection_id, {"nothing": 1}) == "handler_missing"
    assert attempt(session.connection_id, {"handler": "no"}) == "unknown_handler"
    assert attempt(session.connection_id, {"handler": "say"}) is None
    user.user_permissions.clear()
    assert attempt(session.connection_id, {"handler": "say"}) == "rate_limited"
