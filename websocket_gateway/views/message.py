"""Messages and `$disconnect`: the row of the connection, what revokes it, control frames, the handler."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from websocket_gateway import connections
from websocket_gateway.connections.ending import end_by_client, end_unknown
from websocket_gateway.connections.sessions import find_session, touch
from websocket_gateway.django_sessions import has_ended
from websocket_gateway.frames import Frame, InvalidFrameError, parse_frame
from websocket_gateway.logins import renew_user
from websocket_gateway.models import WebSocketSession
from websocket_gateway.models.fields import set_related
from websocket_gateway.receiving.deduplication import handle_once, message_key
from websocket_gateway.receiving.events import DisconnectEvent, MessageEvent
from websocket_gateway.receiving.handlers import Handler, is_admitted
from websocket_gateway.signals import message_received, send_safely
from websocket_gateway.views import channels, limits
from websocket_gateway.views.channel_frames import answer_channels, is_about_channels
from websocket_gateway.views.checks import has_permissions
from websocket_gateway.views.failures import bind_user, call_refusing, log_event
from websocket_gateway.views.hooks import WebSocketHooks
from websocket_gateway.views.measuring import call_handler
from websocket_gateway.views.presence import answer_presence, is_about_presence, look_after_presence
from websocket_gateway.views.responses import (
    ErrorCode,
    RefusalError,
    answer,
    control_response,
    duplicate_response,
    empty_response,
)


def receive_message(view: WebSocketHooks, request: HttpRequest, event: MessageEvent) -> HttpResponseBase:
    """Answer one frame."""
    try:
        frame = parse_frame(event.body)
    except InvalidFrameError as exc:
        raise RefusalError(ErrorCode.INVALID_FRAME, str(exc)) from exc
    view.body, view._reply_id = frame.body, frame.reply_id
    found = _open_session(view, event.connection_id)
    if found is None:
        bind_user(request, AnonymousUser())
        return call_refusing(view, view.session_not_found, ErrorCode.NOT_CONNECTED)
    session, silent_since = found
    view.websocket_session = session
    bind_user(request, session.user or AnonymousUser())
    if silent_since is not None:
        look_after_presence(session, silent_since)
    limits.limit_messages(view, session)
    if not has_permissions(view, request):
        return call_refusing(view, view.permission_denied, ErrorCode.PERMISSION_DENIED)
    if frame.control is not None:
        return _control(view, request, frame.control)
    return _handle(view, request, event, frame)


def end_connection(view: WebSocketHooks, request: HttpRequest, event: DisconnectEvent) -> HttpResponseBase:
    """End a connection. One that is not known yet leaves a row, so that its late `$connect` is refused."""
    session = find_session(event.connection_id) or end_unknown(event.connection_id, view.api_gateway)
    if session is None:
        return empty_response()
    _check_gateway(view, session)
    view.websocket_session = session
    attempt = limits.attempt_of(session, event)
    if end_by_client(session):
        limits.give_back(attempt)
    renew_user(session)  # of a login that holds no longer the row stays
    bind_user(request, session.user or AnonymousUser())
    view._begun = True
    return answer(call_handler(view, "disconnect", view.disconnect, request))


def _open_session(
    view: WebSocketHooks, connection_id: str
) -> tuple[WebSocketSession, datetime | None] | None:
    """The session of an open connection; once a minute also when it was last seen before."""
    session = find_session(connection_id)
    if session is None:
        return None
    _check_gateway(view, session)
    if not session.connected:
        return None
    seen_before = session.last_seen_on
    reason = renew_user(session)
    touched = not reason and touch(session)
    if touched and has_ended(session):  # once a minute: it asks the session engine
        reason = "session"
    if reason:
        # Changes that send no signal, such as `QuerySet.update(is_active=False)`, are noticed here.
        connections.revoke(WebSocketSession.objects.filter(pk=session.pk), reason=reason)
        return None
    return session, seen_before if touched else None


def _check_gateway(view: WebSocketHooks, session: WebSocketSession) -> None:
    if session.api_gateway_id != view.api_gateway.pk:
        reason = "The connection belongs to another gateway."
        raise RefusalError(ErrorCode.FORBIDDEN, reason, rule="other_gateway")
    set_related(session, "api_gateway", view.api_gateway)  # it may come from a replica


def _handle(
    view: WebSocketHooks, request: HttpRequest, event: MessageEvent, frame: Frame
) -> HttpResponseBase:
    keys = (view.handler_selection_key, view.route_selection_key)
    if not any(key in view.body for key in keys):
        return call_refusing(view, view.handler_selection_key_missing, ErrorCode.HANDLER_MISSING)
    handler = next((found for key in keys if (found := _named(view, view.body.get(key)))), None)
    send_safely(
        message_received,
        sender=type(view),
        session=view.websocket_session,
        event=event,
        handler=handler.name if handler else "default",
    )
    method = getattr(view, handler.name) if handler else view.default
    if not is_admitted(method, request):
        return call_refusing(view, view.permission_denied, ErrorCode.PERMISSION_DENIED)

    def handle() -> HttpResponseBase:
        name = handler.name if handler else "default"
        return answer(call_handler(view, name, method, request), reply_id=frame.reply_id)

    if not view.deduplicate or frame.reply_id is None or frame.client is None:
        view._begun = True
        return handle()
    # What a handler has written is undone if it fails, so here it may be called again.
    key = message_key(user_id=request.user.pk, client=frame.client, message_id=frame.reply_id)
    first = handle_once(key, handle, failed=lambda response: response.status_code >= 400)
    if first is not None:
        return first
    log_event(view, "duplicate", "a message that was handled before")
    return duplicate_response(frame.reply_id)


def _named(view: WebSocketHooks, name: object) -> Handler | None:
    return view.handler_table.get(name) if isinstance(name, str) else None


def _control(view: WebSocketHooks, request: HttpRequest, control: dict[str, object]) -> HttpResponseBase:
    kind, reply_id = control["type"], view._reply_id
    if kind == "ping":
        return control_response("pong", reply_id=reply_id)
    if kind == "pong":
        return empty_response()
    if is_about_presence(control):
        return answer_presence(view, request, control)
    if is_about_channels(control):
        return answer_channels(view, request, str(kind), control)
    if kind == "subscribe":
        name = channels.subscribe(view, request, control.get("channel"))
        return control_response("subscribed", reply_id=reply_id, channel=name)
    if kind == "unsubscribe":
        name = channels.unsubscribe(view, control.get("channel"))
        return control_response("unsubscribed", reply_id=reply_id, channel=name)
    raise RefusalError(ErrorCode.UNKNOWN_CONTROL, "The type of the control frame is unknown.")
