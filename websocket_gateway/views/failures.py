"""Turns a refusal or an exception into a log record, and a response that reveals little."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest
from django.http.request import UnreadablePostError
from django.http.response import HttpResponseBase
from django.utils.log import log_response

from websocket_gateway import security_log
from websocket_gateway.context_headers import CONNECTION_ID_HEADER
from websocket_gateway.database_errors import describe_away, is_away
from websocket_gateway.exceptions import InvalidEventError
from websocket_gateway.frames import InvalidFrameError, ReplyId, parse_frame
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving.authentication import is_signed
from websocket_gateway.receiving.credentials import take_credentials
from websocket_gateway.receiving.events import (
    API_ID_HEADER,
    ConnectEvent,
    DisconnectEvent,
    MessageEvent,
    parse_event,
)
from websocket_gateway.receiving.headers import read_header
from websocket_gateway.security_log import Rule
from websocket_gateway.views.responses import (
    ErrorCode,
    RefusalError,
    answer,
    empty_response,
    error_response,
)

_BOUND: Final = "_websocket_user_id"


def bind_user(request: HttpRequest, user: Any) -> None:
    """Make `user` the user of the request, for `request.user` and `await request.auser()` alike."""

    async def auser() -> Any:
        return user

    request.user = user
    request.auser = auser
    vars(request)[_BOUND] = user.pk


def bound_user_id(request: HttpRequest) -> object:
    """The primary key of the user of an event; None before that is known.

    Not `request.user.pk`: that of the session cookie would be read from the database, and is not checked.
    """
    return vars(request).get(_BOUND)


class RefusingView(Protocol):
    """The part of a view that a refusal uses."""

    request: HttpRequest
    debug: bool
    event: ConnectEvent | MessageEvent | DisconnectEvent
    api_gateway: ApiGateway
    _begun: bool
    _refusals: int
    _code: str
    _reply_id: ReplyId | None

    @property
    def _slug(self) -> str: ...
    def _call(self, method: Callable[..., object], *args: object) -> object: ...


def refusal_of(exc: Exception) -> RefusalError | None:
    """The refusal that an exception of a hook or handler means; None if it is a fault."""
    if isinstance(exc, RefusalError):
        return exc
    if isinstance(exc, PermissionDenied):
        return RefusalError(ErrorCode.PERMISSION_DENIED, f"PermissionDenied: {exc}")
    if isinstance(exc, Http404):
        return RefusalError(ErrorCode.NOT_FOUND, f"Http404: {exc}")
    if isinstance(exc, InvalidEventError):
        return RefusalError(ErrorCode.BAD_REQUEST, str(exc), rule="invalid_event")
    if isinstance(exc, (SuspiciousOperation, BadRequest)):
        return RefusalError(ErrorCode.BAD_REQUEST, str(exc))
    return None


def refuse(view: RefusingView, refusal: RefusalError) -> HttpResponseBase:
    """Log the reason. Answer the code, or nothing if the event was not authenticated and parsed."""
    log_refusal(view, refusal)
    code = refusal.code
    view._code = code.code
    if getattr(view, "event", None) is None and not view.debug:
        response = empty_response(code.status)
    else:
        reason = refusal.reason if view.debug else None
        response = error_response(code, reply_id=view._reply_id, message=reason)
    for name, value in refusal.headers.items():
        response[name] = value
    return response


def log_refusal(view: RefusingView, refusal: RefusalError) -> None:
    """Write the reason of a refusal, which the client does not get, to the security log."""
    view._refusals += 1
    log_event(view, refusal.rule, refusal.reason, refusal.code)


def log_event(view: RefusingView, rule: Rule, reason: str, code: ErrorCode | None = None) -> None:
    """Write what a view has noticed to the security log.

    Until an event is proven, the address is that of the HTTP request, and the other values are only claimed.
    """
    request, event, gateway = view.request, getattr(view, "event", None), getattr(view, "api_gateway", None)
    security_log.write(
        rule,
        take_credentials(request).hide_in(reason),
        user_id=bound_user_id(request),
        source_ip=(event.source_ip or None) if event else request.META.get("REMOTE_ADDR"),
        origin=request.META.get("HTTP_ORIGIN"),
        gateway=gateway.api_name if gateway else None,
        connection_id=event.connection_id if event else read_header(request, CONNECTION_ID_HEADER) or None,
        route=view._slug or None,
        code=code.code if code else None,
        status=code.status if code else None,
    )


def call_refusing(
    view: RefusingView, hook: Callable[..., object], code: ErrorCode, *, rule: Rule | None = None
) -> HttpResponseBase:
    """The response of a hook that refuses. The refusal is logged here where the hook has not done so."""
    before = view._refusals
    view._code = code.code
    response = answer(view._call(hook, view.request), reply_id=view._reply_id)
    if view._refusals == before:
        log_refusal(view, RefusalError(code, f"The hook {hook.__name__} refuses it.", rule=rule))
    return response


def fail(view: RefusingView, exc: Exception) -> HttpResponseBase:
    """Answer 500 as Django does, with signal and logged traceback, but no page.

    A database that is away or busy is a 503, after which clients send their message again. So it is none
    once a handler has begun, which might run twice.
    """
    if is_away(exc) and not view._begun:
        _find_reply_id(view)
        return refuse(view, RefusalError(ErrorCode.BUSY, describe_away(exc), headers={"Retry-After": "1"}))
    view._code = ErrorCode.INTERNAL_ERROR.code
    got_request_exception.send(sender=type(view), request=view.request)
    response = error_response(ErrorCode.INTERNAL_ERROR, reply_id=view._reply_id)
    log_response(
        "%s: %s",
        response.reason_phrase,
        view.request.path,
        response=response,
        request=view.request,
        exception=exc,
    )
    return response


def _find_reply_id(view: RefusingView) -> None:
    """Parse the event of a request whose gateway could not be looked up: the secret alone proves it.

    Without its id the answer could not name the message, and its client would wait in vain.
    """
    request = view.request
    if hasattr(view, "event") or not is_signed(request, read_header(request, API_ID_HEADER)):
        return
    with suppress(InvalidEventError, InvalidFrameError, RequestDataTooBig, UnreadablePostError):
        event = parse_event(request, slug=view._slug, needs_source_ip=False)
        view.event = event
        if isinstance(event, MessageEvent):
            view._reply_id = parse_frame(event.body).reply_id
