"""One gateway that cannot be asked keeps no socket of another one open."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from tests.admin.clients import act, client_with, text_of
from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from tests.sink import Sink
from websocket_gateway.connections import Closing, disconnect, revoke
from websocket_gateway.exceptions import AccessDeniedError, InvalidRequestError, MissingCredentialsError
from websocket_gateway.logins import hash_session_auth, hash_session_key
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.testing import FakeConnections

pytestmark = pytest.mark.django_db(transaction=True)

NO_ADDRESS = {"planned": True}
NO_URL = {"api_endpoint": "wss://[half"}
NO_REGION = {"api_endpoint": "wss://ws.example.com", "region_name": ""}
FOREIGN_REGION = {"api_endpoint": "http://127.0.0.1:9/_api/x", "region_name": "no region"}
NOBODY_THERE = {"api_endpoint": "http://127.0.0.1:9/_api/x"}

EVERY_FAULT = pytest.mark.parametrize(
    "fault",
    [
        pytest.param(NO_ADDRESS, id="no address"),
        pytest.param(NO_URL, id="not a URL"),
        pytest.param(NO_REGION, id="no region"),
        pytest.param(FOREIGN_REGION, id="region that does not exist"),
        pytest.param(NOBODY_THERE, id="no answer"),
        pytest.param({}, id="403"),
    ],
)


@pytest.fixture
def user() -> User:
    made: User = UserFactory.create()
    return made


def open_at(gateway: ApiGateway, user: User, *names: str, **fields: Any) -> list[WebSocketSession]:
    auth = hash_session_auth(user)
    return [
        WebSocketSessionFactory.create(
            connection_id=name, api_gateway=gateway, user=user, session_auth_hash=auth, **fields
        )
        for name in names
    ]


@pytest.fixture
def mixed(
    sink: Sink, gateway: ApiGateway, user: User, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> list[WebSocketSession]:
    """A socket of a broken gateway first and last, and two of a sound one between."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    broken = ApiGatewayFactory.create(**fault) if fault else sink.gateway()
    sink.answers = dict.fromkeys(["first=", "last="], 403)
    return [
        *open_at(broken, user, "first="),
        *open_at(gateway, user, "sound1=", "sound2="),
        *open_at(broken, user, "last="),
    ]


def closed_at(sink: Sink) -> list[str]:
    """The sound sockets that were to be closed; boto3 asks again after some failures."""
    asked = {path.rpartition("/")[2] for method, path in sink.requests if method == "DELETE"}
    return sorted(name.replace("%3D", "=") for name in asked if name.startswith("sound"))


def log_out(user: User) -> None:
    client = Client()
    client.force_login(user)
    key = hash_session_key(client.session.session_key)
    WebSocketSession.objects.update(session_key_hash=key)
    client.logout()


def set_password(user: User) -> None:
    user.set_password("another")
    user.save()


def deactivate(user: User) -> None:
    with transaction.atomic():
        user.is_active = False
        user.save()


def revoke_all(user: User) -> None:
    assert revoke(WebSocketSession.objects.filter(user=user)) == 4


@EVERY_FAULT
@pytest.mark.parametrize("leave", [log_out, set_password, deactivate, revoke_all])
def test_the_other_sockets_are_closed(
    mixed: list[WebSocketSession], sink: Sink, user: User, leave: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="websocket_gateway.connections"):
        leave(user)

    assert closed_at(sink) == ["sound1=", "sound2="]
    assert not WebSocketSession.objects.filter(connected=True).exists()
    not_closed = [
        getattr(record, "connection_id", "") for record in caplog.records if "not be closed" in record.message
    ]
    assert sorted(not_closed) == ["first=", "last="]


@EVERY_FAULT
def test_disconnecting_in_the_admin_says_what_was_closed_and_why_not(
    mixed: list[WebSocketSession], sink: Sink
) -> None:
    sink.answers["sound2="] = 410

    page = text_of(act(client_with(superuser=True), "disconnect", *mixed, step="apply"))

    assert closed_at(sink) == ["sound1=", "sound2="]
    assert "1 socket was closed." in page
    assert "1 socket was closed already." in page
    assert "2 sockets may still be open:" in page


def test_missing_credentials_of_one_endpoint_keep_no_other_socket_open(
    fake_connections: FakeConnections, user: User
) -> None:
    one, other = ApiGatewayFactory.create_batch(2)
    sessions = [*open_at(one, user, "a=", "b="), *open_at(other, user, "c=")]
    fake_connections.failures["a="] = MissingCredentialsError("no credentials")

    done = disconnect(sessions, reason="admin")

    assert done == Closing(closed=1, failed={"a=": "no credentials", "b=": "no credentials"})
    assert done.reasons == {"no credentials": 2}
    assert fake_connections.closed == ["c="]


@pytest.mark.parametrize(
    "error",
    [
        AccessDeniedError("denied", status=403),
        InvalidRequestError("DeleteConnection: the connection id is empty."),
        KeyError("an adapter's own"),
    ],
    ids=["denied", "invalid", "unexpected"],
)
def test_what_concerns_one_socket_keeps_none_of_the_same_endpoint_open(
    fake_connections: FakeConnections, user: User, error: Exception
) -> None:
    sessions = open_at(ApiGatewayFactory.create(), user, "a=", "b=", "c=")
    fake_connections.failures["a="] = error
    fake_connections.gone.add("b=")

    done = disconnect(sessions)

    assert (done.closed, done.gone, list(done.failed)) == (1, 1, ["a="])
    assert fake_connections.closed == ["c="]


def test_an_endpoint_that_is_slow_to_refuse_does_not_delay_the_others(
    sink: Sink, gateway: ApiGateway, user: User
) -> None:
    quick_was_asked = threading.Event()
    answered: list[bool] = []

    def wait_for_the_other(connection_id: str) -> None:
        answered.append(quick_was_asked.wait(timeout=10))

    def note(connection_id: str) -> None:
        quick_was_asked.set()

    with Sink() as silent:
        silent.on_request = wait_for_the_other
        sink.on_request = note
        open_at(silent.gateway(), user, "slow=")
        open_at(gateway, user, "quick=")

        assert revoke(WebSocketSession.objects.all()) == 2

    assert answered == [True]
