"""Builders: requests exactly as API Gateway sends them, one for each kind of event."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any, TypedDict
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils import timezone

from websocket_gateway import context_headers
from websocket_gateway.frames import SUBPROTOCOL
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.receiving.credentials import TOKEN_PARAMETER, TOKEN_SUBPROTOCOL_PREFIX
from websocket_gateway.receiving.events import API_ID_HEADER, CHANNEL_PARAMETER

DEFAULT_ORIGIN = "https://www.example.com"
DEFAULT_SOURCE_IP = "192.0.2.1"

_numbers = itertools.count(1)


class RequestOptions(TypedDict, total=False):
    """Keywords of every builder."""

    headers: Mapping[str, str] | None
    path: str


class MessageOptions(RequestOptions, total=False):
    """Keywords of `message_request`."""

    route_key: str


class ConnectOptions(TypedDict, total=False):
    """Keywords of `connect_request` that `WebSocketClient.connect` passes on."""

    origin: str | None
    source_ip: str
    subprotocol_token: str | None
    session: SessionBase | Mapping[str, object] | None
    path: str


def new_connection_id() -> str:
    """Make an id that no other call in this process returns, in the form that API Gateway uses today."""
    return f"T{time.time_ns() % 10**7:07d}{next(_numbers):07d}="


def event_headers(gateway: ApiGateway, connection_id: str, event_type: str, route_key: str) -> dict[str, str]:
    """Return the headers that the integrations of the gateway map, including the origin secret."""
    headers = {
        "Host": urlsplit(gateway.target_base_endpoint).netloc or "www.example.com",
        API_ID_HEADER: gateway.api_id,
        "User-Agent": f"AmazonAPIGateway_{gateway.api_id}",
        "Sec-WebSocket-Version": "0",
        context_headers.CONNECTION_ID_HEADER: connection_id,
        context_headers.EVENT_TYPE_HEADER: event_type,
        context_headers.ROUTE_KEY_HEADER: route_key,
        context_headers.SOURCE_IP_HEADER: DEFAULT_SOURCE_IP,
        context_headers.CONNECTED_AT_HEADER: str(int(timezone.now().timestamp() * 1000)),
        context_headers.STAGE_HEADER: gateway.live_stage,
        context_headers.REQUEST_ID_HEADER: f"R{next(_numbers):012d}=",
        context_headers.ORIGIN_SECRET_HEADER: origin_secret(gateway.api_id, gateway.secret_generation),
    }
    if event_type == "MESSAGE":
        headers[context_headers.MESSAGE_ID_HEADER] = f"M{next(_numbers):012d}="
    return headers


def connect_headers(
    gateway: ApiGateway,
    connection_id: str,
    *,
    origin: str | None = DEFAULT_ORIGIN,
    source_ip: str = DEFAULT_SOURCE_IP,
    subprotocol_token: str | None = None,
) -> dict[str, str]:
    """Return the headers of `$connect`: the mapped ones and those of the handshake of a browser."""
    headers = event_headers(gateway, connection_id, "CONNECT", "$connect") | {
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
        "X-Forwarded-For": source_ip,
        "X-Forwarded-Proto": "https",
        context_headers.SOURCE_IP_HEADER: source_ip,
        "User-Agent": "Mozilla/5.0",
    }
    if origin is not None:
        headers["Origin"] = origin
    if subprotocol_token is not None:
        headers["Sec-WebSocket-Protocol"] = f"{SUBPROTOCOL}, {TOKEN_SUBPROTOCOL_PREFIX}{subprotocol_token}"
    return headers


def connect_query(*, token: str | None = None, channel: str | None = None) -> str:
    """Return the query string of a WebSocket URL."""
    given = {TOKEN_PARAMETER: token, CHANNEL_PARAMETER: channel}
    return urlencode({name: value for name, value in given.items() if value is not None})


def encode_frame(frame: object) -> bytes:
    """Return the bytes of a frame: bytes and text stay as they are, everything else becomes JSON."""
    if isinstance(frame, bytes):
        return frame
    return (frame if isinstance(frame, str) else json.dumps(frame)).encode()


def connect_request(
    gateway: ApiGateway,
    *,
    connection_id: str = "",
    token: str | None = None,
    channel: str | None = None,
    origin: str | None = DEFAULT_ORIGIN,
    source_ip: str = DEFAULT_SOURCE_IP,
    subprotocol_token: str | None = None,
    user: AbstractBaseUser | None = None,
    session: SessionBase | Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    path: str = "/ws/connect",
) -> HttpRequest:
    """Build a `$connect`. A value in `headers` replaces the standard header; an empty value removes it.

    `session` is a saved Django session, whose cookie is sent and whose user is `request.user` unless `user`
    is given; or what is in a session that has no cookie. Without it `request.session` is empty.
    """
    standard = connect_headers(
        gateway,
        connection_id or new_connection_id(),
        origin=origin,
        source_ip=source_ip,
        subprotocol_token=subprotocol_token,
    )
    query = connect_query(token=token, channel=channel)
    if isinstance(session, SessionBase) and session.session_key:
        standard["Cookie"] = f"{settings.SESSION_COOKIE_NAME}={session.session_key}"
    request = _request(f"{path}?{query}" if query else path, b"", standard, headers, user, content_type="")
    if session is not None:
        given = session if isinstance(session, SessionBase) else new_session(session)
        if given is None:
            raise ImproperlyConfigured("SESSION_ENGINE keeps sessions in an app that is not installed.")
        request.session = given
        given_user: Any = user or get_user(request)
        request.user = given_user
    return request


def message_request(
    gateway: ApiGateway,
    connection_id: str,
    frame: object,
    *,
    route_key: str = "$default",
    headers: Mapping[str, str] | None = None,
    path: str = "/ws/default",
) -> HttpRequest:
    """Build a message; `frame` is sent as JSON unless it is bytes or text."""
    standard = event_headers(gateway, connection_id, "MESSAGE", route_key)
    content_type = "application/json; charset=UTF-8"
    return _request(path, encode_frame(frame), standard, headers, None, content_type=content_type)


def disconnect_request(
    gateway: ApiGateway,
    connection_id: str,
    *,
    headers: Mapping[str, str] | None = None,
    path: str = "/ws/disconnect",
) -> HttpRequest:
    """Build a `$disconnect`, with the empty headers that API Gateway adds to it."""
    standard = event_headers(gateway, connection_id, "DISCONNECT", "$disconnect") | {
        "X-Forwarded-For": "",
        "x-api-key": "",
        "x-restapi": "",
    }
    return _request(path, b"", standard, headers, None, content_type="")


def _request(
    path: str,
    body: bytes,
    standard: Mapping[str, str],
    more: Mapping[str, str] | None,
    user: Any,
    *,
    content_type: str,
) -> HttpRequest:
    changed = {name.lower() for name in more or {}}
    headers = {name: value for name, value in standard.items() if name.lower() not in changed}
    headers |= {name: value for name, value in (more or {}).items() if value}
    request = RequestFactory().generic("POST", path, body, content_type=content_type, headers=headers)
    if not content_type:
        request.META.pop("CONTENT_TYPE", None)
    request.user = user or AnonymousUser()
    if (session := new_session()) is not None:
        request.session = session
    return request


def new_session(values: Mapping[str, object] | None = None) -> SessionBase | None:
    """A session of `SESSION_ENGINE` with these values, not saved; None where its app is not installed."""
    try:
        store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore()
    except RuntimeError:  # its model is of an app that is not installed
        return None
    store.update(values or {})
    return store
