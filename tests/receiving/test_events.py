"""Requests as AWS sends them become events, whatever varies; and frames are read strictly."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from typing import Any

import pytest
from django.test import RequestFactory

from tests.factories import ApiGatewayFactory
from websocket_gateway.exceptions import InvalidEventError
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving.credentials import take_credentials
from websocket_gateway.receiving.events import (
    ConnectEvent,
    DisconnectEvent,
    MessageEvent,
    parse_event,
)
from websocket_gateway.receiving.headers import read_header
from websocket_gateway.testing import connect_request, disconnect_request, message_request


@pytest.fixture
def gateway() -> ApiGateway:
    row: ApiGateway = ApiGatewayFactory.build()
    return row


def test_connect_event_tells_what_the_client_said(gateway: ApiGateway) -> None:
    request = connect_request(
        gateway,
        connection_id="Abc-_9=",
        token="t",
        channel="lobby",
        headers={"wsConnectedAt": "1700000000123", "wsSourceIp": "2001:DB8::0001"},
    )

    event = parse_event(request, slug="connect")

    assert isinstance(event, ConnectEvent)
    assert event == ConnectEvent(
        connection_id="Abc-_9=",
        api_id=gateway.api_id,
        route_key="$connect",
        source_ip="2001:db8::1",
        stage="production",
        connected_at=datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=timezone.utc),
        origin="https://www.example.com",
        user_agent="Mozilla/5.0",
        channel_name="lobby",
        token="t",
    )


def test_message_event_carries_the_body_byte_for_byte(gateway: ApiGateway) -> None:
    request = message_request(gateway, "c=", "\ufeff\u00e4", route_key="chat", headers={"wsMessageId": "m="})

    event = parse_event(request, slug="default")

    assert isinstance(event, MessageEvent)
    assert (event.route_key, event.message_id, event.body) == ("chat", "m=", "\ufeff\u00e4".encode())


def test_disconnect_event_is_read_despite_its_empty_headers(gateway: ApiGateway) -> None:
    event = parse_event(disconnect_request(gateway, "c="), slug="disconnect")

    assert isinstance(event, DisconnectEvent)
    assert event.route_key == "$disconnect"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"User-Agent": ""}, id="no user agent"),
        pytest.param({"X-Forwarded-For": "", "X-Forwarded-Proto": ""}, id="no forwarded headers"),
        pytest.param({"wsConnectedAt": ""}, id="no time"),
        pytest.param({"wsConnectedAt": "soon"}, id="time that is none"),
        pytest.param({"wsConnectedAt": "9" * 14}, id="time in the far future"),
        pytest.param({"wsRouteKey": ""}, id="no route key"),
        pytest.param({"Sec-WebSocket-Extensions": ""}, id="no extensions"),
        pytest.param({"connectionId": "x" * 255}, id="long connection id"),
        pytest.param({"connectionId": "a/b+c~d!e:f"}, id="connection id of another alphabet"),
        pytest.param({"connectionId": "1"}, id="short connection id"),
    ],
)
def test_what_aws_varies_is_tolerated(gateway: ApiGateway, headers: dict[str, str]) -> None:
    assert isinstance(parse_event(connect_request(gateway, headers=headers), slug="connect"), ConnectEvent)


def test_message_without_source_ip_or_content_type_is_tolerated(gateway: ApiGateway) -> None:
    request = message_request(gateway, "c=", {}, headers={"wsSourceIp": "", "wsMessageId": ""})
    del request.META["CONTENT_TYPE"]

    event = parse_event(request, slug="default")

    assert event.source_ip == ""


def test_connect_without_source_ip_is_no_event(gateway: ApiGateway) -> None:
    with pytest.raises(InvalidEventError):
        parse_event(connect_request(gateway, headers={"wsSourceIp": ""}), slug="connect")


@pytest.mark.parametrize("slug", ["", "default", "chat", "anything"])
def test_every_other_slug_is_for_messages(gateway: ApiGateway, slug: str) -> None:
    assert isinstance(parse_event(message_request(gateway, "c=", {}), slug=slug), MessageEvent)


def test_headers_without_a_prefix_in_meta_are_read_too(rf: RequestFactory) -> None:
    request = rf.post("/", b"{}", content_type="application/json", headers={"X-Extra": "1"})

    assert read_header(request, "Content-Type") == "application/json"
    assert read_header(request, "content-length") == "2"
    assert read_header(request, "X-Extra") == "1"


def test_events_are_frozen(gateway: ApiGateway) -> None:
    event = parse_event(disconnect_request(gateway, "c="), slug="disconnect")

    with pytest.raises(dataclasses.FrozenInstanceError):
        event.connection_id = "x"  # type: ignore[misc]


def test_repr_of_an_event_shows_neither_token_nor_message(gateway: ApiGateway) -> None:
    connect = parse_event(connect_request(gateway, subprotocol_token="hush"), slug="connect")
    message = parse_event(message_request(gateway, "c=", "hush"), slug="default")

    assert "hush" not in repr(connect) + repr(message)


def test_hidden_token_is_gone_from_everything_that_shows_the_request(gateway: ApiGateway) -> None:
    request = connect_request(gateway, token="hush", channel="lobby", subprotocol_token="hush")
    request.META["QUERY_STRING"] = request.META["QUERY_STRING"].replace("ws_token", "ws%5Ftoken")
    # gunicorn and uWSGI add the address as it was written.
    request.META["RAW_URI"] = request.META["REQUEST_URI"] = f"/ws/connect?{request.META['QUERY_STRING']}"

    take_credentials(request)

    shown = repr(request) + str(request.META) + str(request.headers) + request.get_full_path()
    assert "hush" not in shown
    assert request.GET["channel"] == "lobby"
    assert request.META["RAW_URI"].startswith("/ws/connect?")


def test_token_among_too_many_parameters_is_hidden_as_well(gateway: ApiGateway, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    request = connect_request(gateway, token="hush", channel="lobby")
    request.META["RAW_URI"] = f"/ws/connect?{request.META['QUERY_STRING']}"

    take_credentials(request)

    assert "hush" not in str(request.META)
