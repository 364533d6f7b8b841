"""`$connect`: origin, token, limit, permissions, channel, row, number of rows, in this order."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import Error
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from websocket_gateway.auth_backends import backend_of
from websocket_gateway.connections.ending import end
from websocket_gateway.connections.sessions import find_session, register
from websocket_gateway.django_sessions import keep_session_key
from websocket_gateway.frames import SUBPROTOCOL
from websocket_gateway.log_records import get_logger
from websocket_gateway.logins import (
    current_session_key,
    hash_session_auth,
    is_active,
    session_key_of,
)
from websocket_gateway.models import WebSocketSession, WebSocketToken
from websocket_gateway.models.fields import set_related
from websocket_gateway.models.sessions import announce_move
from websocket_gateway.receiving.credentials import take_credentials
from websocket_gateway.receiving.events import ConnectEvent
from websocket_gateway.receiving.origins import is_allowed_origin
from websocket_gateway.receiving.token_rules import TokenRefusedError
from websocket_gateway.receiving.tokens import spend_token, use_up_refused
from websocket_gateway.security_log import Rule
from websocket_gateway.signals import connected, send_safely
from websocket_gateway.views import checks, limits
from websocket_gateway.views.channels import check_admitted, check_channel_name
from websocket_gateway.views.failures import bind_user, call_refusing, log_refusal
from websocket_gateway.views.hooks import WebSocketHooks, decided
from websocket_gateway.views.measuring import call_handler
from websocket_gateway.views.responses import ErrorCode, RefusalError, answer

logger = get_logger("websocket_gateway.views")


def accept_connection(view: WebSocketHooks, request: HttpRequest, event: ConnectEvent) -> HttpResponseBase:
    """Check and register a connection, or refuse it."""
    # The cheapest first: a page of another site can make the browsers of many people try, and writes nothing.
    if event.origin is not None and not is_allowed_origin(event.origin):
        raise RefusalError(ErrorCode.ORIGIN_DENIED, f"The origin {event.origin!r} is not allowed.")
    if checks.missing(request, view.required_connection_headers):
        limits.count_stranger(view, event)
        return refuse_connection(view, view.missing_headers, ErrorCode.BAD_REQUEST, rule="missing_headers")
    token = _identify(view, request, event)
    user = request.user
    attempt = limits.count_user(view, user) if user.is_authenticated else limits.count_stranger(view, event)
    if (refusal := _authorise(view, request)) is not None:
        return refusal
    channel_name = _channel(view, request, event)
    session = _session(view, request, event, channel_name, token)
    if attempt is not None:
        session.attempt_window_seconds = attempt.window_seconds_at(session.created_on)
    view.websocket_session = session
    if not register(session):
        _refuse_known(view, event, attempt)
    limits.limit_connections(view, session)
    return _call_connect_hook(view, request, event)


def refuse_connection(
    view: WebSocketHooks, hook: Callable[..., object], code: ErrorCode, *, rule: Rule | None = None
) -> HttpResponseBase:
    """Answer `$connect` with a hook that refuses. A 2xx would open the socket, so it becomes `code`."""
    response = call_refusing(view, hook, code, rule=rule)
    if 200 <= response.status_code < 300:
        reason = f"{hook.__name__} answered {response.status_code}, which does not refuse."
        raise RefusalError(code, reason, rule=rule)
    return response


def use_up_tokens(request: HttpRequest) -> None:
    """Use up what tokens the request still has. One that opened a connection costs no further statement."""
    given = take_credentials(request)
    if given.is_settled or not given.tokens:
        return
    given.is_settled = True
    try:
        use_up_refused(given.tokens)
    except Error:
        logger.warning("a refused token was not used up", exc_info=True, extra={"event": "not_used_up"})


def _refuse_known(view: WebSocketHooks, event: ConnectEvent, attempt: limits.Attempt | None) -> NoReturn:
    """Refuse a connection whose id is known. If it has ended, its `$disconnect` has overtaken this event."""
    known = find_session(event.connection_id)
    if known is not None and not known.connected and known.api_gateway_id == view.api_gateway.pk:
        limits.give_back(attempt)
    raise RefusalError(ErrorCode.ALREADY_CONNECTED, "A connection with this id is already known.")


def _identify(view: WebSocketHooks, request: HttpRequest, event: ConnectEvent) -> WebSocketToken | None:
    """Bind the request to the user of the token, or of the session if no token is required."""
    if event.token is not None:
        try:
            token = spend_token(event.token, session_key=session_key_of(request))
        except TokenRefusedError as exc:
            take_credentials(request).is_settled = exc.opens_nothing
            limits.count_stranger(view, event)
            raise RefusalError(ErrorCode.INVALID_TOKEN, str(exc), rule=exc.rule) from exc
        take_credentials(request).is_settled = True
        bind_user(request, token.user)
        return token
    if view.USE_WS_TOKEN:
        limits.count_stranger(view, event)
        raise RefusalError(ErrorCode.INVALID_TOKEN, "The token is missing.", rule="token: missing")
    if event.origin is None:
        limits.count_stranger(view, event)
        raise RefusalError(ErrorCode.ORIGIN_DENIED, "A request without an Origin header needs a valid token.")
    bind_user(request, _session_user(request))
    return None


def _session_user(request: HttpRequest) -> AbstractBaseUser | AnonymousUser:
    user: AbstractBaseUser | AnonymousUser | None = getattr(request, "user", None)
    return user if user is not None and user.is_authenticated and is_active(user) else AnonymousUser()


def _authorise(view: WebSocketHooks, request: HttpRequest) -> HttpResponseBase | None:
    if view.CHECK_PERMISSIONS_ON_CONNECT and not checks.has_permissions(view, request):
        return refuse_connection(view, view.permission_denied, ErrorCode.PERMISSION_DENIED)
    decision = view._call(view.additional_connection_checks, request)
    rule = "additional_connection_checks must return a pair of True or False and a reason"
    if not isinstance(decision, (tuple, list)):  # a dict of two keys could be unpacked, too
        raise TypeError(f"{rule}, not {type(decision).__name__}.")
    accepted, reason = decision
    if not decided(accepted, rule):
        raise RefusalError(ErrorCode.CONNECTION_REFUSED, f"additional_connection_checks: {reason}")
    return None


def _channel(view: WebSocketHooks, request: HttpRequest, event: ConnectEvent) -> str:
    if event.channel_name:
        check_channel_name(view, event.channel_name)
    channel_name = event.channel_name or view.api_gateway.default_channel_name
    if channel_name:
        check_admitted(view, request, channel_name)
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
    # Keys, not objects: these may come from a replica, and not every router relates that to the primary.
    session = WebSocketSession(
        connection_id=event.connection_id,
        channel_name=channel_name,
        api_gateway_id=view.api_gateway.pk,
        stage_name=event.stage if view.api_gateway.maps_stage else "",
        created_on=now,
        last_seen_on=now,
    )
    set_related(session, "api_gateway", view.api_gateway)
    if user.is_authenticated:
        session.user_id, session.session_auth_hash = user.pk, hash_session_auth(user)
        set_related(session, "user", user)
        if token is not None:
            session.session_key_hash, session.session_key_sealed = (
                token.session_key_hash,
                token.session_key_sealed,
            )
            session.auth_backend = token.auth_backend
        else:
            keep_session_key(session, current_session_key(request))
            session.auth_backend = backend_of(request, user)
    return session


def _call_connect_hook(view: WebSocketHooks, request: HttpRequest, event: ConnectEvent) -> HttpResponseBase:
    """Call the hook. Only a 2xx answer keeps the connection: API Gateway refuses it at any other."""
    session = view.websocket_session
    view._begun = True
    try:
        response = answer(call_handler(view, "connect", view.connect, request))
    except BaseException:
        end(session, reason="refused")
        raise
    if not 200 <= response.status_code < 300:
        end(session, reason="refused")
        reason = f"connect answered {response.status_code}."
        view._code = ErrorCode.CONNECTION_REFUSED.code
        log_refusal(view, RefusalError(ErrorCode.CONNECTION_REFUSED, reason, rule="connect_hook"))
        return response
    if session.channel_name:
        try:
            announce_move([session], joined=[session.channel_name])
        except BaseException:  # of a hook about presence: API Gateway opens no socket then
            end(session, reason="refused")
            raise
    if SUBPROTOCOL in event.subprotocols:
        response.headers.setdefault("Sec-WebSocket-Protocol", SUBPROTOCOL)
    logger.info(
        "connected",
        extra={
            "event": "connected",
            "connection_id": session.connection_id,
            "channel": session.channel_name,
            "user_id": session.user_id,
        },
    )
    send_safely(connected, sender=type(view), session=session, event=event, request=request)
    return response
