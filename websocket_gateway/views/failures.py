"""What becomes of a refusal or an exception: a record in the log, and an answer that says little."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.core.signals import got_request_exception
from django.db import OperationalError
from django.http.response import HttpResponseBase
from django.utils.log import log_response

from websocket_gateway.concurrency import is_busy
from websocket_gateway.receiving.events import hide_token
from websocket_gateway.views.responses import ErrorCode, RefusalError, empty_response, error_response

if TYPE_CHECKING:
    from websocket_gateway.views.websocket import WebSocketView

logger = logging.getLogger("websocket_gateway.views")


def refuse(view: WebSocketView, refusal: RefusalError) -> HttpResponseBase:
    """Log the reason; answer the code, or nothing at all before the event was authenticated and read."""
    hide_token(view.request)
    code, event = refusal.code, getattr(view, "event", None)
    logger.warning(
        "refused: %s",
        refusal.reason,
        extra={
            "event": "refused",
            "code": code.code,
            "status": code.status,
            "connection_id": getattr(event, "connection_id", None),
        },
    )
    if event is None and not view.debug:
        response = empty_response(code.status)
    else:
        reason = refusal.reason if view.debug else None
        response = error_response(code, reply_id=view._reply_id, message=reason)
    for name, value in refusal.headers.items():
        response[name] = value
    return response


def fail(view: WebSocketView, exc: Exception) -> HttpResponseBase:
    """Answer 500 as Django would: signal, log with traceback, but no page. A busy database is a 503."""
    hide_token(view.request)
    if isinstance(exc, OperationalError) and is_busy(exc):
        return refuse(
            view, RefusalError(ErrorCode.BUSY, "The database is busy.", headers={"Retry-After": "1"})
        )
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
