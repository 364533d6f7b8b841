"""A connection's end: by its client, by its user's leaving, and what happens when AWS does not answer."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.test import Client
from django.utils import timezone

from tests.factories import PASSWORD, ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from websocket_gateway.connections import revoke
from websocket_gateway.connections.ending import end, end_unknown
from websocket_gateway.connections.sessions import touch
from websocket_gateway.exceptions import AccessDeniedError, EndpointUnreachableError, MissingCredentialsError
from websocket_gateway.logins import hash_session_auth, hash_session_key
from websocket_gateway.models import WebSocketSession, WebSocketToken
from websocket_gateway.receiving.tokens import consume_token, issue_token
from websocket_gateway.testing import FakeConnections, WebSocketClient
from websocket_gateway.views import WebSocketView

pytestmark = pytest.mark.django_db(transaction=True)


class View(WebSocketView):
    def say(self, request: Any) -> dict[str, Any]:
        return {"by": str(request.user)}


def open_session(user: User, **fields: Any) -> WebSocketSession:
    row: WebSocketSession = WebSocketSessionFactory.create(
        user=user, session_auth_hash=hash_session_auth(user), **fields
    )
    return row


def is_open(session: WebSocketSession) -> bool:
    return WebSocketSession.objects.get(pk=session.pk).connected


def test_logout_ends_the_sockets_and_tokens_of_that_session(
    client: Client, fake_connections: FakeConnections
) -> None:
    user = UserFactory.create()
    client.force_login(user)
    key = client.session.session_key
    mine = open_session(user, session_key_hash=hash_session_key(key))
    elsewhere = open_session(user, session_key_hash=hash_session_key("another"))
    native = open_session(user)
    token = issue_token(user, session_key=key)

    client.logout()

    assert fake_connections.closed == [mine.connection_id]
    assert [is_open(session) for session in (mine, elsewhere, native)] == [False, True, True]
    assert consume_token(token) is None


def test_logout_ends_a_socket_that_was_opened_with_a_token(
    client: Client, fake_connections: FakeConnections, settings: Any
) -> None:
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": ["https://www.example.com"]}
    user = UserFactory.create()
    client.force_login(user)
    socket = WebSocketClient(View, gateway=ApiGatewayFactory.create())
    socket.connect(token=issue_token(user, session_key=client.session.session_key))

    client.logout()

    assert fake_connections.closed == [socket.connection_id]
    assert socket.send({"handler": "say"}).status_code == 410


@pytest.mark.urls("tests.connections.logout_urls")
def test_logout_ends_a_socket_that_the_session_opens_before_django_has_deleted_it(
    client: Client, fake_connections: FakeConnections
) -> None:
    user = UserFactory.create()
    client.force_login(user)
    key = client.session.session_key
    late: list[WebSocketSession] = []
    tokens: list[str] = []

    def come_back(**kwargs: Any) -> None:
        late.append(open_session(user, session_key_hash=hash_session_key(key)))
        tokens.append(issue_token(user, session_key=key))

    user_logged_out.connect(come_back)  # after the receiver of the package
    try:
        client.post("/logout/")
    finally:
        user_logged_out.disconnect(come_back)

    assert [is_open(session) for session in late] == [False]
    assert fake_connections.closed == [late[0].connection_id]
    assert consume_token(tokens[0]) is None


def test_logout_with_sessions_in_cookies_ends_the_users_sockets(
    client: Client, fake_connections: FakeConnections, settings: Any
) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    user = UserFactory.create()
    client.force_login(user)
    session = open_session(user)

    client.logout()

    assert not is_open(session)


def test_logout_of_nobody_or_without_a_session_ends_nothing(rf: Any) -> None:
    from websocket_gateway.receivers import end_logged_out

    session = open_session(UserFactory.create())

    end_logged_out(None, request=rf.get("/"), user=None)
    end_logged_out(None, request=rf.get("/"), user=session.user)

    assert is_open(session)


def test_user_model_is_listened_to_and_no_other_loses_its_fast_deletes() -> None:
    from django.db.models.signals import post_save, pre_delete

    assert post_save.has_listeners(User)
    assert pre_delete.has_listeners(User)
    assert not pre_delete.has_listeners(WebSocketToken)


def test_new_password_ends_what_the_old_one_opened(fake_connections: FakeConnections) -> None:
    user, other = UserFactory.create(), UserFactory.create()
    old, foreign = open_session(user), open_session(other)
    token = issue_token(user)

    user.set_password("another")
    user.save()

    assert fake_connections.closed == [old.connection_id]
    assert is_open(foreign)
    assert consume_token(token) is None


def test_new_password_saved_alone_ends_them_too(fake_connections: FakeConnections) -> None:
    user = UserFactory.create()
    session = open_session(user)

    user.set_password("another")
    user.save(update_fields=["password"])

    assert not is_open(session)


def test_socket_opened_with_the_new_password_stays(fake_connections: FakeConnections) -> None:
    user = UserFactory.create()
    user.set_password("another")
    user.save()
    session = open_session(user)

    user.first_name = "Ada"
    user.save()

    assert is_open(session)


def test_login_does_not_end_anything(client: Client, fake_connections: FakeConnections) -> None:
    user = UserFactory.create()
    session = open_session(user)

    assert client.login(username=user.username, password=PASSWORD)

    assert is_open(session)


def test_deactivation_ends_everything(fake_connections: FakeConnections) -> None:
    user = UserFactory.create()
    sessions = [open_session(user) for _ in range(3)]
    issue_token(user)

    user.is_active = False
    user.save()

    assert sorted(fake_connections.closed) == sorted(session.connection_id for session in sessions)
    assert not WebSocketToken.objects.filter(user=user).exists()


def test_deletion_ends_the_rows_in_the_same_transaction(fake_connections: FakeConnections) -> None:
    user = UserFactory.create()
    session = open_session(user)

    with transaction.atomic():
        user.delete()
        row = WebSocketSession.objects.get(pk=session.pk)
        assert not row.connected
        assert fake_connections.closed == []

    assert row.user is None
    assert fake_connections.closed == [session.connection_id]


def test_deletion_by_queryset_ends_them_too(fake_connections: FakeConnections) -> None:
    user = UserFactory.create()
    session = open_session(user)

    User.objects.filter(pk=user.pk).delete()

    assert not is_open(session)


def test_rollback_leaves_everything_open(fake_connections: FakeConnections) -> None:
    user = UserFactory.create()
    session = open_session(user)

    with transaction.atomic():
        user.is_active = False
        user.save()
        transaction.set_rollback(True)

    assert is_open(session)
    assert fake_connections.closed == []


def test_fixture_loading_ends_nothing() -> None:
    from websocket_gateway.receivers import end_changed_user

    user = UserFactory.create()
    session = open_session(user)
    user.is_active = False

    end_changed_user(User, user, created=False, raw=True)

    assert is_open(session)


@pytest.mark.parametrize(
    "failure",
    [
        EndpointUnreachableError("no answer"),
        AccessDeniedError("denied", status=403),
        MissingCredentialsError("no credentials"),
    ],
    ids=["unreachable", "denied", "no credentials"],
)
def test_rows_are_marked_even_when_aws_does_not_close_the_socket(
    fake_connections: FakeConnections, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    user = UserFactory.create()
    session = open_session(user)
    fake_connections.failures[session.connection_id] = failure

    user.is_active = False
    user.save()

    assert not is_open(session)
    assert "could not be closed" in caplog.text


def test_unreachable_endpoint_is_not_asked_for_every_socket(fake_connections: FakeConnections) -> None:
    user, gateway = UserFactory.create(), ApiGatewayFactory.create()
    sessions = [open_session(user, api_gateway=gateway) for _ in range(3)]
    fake_connections.failures[sessions[0].connection_id] = EndpointUnreachableError("no answer")

    assert revoke(WebSocketSession.objects.order_by("pk")) == 3

    assert fake_connections.closed == []


def test_socket_that_is_gone_already_is_no_failure(
    fake_connections: FakeConnections, caplog: pytest.LogCaptureFixture
) -> None:
    session = open_session(UserFactory.create())
    fake_connections.gone.add(session.connection_id)

    assert revoke(WebSocketSession.objects.all()) == 1
    assert "could not" not in caplog.text


@pytest.fixture
def socket(settings: Any, fake_connections: FakeConnections) -> WebSocketClient:
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": ["https://www.example.com"]}
    made = WebSocketClient(View, gateway=ApiGatewayFactory.create(), connections=fake_connections)
    assert made.connect(user=UserFactory.create()).ok
    return made


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "!"}], ids=["deactivated", "password"])
def test_what_bypasses_signals_ends_at_the_next_message(
    socket: WebSocketClient, fake_connections: FakeConnections, change: dict[str, Any]
) -> None:
    User.objects.update(**change)

    reply = socket.send({"handler": "say"})

    assert reply.status_code == 410
    assert not socket.session.connected
    assert fake_connections.closed == [socket.connection_id]


def test_row_whose_user_vanished_is_not_served_as_nobody(socket: WebSocketClient) -> None:
    WebSocketSession.objects.update(user=None)

    assert socket.send({"handler": "say"}).status_code == 410
    assert not socket.session.connected


def test_rotating_the_secret_key_with_a_fallback_drops_nobody(socket: WebSocketClient, settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "rotated"

    assert socket.send({"handler": "say"}).ok
    socket.session.user.save()  # type: ignore[union-attr]
    assert socket.send({"handler": "say"}).ok


def test_user_who_changes_the_password_logs_in_again_for_new_sockets(
    client: Client, fake_connections: FakeConnections, rf: Any
) -> None:
    user = UserFactory.create()
    client.force_login(user)
    session = open_session(user, session_key_hash=hash_session_key(client.session.session_key))
    request = rf.post("/")
    request.session, request.user = client.session, user

    user.set_password("another")
    user.save()
    update_session_auth_hash(request, user)

    assert not is_open(session)


def test_end_happens_once() -> None:
    session = open_session(UserFactory.create())

    assert end(session, reason="client")
    assert not end(session, reason="client")


def test_touch_writes_once_a_minute() -> None:
    now = timezone.now()
    session = WebSocketSessionFactory.create(last_seen_on=now)

    assert not touch(session, now=now + timedelta(seconds=59))
    assert touch(session, now=now + timedelta(seconds=61))
    assert not touch(session, now=now + timedelta(seconds=62))


def test_receiver_that_raises_is_logged_and_disturbs_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from websocket_gateway.signals import disconnected

    def broken(**kwargs: Any) -> None:
        raise LookupError("broken receiver")

    session = open_session(UserFactory.create())
    disconnected.connect(broken, weak=False)
    try:
        with caplog.at_level(logging.ERROR):
            assert end(session, reason="client")
    finally:
        disconnected.disconnect(broken)

    assert "broken receiver" in caplog.text


def test_unknown_disconnect_leaves_one_ended_row_however_often_it_comes() -> None:
    gateway = ApiGatewayFactory.create()

    end_unknown("early=", gateway)
    end_unknown("early=", gateway)

    row = WebSocketSession.objects.get()
    assert (row.connected, row.api_gateway) == (False, gateway)
