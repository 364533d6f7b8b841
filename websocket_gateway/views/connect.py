"""`$connect`: IP limit, origin, token, user limit, permissions, channel, row, in this order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from websocket_gateway.conf import get_settings
from websocket_gateway.connections.ending import end
from websocket_gateway.connections.sessions import register
from websocket_gateway.frames import SUBPROTOCOL
from websocket_gateway.logins import hash_session_auth, hash_session_key, is_active, session_key_of
from websocket_gateway.models import WebSocketSession, WebSocketToken
from websocket_gateway.receiving.events import ConnectEvent
from websocket_gateway.receiving.limits import client_key, count_attempt
from websocket_gateway.receiving.origins import is_allowed_origin
from websocket_gateway.receiving.tokens import consume_token
from websocket_gateway.signals import connected, send_safely
from websocket_gateway.views import checks
from websocket_gateway.views.channels import check_channel_name
from websocket_gateway.views.hooks import WebSocketHooks
from websocket_gateway.views.responses import ErrorCode, RefusalError, answer

logger = logging.getLogger("websocket_gateway.views")

_PER_IP_FACTOR = 10


def accept_connection(view: WebSocketHooks, request: HttpRequest, event: ConnectEvent) -> HttpResponseBase:
    """Check and register a connection, or refuse it."""
    if checks.missing(request, view.required_connection_headers):
        return refuse_connection(view, request, view.missing_headers, ErrorCode.BAD_REQUEST)
    _limit_address(view, event)
    token = _identify(view, request, event)
    _limit_identity(view, request, event)
    if (refusal := _authorise(view, request)) is not None:
        return refusal
    channel_name = _channel(view, request, event)
    view.websocket_session = _session(view, request, event, channel_name, token)
    if not register(view.websocket_session):
        raise RefusalError(ErrorCode.ALREADY_CONNECTED, "A connection with this id is already known.")
    return _welcome(view, request, event)


def refuse_connection(
    view: WebSocketHooks, request: HttpRequest, hook: Callable[..., object], code: ErrorCode
) -> HttpResponseBase:
    """Answer `$connect` with a hook that refuses. A 2xx would open the socket, so it becomes `code`."""
    response = answer(view._call(hook, request))
    if 200 <= response.status_code < 300:
        raise RefusalError(code, f"{hook.__name__} answered {response.status_code}, which does not refuse.")
    return response


def _limit_address(view: WebSocketHooks, event: ConnectEvent) -> None:
    per_ip = view.RATE_LIMIT_MAX_ATTEMPTS_PER_IP
    limit = _PER_IP_FACTOR * _max_attempts(view) if per_ip is None else per_ip
    if event.source_ip:  # empty from an imported gateway, until it is applied
        _count(view, f"ip:{client_key(event.source_ip)}", limit)


def _limit_identity(view: WebSocketHooks, request: HttpRequest, event: ConnectEvent) -> None:
    user = request.user
    if user.is_authenticated:
        _count(view, f"user:{user.pk}", _max_attempts(view))
    else:
        _limit_anonymous(view, event)


def _limit_anonymous(view: WebSocketHooks, event: ConnectEvent) -> None:
    if event.source_ip:
        _count(view, f"anonymous:{client_key(event.source_ip)}", _max_attempts(view))


def _max_attempts(view: WebSocketHooks) -> int:
    own = view.RATE_LIMIT_MAX_ATTEMPTS
    return get_settings().rate_limit_max_attempts if own is None else own


def _count(view: WebSocketHooks, client: str, limit: int) -> None:
    if not view.RATE_LIMIT_ENABLED:
        return
    minutes = view.RATE_LIMIT_WINDOW_MINUTES
    seconds = 60 * max(1, get_settings().rate_limit_window_minutes if minutes is None else minutes)
    verdict = count_attempt("connect", client, limit=limit, window_seconds=seconds)
    if not verdict.allowed:
        raise RefusalError(
            ErrorCode.RATE_LIMITED,
            f"More than {limit} attempts in the window.",
            headers={"Retry-After": str(verdict.retry_after)},
        )


def _identify(view: WebSocketHooks, request: HttpRequest, event: ConnectEvent) -> WebSocketToken | None:
    """Bind the request to the user of the token, or of the session if no token is required."""
    if event.origin is not None and not is_allowed_origin(event.origin):
        raise RefusalError(ErrorCode.ORIGIN_DENIED, f"The origin {event.origin!r} is not allowed.")
    token = None
    if event.token is not None:
        token = consume_token(event.token, session_key=session_key_of(request))
    if token is None and (view.USE_WS_TOKEN or event.token is not None):
        _limit_anonymous(view, event)
        given = "is not valid" if event.token is not None else "is missing"
        raise RefusalError(ErrorCode.INVALID_TOKEN, f"The token {given}.")
    if token is None and event.origin is None:
        raise RefusalError(ErrorCode.ORIGIN_DENIED, "A request without an Origin header needs a valid token.")
    bind_user(request, token.user if token is not None else _session_user(request))
    return token


def _session_user(request: HttpRequest) -> AbstractBaseUser | AnonymousUser:
    user: AbstractBaseUser | AnonymousUser | None = getattr(request, "user", None)
    return user if user is not None and user.is_authenticated and is_active(user) else AnonymousUser()


def bind_user(request: HttpRequest, user: Any) -> None:
    """Make `user` the user of the request, for `request.user` and `await request.auser()` alike."""

    async def auser() -> Any:
        return user

    request.user = user
    request.auser = auser


def _authorise(view: WebSocketHooks, request: HttpRequest) -> HttpResponseBase | None:
    if view.CHECK_PERMISSIONS_ON_CONNECT and not checks.has_permissions(view, request):
        return refuse_connection(view, request, view.permission_denied, ErrorCode.PERMISSION_DENIED)
    decision = view._call(view.additional_connection_checks, request)
    if not isinstance(decision, (tuple, list)):  # a dict of two keys could be unpacked, too
        raise TypeError(f"additional_connection_checks must return a pair, not {type(decision).__name__}.")
    accepted, reason = decision
    if not accepted:
        raise RefusalError(ErrorCode.CONNECTION_REFUSED, f"additional_connection_checks: {reason}")
    return None


def _channel(view: WebSocketHooks, request: HttpRequest, event: ConnectEvent) -> str:
    if event.channel_name:
        check_channel_name(view, event.channel_name)
    channel_name = event.channel_name or view.api_gateway.default_channel_name
    if channel_name and not view._decide("can_join_channel", request, channel_name):
        raise RefusalError(ErrorCode.CHANNEL_DENIED, f"The user must not join the channel {channel_name!r}.")
    return channel_name


def _session(
    view: WebSocketHooks,
    request: HttpRequest,
    event: ConnectEvent,
    channel_name: str,
    token: WebSocketToken | None,
) -> WebSocketSession:
    user = request.user
    now = timezone.now()
    bound = hash_session_key(session_key_of(request)) if user.is_authenticated else ""
    return WebSocketSession(
        connection_id=event.connection_id,
        channel_name=channel_name,
        user=user if user.is_authenticated else None,
        api_gateway=view.api_gateway,
        session_key_hash=token.session_key_hash if token is not None else bound,
        session_auth_hash=hash_session_auth(user),
        created_on=now,
        last_seen_on=now,
    )


def _welcome(view: WebSocketHooks, request: HttpRequest, event: ConnectEvent) -> HttpResponseBase:
    """Call the hook. Only a 2xx answer keeps the connection: API Gateway refuses it at any other."""
    session = view.websocket_session
    try:
        response = answer(view._call(view.connect, request))
    except BaseException:
        end(session, reason="refused")
        raise
    if not 200 <= response.status_code < 300:
        end(session, reason="refused")
        return response
    if SUBPROTOCOL in event.subprotocols:
        response.headers.setdefault("Sec-WebSocket-Protocol", SUBPROTOCOL)
    logger.info(
        "connected",
        extra={
            "event": "connected",
            "connection_id": session.connection_id,
            "channel_name": session.channel_name,
            "user_id": session.user_id,
        },
    )
    send_safely(connected, sender=type(view), session=session, event=event, request=request)
    return response
