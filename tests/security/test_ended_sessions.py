"""A Django session that ends takes its sockets and tokens along, whatever engine keeps it."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from tests.factories import ApiGatewayFactory, UserFactory
from tests.support.logins import (
    DJANGO,
    WAYS,
    calm_fixture,
    engine_fixture,
    log_in,
    store_of,
    stored_sessions,
)
from websocket_gateway.models import WebSocketSession, WebSocketToken
from websocket_gateway.purging import Part, count_purgeable, purge
from websocket_gateway.receiving.token_rules import TokenRefusedError
from websocket_gateway.receiving.tokens import issue_token, spend_token
from websocket_gateway.signals import disconnected
from websocket_gateway.testing import FakeConnections, WebSocketClient
from websocket_gateway.views import WebSocketView

__all__ = ["calm_fixture", "engine_fixture"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("calm")]

SIGNED = f"{DJANGO}.signed_cookies"
ENDED = "sessions_ended_logged_out"


class View(WebSocketView):
    def say(self, request: Any) -> dict[str, Any]:
        return {"by": str(request.user)}


@pytest.fixture
def user() -> User:
    return UserFactory.create(username="ada")


def socket_of(user: User, session_key: str | None) -> WebSocketClient:
    client = WebSocketClient(View, gateway=ApiGatewayFactory.create())
    assert client.connect(token=issue_token(user, session_key)).ok
    return client


def a_minute_passes() -> None:
    WebSocketSession.objects.update(last_seen_on=timezone.now() - timedelta(seconds=61))


@pytest.mark.parametrize("way", WAYS)
def test_its_tokens_open_nothing(engine: str, way: str, user: User, tmp_path: Path) -> None:
    key, other = log_in(user), log_in(user)
    token, kept = issue_token(user, key), issue_token(user, other)
    WAYS[way](key)
    before = stored_sessions(tmp_path)

    with pytest.raises(TokenRefusedError, match="deleted, has expired") as caught:
        spend_token(token)

    assert caught.value.rule == "token: session"
    assert spend_token(kept).user == user
    assert stored_sessions(tmp_path) == before


@pytest.mark.parametrize("way", WAYS)
def test_its_socket_ends_at_the_first_message_after_a_minute(
    engine: str, way: str, user: User, tmp_path: Path, fake_connections: FakeConnections
) -> None:
    reasons: list[str] = []

    def listen(reason: str, **kwargs: Any) -> None:
        reasons.append(reason)

    key, other = log_in(user), log_in(user)
    socket, kept, native = socket_of(user, key), socket_of(user, other), socket_of(user, None)
    WAYS[way](key)
    before = stored_sessions(tmp_path)
    assert socket.send({"handler": "say"}).json() == {"by": "ada"}  # it was asked about at $connect

    a_minute_passes()
    disconnected.connect(listen)
    try:
        refused = socket.send({"handler": "say"})
    finally:
        disconnected.disconnect(listen)

    assert refused.status_code == 410
    assert fake_connections.closed == [socket.connection_id]
    assert reasons == ["session"]
    assert [client.send({"handler": "say"}).status_code for client in (kept, native)] == [200, 200]
    assert stored_sessions(tmp_path) == before


@pytest.mark.parametrize("way", WAYS)
def test_its_silent_sockets_end_with_the_next_purge(
    engine: str, way: str, user: User, tmp_path: Path, fake_connections: FakeConnections
) -> None:
    key, other = log_in(user), log_in(user)
    silent = [socket_of(user, key), socket_of(user, key)]
    socket_of(user, other)
    socket_of(user, None)
    WAYS[way](key)
    before = stored_sessions(tmp_path)

    assert count_purgeable(only=[Part.LOGINS]).counts == {ENDED: 2}
    assert fake_connections.closed == []
    assert purge(only=[Part.LOGINS]).counts == {ENDED: 2}
    assert purge(only=[Part.LOGINS]).counts == {ENDED: 0}

    assert sorted(fake_connections.closed) == sorted(client.connection_id for client in silent)
    assert stored_sessions(tmp_path) == before


def test_no_session_that_is_alive_ends_anything(
    engine: str, user: User, fake_connections: FakeConnections
) -> None:
    sockets = [socket_of(user, log_in(user)) for _ in range(3)]

    report = purge(only=[Part.LOGINS], max_seconds=60)
    assert (report.counts, report.problems) == ({ENDED: 0}, ())
    a_minute_passes()

    assert all(client.send({"handler": "say"}).ok for client in sockets)
    assert fake_connections.closed == []


@pytest.mark.parametrize("way", ["deleted", "expired"])
def test_a_public_socket_that_was_opened_with_the_cookie_ends_too(
    engine: str, way: str, user: User, fake_connections: FakeConnections
) -> None:
    key = log_in(user)
    client: Any = WebSocketClient(View, gateway=ApiGatewayFactory.create(), USE_WS_TOKEN=False)
    assert client.connect(session=store_of(key)).ok
    visitor: Any = WebSocketClient(View, gateway=client.gateway, USE_WS_TOKEN=False)
    assert visitor.connect().ok
    WAYS[way](key)
    a_minute_passes()

    assert [found.send({"handler": "say"}).status_code for found in (client, visitor)] == [410, 200]


def test_sessions_in_cookies_are_left_alone(settings: Any, user: User) -> None:
    settings.SESSION_ENGINE = SIGNED
    key = log_in(user)  # the whole session, signed
    client: Any = WebSocketClient(View, gateway=ApiGatewayFactory.create(), USE_WS_TOKEN=False)
    assert client.connect(session=store_of(key)).ok
    token = issue_token(user, key)
    a_minute_passes()

    assert client.send({"handler": "say"}).json() == {"by": "ada"}
    assert client.session.session_key_sealed == ""
    assert spend_token(token).user == user
    assert purge(only=[Part.LOGINS]).counts == {ENDED: 0}


def test_rows_of_before_and_rows_that_cannot_be_opened_are_left_alone(settings: Any, user: User) -> None:
    keys = [log_in(user) for _ in range(3)]
    old, rotated, damaged = (socket_of(user, key) for key in keys)
    rows = WebSocketSession.objects.all()
    rows.filter(pk=old.session.pk).update(session_key_sealed="")
    rows.filter(pk=damaged.session.pk).update(session_key_sealed="é" + damaged.session.session_key_sealed[1:])
    for key in keys:
        WAYS["deleted"](key)
    settings.SECRET_KEY = "another, and the old one forgotten"

    assert purge(only=[Part.LOGINS]).counts == {ENDED: 0}

    settings.SECRET_KEY_FALLBACKS = ["a third", "only-for-tests"]
    assert purge(only=[Part.LOGINS]).counts == {ENDED: 1}
    assert not rotated.session.connected


def test_a_dump_of_the_rows_has_no_key_of_a_session(user: User) -> None:
    key = log_in(user)
    socket_of(user, key)
    socket_of(user, key)
    issue_token(user, key)

    values = [
        str(value)
        for row in itertools.chain(WebSocketSession.objects.values(), WebSocketToken.objects.values())
        for value in row.values()
    ]
    sealed = {row.session_key_sealed for row in WebSocketSession.objects.all()}

    assert not any(key in value for value in values)
    assert len(sealed) == 2  # two sockets of one session cannot be told by it
