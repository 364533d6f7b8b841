"""Signals, and a log that tells everything but tokens, secrets, cookies and messages."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.dispatch import Signal
from django.test import Client

from tests.factories import ApiGatewayFactory, UserFactory
from tests.views.stack import Stack
from tests.views.urls import StackView
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.signals import connected, disconnected, message_received

pytestmark = pytest.mark.django_db


@contextmanager
def listening(signal: Signal) -> Iterator[list[dict[str, Any]]]:
    calls: list[dict[str, Any]] = []

    def note(**kwargs: Any) -> None:
        calls.append(kwargs)

    signal.connect(note)
    try:
        yield calls
    finally:
        signal.disconnect(note)


def test_connected_is_sent_with_session_event_and_request(ws_client: Any) -> None:
    client = ws_client(StackView)

    with listening(connected) as calls:
        client.connect(user=UserFactory.create())

    (call,) = calls
    assert call["sender"] is StackView
    assert call["session"] == client.session
    assert call["event"].connection_id == client.connection_id
    assert call["request"].user == client.session.user


def test_refused_connections_are_not_announced(ws_client: Any) -> None:
    with listening(connected) as calls:
        ws_client(StackView).connect(token="wrong")

    assert not calls


def test_disconnected_is_sent_once(ws_client: Any) -> None:
    client = ws_client(StackView)
    client.connect(user=UserFactory.create())

    with listening(disconnected) as calls:
        client.disconnect()
        client.disconnect()

    (call,) = calls
    assert (call["session"], call["reason"]) == (client.session, "client")


def test_message_received_names_the_handler(ws_client: Any) -> None:
    client = ws_client(StackView)
    client.connect(user=UserFactory.create())

    with listening(message_received) as calls:
        client.send({"handler": "say"})
        client.send({"handler": "nonsense"})
        client.control("ping")

    assert [call["handler"] for call in calls] == ["say", "default"]
    assert calls[0]["session"] == client.session


def test_receiver_that_raises_does_not_refuse_the_connection(ws_client: Any) -> None:
    def broken(**kwargs: Any) -> None:
        raise LookupError

    connected.connect(broken)
    try:
        reply = ws_client(StackView).connect(user=UserFactory.create())
    finally:
        connected.disconnect(broken)

    assert reply.ok


@pytest.mark.urls("tests.views.urls")
def test_log_holds_no_token_secret_cookie_or_message(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("websocket_gateway", "django"):
        caplog.set_level(logging.DEBUG, logger=name)
    gateway = ApiGatewayFactory.create()
    browser = Client(raise_request_exception=False)
    user = UserFactory.create()
    browser.force_login(user)
    tokens = [browser.post("/token/").json()["token"] for _ in range(2)]
    stack = Stack(gateway, client=browser)

    stack.connect(token=tokens[0])
    stack.connect(token=tokens[0])
    stack.connect(subprotocol_token="wrong-token-text")
    stack.connect(token=tokens[1], origin="https://evil.org")
    stack.send({"handler": "say", "text": "a private message"})
    stack.send({"handler": "explode", "text": "a private message"})
    stack.send({"handler": "nonsense", "text": "a private message"})
    stack.send("a private message")
    browser.logout()

    written = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "evil.org" in written
    secrets = [*tokens, "wrong-token-text", "private message", origin_secret(gateway.api_id)]
    secrets += [cookie.value for cookie in browser.cookies.values() if cookie.value]
    for secret in secrets:
        assert secret not in written


def test_records_are_structured(ws_client: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client = ws_client(StackView)
    client.connect(user=UserFactory.create())
    client.send({"handler": "nonsense"})
    client.disconnect()

    records: list[Any] = [r for r in caplog.records if r.name.startswith("websocket_gateway.")]

    assert [record.event for record in records] == ["connected", "refused", "ended"]
    assert {record.connection_id for record in records} == {client.connection_id}
    assert (records[1].code, records[1].status) == ("unknown_handler", 400)


def test_refusal_before_authentication_logs_why(ws_client: Any, caplog: pytest.LogCaptureFixture) -> None:
    ws_client(StackView).connect(token=issue_token(UserFactory.create()), headers={"wsOriginSecret": "x"})

    assert "origin secret" in caplog.text
