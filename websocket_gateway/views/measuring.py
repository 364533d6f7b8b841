"""Measures events and handlers. While metrics are off, callers pay one test of `metrics.recorder`."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from websocket_gateway import metrics
from websocket_gateway.receiving.events import ConnectEvent, DisconnectEvent, MessageEvent
from websocket_gateway.receiving.headers import read_header
from websocket_gateway.views.failures import refusal_of
from websocket_gateway.views.hooks import WebSocketHooks

_NAMES: Final = {ConnectEvent: "connect", MessageEvent: "message", DisconnectEvent: "disconnect"}


def measure_event(view: WebSocketHooks, respond: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Time an event from the call of the view to its response."""
    begun = time.perf_counter()
    try:
        return respond()
    finally:
        seconds = time.perf_counter() - begun
        metrics.record("event.duration", seconds, event=_name(view), code=view._code)


def trace_event(view: WebSocketHooks, request: HttpRequest) -> AbstractContextManager[Any]:
    """A span for an event that is proven and parsed, as a part of API Gateway's trace."""
    return metrics.span("event", trace=read_header(request, metrics.TRACE_HEADER), event=_name(view))


def call_handler(
    view: WebSocketHooks, name: str, method: Callable[..., object], request: HttpRequest
) -> object:
    """Call a handler, or a hook that stands for an event, and time it."""
    if metrics.recorder is None:
        return view._call(method, request)
    with metrics.timed("handler", error_of=_error_type, handler=name):
        return view._call(method, request)


def _name(view: WebSocketHooks) -> str:
    return _NAMES.get(type(getattr(view, "event", None)), "unknown")


def _error_type(exc: Exception) -> str:
    return "exception" if refusal_of(exc) is None else "refused"
