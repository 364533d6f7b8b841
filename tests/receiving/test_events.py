"""Requests as AWS sends them become events, whatever varies; and frames are read strictly."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from django.test import RequestFactory

from tests.factories import ApiGatewayFactory
from websocket_gateway.exceptions import InvalidEventError
from websocket_gateway.frames import MAX_DEPTH, InvalidFrameError, parse_frame
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving.events import (
    ConnectEvent,
    DisconnectEvent,
    MessageEvent,
    hide_token,
    parse_event,
    read_header,
)
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

    hide_token(request)

    shown = repr(request) + str(request.META) + str(request.headers) + request.get_full_path()
    assert "hush" not in shown
    assert request.GET["channel"] == "lobby"
    assert request.META["RAW_URI"].startswith("/ws/connect?")


def test_token_among_too_many_parameters_is_hidden_as_well(gateway: ApiGateway, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    request = connect_request(gateway, token="hush", channel="lobby")
    request.META["RAW_URI"] = f"/ws/connect?{request.META['QUERY_STRING']}"

    hide_token(request)

    assert "hush" not in str(request.META)


# Frames


def test_frame_is_the_object_without_the_reserved_key() -> None:
    frame = parse_frame(b'{"handler": "say", "text": "\xc3\xa4", "_ws": {"id": "c7", "client": "x"}}')

    assert frame.body == {"handler": "say", "text": "\u00e4"}
    assert (frame.reply_id, frame.control) == ("c7", None)


def test_control_frame_is_told_by_its_type() -> None:
    frame = parse_frame(b'{"_ws": {"type": "ping", "id": 7}}')

    assert (frame.body, frame.reply_id, frame.control) == ({}, 7, {"type": "ping", "id": 7})


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="text"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"text"', id="string"),
        pytest.param(b"{} {}", id="two objects"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param("{}".encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"a": "\xff"}', id="invalid UTF-8"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": -Infinity}', id="Infinity"),
        pytest.param(b'{"a": 1e999}', id="float beyond range"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="five thousand digits"),
        pytest.param(b'{"a": 1, "a": 2}', id="duplicate key"),
        pytest.param(b'{"a": {"b": 1, "b": 2}}', id="duplicate key inside"),
        pytest.param(b'{"a": "\\u0000"}', id="NUL"),
        pytest.param(b'{"a": ["\\ud800"]}', id="lone surrogate"),
        pytest.param(b'{"\\uDFFF": 1}', id="lone surrogate as key"),
        pytest.param(b"[" * 100_000, id="100,000 levels, open"),
        pytest.param(b'{"a":' * 20_000 + b"1" + b"}" * 20_000, id="20,000 objects"),
        pytest.param(b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", id="one level too deep"),
        pytest.param(b'{"_ws": 1}', id="reserved key is no object"),
        pytest.param(b'{"_ws": {"id": true}}', id="reply id is a boolean"),
        pytest.param(b'{"_ws": {"id": ""}}', id="reply id is empty"),
        pytest.param(b'{"_ws": {"id": [1]}}', id="reply id is a list"),
        pytest.param(b'{"_ws": {"id": 9007199254740992}}', id="reply id beyond 53 bits"),
        pytest.param(json.dumps({"_ws": {"id": "x" * 129}}).encode(), id="reply id is long"),
    ],
)
def test_text_that_is_no_plain_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidFrameError):
        parse_frame(data)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("\U0001f600", id="character outside the first plane"),
        pytest.param("\\u0000 \\ud800", id="backslashes that are no escapes"),
        pytest.param([[[]]] * 50, id="many brackets, little depth"),
        pytest.param("[" * 1000, id="brackets in a string"),
        pytest.param(10**4000, id="four thousand digits"),
        pytest.param(-0.5e-300, id="small float"),
    ],
)
def test_unusual_but_sound_json_is_read(value: Any) -> None:
    assert parse_frame(json.dumps({"a": value}).encode()).body == {"a": value}
