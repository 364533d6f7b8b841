"""Parses an HTTP request into a frozen event: tolerant of variations of API Gateway, strict about forgery."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import Final

from django.http import HttpRequest, QueryDict

from websocket_gateway import context_headers
from websocket_gateway.exceptions import InvalidEventError
from websocket_gateway.receiving.credentials import TOKEN_PARAMETER, take_credentials
from websocket_gateway.receiving.headers import read_header
from websocket_gateway.validators import is_stage_name

API_ID_HEADER: Final = "X-Amzn-Apigateway-Api-Id"
"""Set by API Gateway itself on every request: the id of the API."""
CHANNEL_PARAMETER: Final = "channel"

_ID_MAX_LENGTH = 255
EVENT_TYPES: Final = {"connect": "CONNECT", "disconnect": "DISCONNECT"}
"""By the last part of the URL; every other part belongs to messages."""
_ROUTE_KEYS: Final = {"CONNECT": "$connect", "DISCONNECT": "$disconnect"}
_MILLISECONDS = r"[0-9]{1,14}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The fields of every event. API Gateway maps all of them; a client cannot set any."""

    connection_id: str
    api_id: str
    route_key: str
    source_ip: str
    """Empty where API Gateway does not send it: after `$connect`, or on an imported gateway."""
    connected_at: datetime | None = None
    stage: str = ""
    """Empty where API Gateway does not send it: on a gateway that was deployed by an earlier version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectEvent(Event):
    """A client wants to connect. The client itself sets the fields below."""

    origin: str | None = None
    user_agent: str = ""
    channel_name: str = ""
    """From `?channel=`; empty for the gateway's default. Not yet checked."""
    token: str | None = field(default=None, repr=False)
    subprotocols: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEvent(Event):
    """A client sent a frame; `body` has its bytes, unchanged."""

    message_id: str = ""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectEvent(Event):
    """A connection is closed."""


def parse_event(
    request: HttpRequest, *, slug: str = "", needs_source_ip: bool = True
) -> ConnectEvent | MessageEvent | DisconnectEvent:
    """Parse the event in `request`; `slug` is the last part of the URL. Raises `InvalidEventError`.

    Authenticate the request and check the size of its body first. Without `needs_source_ip` a
    `$connect` without an address is accepted.
    """
    event_type = read_header(request, context_headers.EVENT_TYPE_HEADER)
    if event_type != EVENT_TYPES.get(slug, "MESSAGE"):
        raise InvalidEventError(f"The event type {event_type!r} does not belong to the URL's part {slug!r}.")
    common = {
        "connection_id": _connection_id(request),
        "api_id": read_header(request, API_ID_HEADER),
        "route_key": _route_key(request, event_type),
        "source_ip": _source_ip(request, required=needs_source_ip and event_type == "CONNECT"),
        "stage": _stage(request),
    }
    connected_at = _connected_at(request)
    if event_type == "CONNECT":
        return _connect_event(request, common, connected_at)
    if event_type == "DISCONNECT":
        return DisconnectEvent(**common, connected_at=connected_at)
    message_id = read_header(request, context_headers.MESSAGE_ID_HEADER)
    return MessageEvent(
        **common,
        connected_at=connected_at,
        message_id=message_id if is_identifier(message_id) else "",
        body=request.body,
    )


def log_fields_of(request: HttpRequest) -> dict[str, str | None]:
    """The ids of an event for log records. Until the request is authenticated they are only claimed.

    A gateway that was not synchronized since this version sends no id of the request; a message has one.
    """
    connection_id = read_header(request, context_headers.CONNECTION_ID_HEADER)
    request_id = read_header(request, context_headers.REQUEST_ID_HEADER)
    if not is_identifier(request_id):
        request_id = read_header(request, context_headers.MESSAGE_ID_HEADER)
    return {
        "connection_id": connection_id if is_identifier(connection_id) else None,
        "request_id": request_id if is_identifier(request_id) else None,
    }


def is_identifier(value: str) -> bool:
    """Whether API Gateway could have made this id: printable ASCII of up to 255 characters.

    WSGI joins several headers of one name with commas, so a comma means that the header was sent
    twice. A space is refused because MariaDB ignores it at the end of a text.
    """
    return (
        0 < len(value) <= _ID_MAX_LENGTH
        and value.isascii()
        and value.isprintable()
        and not ("," in value or " " in value)
    )


def _connection_id(request: HttpRequest) -> str:
    value = read_header(request, context_headers.CONNECTION_ID_HEADER)
    if not is_identifier(value):
        raise InvalidEventError("The connection id is not valid.")
    return value


def _route_key(request: HttpRequest, event_type: str) -> str:
    value = read_header(request, context_headers.ROUTE_KEY_HEADER)
    expected = _ROUTE_KEYS.get(event_type)
    if expected is None:
        if value in _ROUTE_KEYS.values() or not value.isprintable():
            raise InvalidEventError(f"The route {value!r} is not a route of messages.")
        return value or "$default"
    if value not in ("", expected):
        raise InvalidEventError(f"The route {value!r} does not belong to the event type {event_type!r}.")
    return expected


def _source_ip(request: HttpRequest, *, required: bool) -> str:
    value = read_header(request, context_headers.SOURCE_IP_HEADER)
    address = _address(value)
    if not address and (required or value):
        raise InvalidEventError("The source IP is not an IP address.")
    return address


def _stage(request: HttpRequest) -> str:
    value = read_header(request, context_headers.STAGE_HEADER)
    if value and not is_stage_name(value):
        raise InvalidEventError("The stage is not valid.")
    return value


@lru_cache(maxsize=1024)
def _address(text: str) -> str:
    """Return an address in canonical form, empty if invalid. Messages of a client all have the same.

    The zone of an IPv6 address is any text, and belongs to no client: `fe80::1%eth0` is refused.
    """
    try:
        return "" if "%" in text else str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _connected_at(request: HttpRequest) -> datetime | None:
    value = read_header(request, context_headers.CONNECTED_AT_HEADER)
    if not re.fullmatch(_MILLISECONDS, value):
        return None
    return datetime.fromtimestamp(int(value) / 1000, tz=timezone.utc)


def _connect_event(
    request: HttpRequest, common: dict[str, str], connected_at: datetime | None
) -> ConnectEvent:
    given = take_credentials(request)
    query = _query(request, readable=given.is_query_readable)
    if len(given.query_tokens) > 1:
        raise InvalidEventError(f"The parameter {TOKEN_PARAMETER!r} was given more than once.")
    tokens = set(given.tokens)
    if len(tokens) > 1:
        raise InvalidEventError("Several tokens were given.")
    return ConnectEvent(
        **common,
        connected_at=connected_at,
        origin=request.META.get("HTTP_ORIGIN"),
        user_agent=read_header(request, "User-Agent"),
        channel_name=_single(query, CHANNEL_PARAMETER),
        token=next(iter(tokens), None),
        subprotocols=given.subprotocols,
    )


def _query(request: HttpRequest, *, readable: bool) -> QueryDict:
    if not readable:
        raise InvalidEventError("The query string has too many fields.")
    return request.GET


def _single(query: QueryDict, name: str) -> str:
    values = query.getlist(name)
    if len(values) > 1:
        raise InvalidEventError(f"The parameter {name!r} was given more than once.")
    return values[0] if values else ""
