"""Text of a client in the log: a record stays one line, and controls no terminal."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest

from websocket_gateway.testing import connect_request, message_request
from websocket_gateway.testing.client import WebSocketClient
from websocket_gateway.views import WebSocketView

pytestmark = pytest.mark.django_db

TEXTS = [
    *(
        "a\nCRITICAL root logged in",
        "a\r\nCRITICAL root logged in",
        "a\rCRITICAL",
        "a\x0bb",
        "a\x0cb",
        "a\x1cb",
    ),
    *(
        "\x1b[2J\x1b[31mred",
        "\x1b]0;title\x07",
        "\x9b31m",
        "a\x85b",
        "a\u2028b",
        "a\u2029b",
        "a\x00b",
        "a\x08\x08b",
    ),
    *("a\x7fb", "\u202ereversed", "a\u200bb", "%s %d %(name)s", "{0.__class__}", "${jndi:ldap://x/y}"),
]


class Refusing(WebSocketView):
    """A project that says in its exceptions what the client has said."""

    MAX_MESSAGES_PER_MINUTE = 0
    RATE_LIMIT_ENABLED = False
    ADDITIONAL_ALLOWED_HANDLERS = ["change_channel"]

    def additional_connection_checks(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return False, f"no {request.GET.get('room', '')}"

    def forbid(self, request: HttpRequest) -> None:
        raise PermissionDenied(f"not {self.body['text']}")

    def miss(self, request: HttpRequest) -> None:
        raise Http404(f"no {self.body['text']}")

    def suspect(self, request: HttpRequest) -> None:
        raise SuspiciousOperation(str(self.body["text"]))

    def refuse(self, request: HttpRequest) -> None:
        raise BadRequest(str(self.body["text"]))


def header(name: str) -> Callable[[Any, str], Any]:
    """A `$connect` with the text in a header, as WSGI decodes it."""

    def send(client: WebSocketClient, text: str) -> Any:
        request = connect_request(client.gateway, token="x")
        request.META[f"HTTP_{name.upper().replace('-', '_')}"] = text
        return Refusing.as_view()(request, route="connect")

    return send


def slug(client: WebSocketClient, text: str) -> Any:
    return Refusing.as_view()(connect_request(client.gateway), route=text)


def room(client: WebSocketClient, text: str) -> Any:
    request = connect_request(client.gateway, origin="https://www.example.com")
    query: Any = request.GET.copy()
    query["room"] = text
    request.GET = query
    return Refusing.as_view(USE_WS_TOKEN=False)(request, route="connect")


def frame(**fields: object) -> Callable[[Any, str], Any]:
    """A frame with the text wherever `TEXT` stands."""

    def send(client: WebSocketClient, text: str) -> Any:
        body = json.dumps(fields).replace('"TEXT"', json.dumps(text))
        return Refusing.as_view()(
            message_request(client.gateway, client.connection_id, body), route="default"
        )

    return send


PLACES = {
    "origin": header("Origin"),
    "event type": header("wsEventType"),
    "route key": header("wsRouteKey"),
    "source IP": header("wsSourceIp"),
    "connection id": header("connectionId"),
    "API id": header("X-Amzn-Apigateway-Api-Id"),
    "user agent": header("User-Agent"),
    "subprotocol": header("Sec-WebSocket-Protocol"),
    "slug": slug,
    "reason of a hook": room,
    "handler": frame(handler="TEXT"),
    "channel": frame(_ws={"type": "subscribe", "channel": "TEXT"}),
    "new channel": frame(handler="change_channel", channel="TEXT"),
    "control": frame(_ws={"type": "TEXT"}),
    "PermissionDenied": frame(handler="forbid", text="TEXT"),
    "Http404": frame(handler="miss", text="TEXT"),
    "SuspiciousOperation": frame(handler="suspect", text="TEXT"),
    "BadRequest": frame(handler="refuse", text="TEXT"),
}
CASES = 360


@pytest.fixture
def client(ws_client: Any, settings: Any) -> WebSocketClient:
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": ["https://www.example.com"]}
    client: WebSocketClient = ws_client(Refusing)
    with_session: Any = type(
        "Open", (Refusing,), {"additional_connection_checks": WebSocketView.additional_connection_checks}
    )
    request = connect_request(
        client.gateway, connection_id=client.connection_id, origin="https://www.example.com"
    )
    assert with_session.as_view(USE_WS_TOKEN=False)(request, route="connect").status_code == 200
    return client


def test_the_table_is_not_shortened() -> None:
    assert len(TEXTS) * len(PLACES) == CASES


@pytest.mark.parametrize("place", PLACES)
def test_a_record_is_one_line_of_printable_text(
    client: WebSocketClient, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    caplog.set_level(logging.DEBUG, logger="websocket_gateway")

    written = {}
    for text in TEXTS:
        caplog.clear()
        response = PLACES[place](client, text)
        assert response.status_code < 500
        for record in caplog.records:
            if not record.getMessage().isprintable():
                written[text] = record.getMessage()

    assert written == {}
