"""Measures events and handlers. While metrics are off, callers pay one test of `metrics.recorder`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Final

from django.http import HttpRequest

from websocket_gateway import metrics
from websocket_gateway.receiving.events import ConnectEvent, DisconnectEvent, MessageEvent
from websocket_gateway.receiving.headers import read_header
from websocket_gateway.views.failures import refusal_of
from websocket_gateway.views.hooks import WebSocketHooks

_NAMES: Final = {ConnectEvent: "connect", MessageEvent: "message", DisconnectEvent: "disconnect"}
_EVENTS: Final = {event: ("event", name) for event, name in _NAMES.items()}
_UNKNOWN: Final = ("event", "unknown")


def record_event(view: WebSocketHooks, begun: float) -> None:
    """Record an event, from `begun`, the call of the view, to now, when it has its response.

    This and handlers use `metrics.takers` directly, because each call counts in the cost of a message.
    """
    seconds = perf_counter() - begun
    try:
        event = _EVENTS[type(view.event)]
    except AttributeError:  # refused before it was parsed
        event = _UNKNOWN
    take = metrics.takers["event.duration", event, ("code", view._code)]
    try:
        take(seconds)
    except Exception as exc:  # noqa: BLE001 - whatever a recorder does, the request goes on
        metrics.complain(exc)


def trace_event(view: WebSocketHooks, request: HttpRequest) -> AbstractContextManager[object]:
    """A span for an event that is proven and parsed, as a part of API Gateway's trace."""
    return metrics.span("event", trace=read_header(request, metrics.TRACE_HEADER), event=_name(view))


def call_handler(
    view: WebSocketHooks, name: str, method: Callable[..., object], request: HttpRequest
) -> object:
    """Call a handler, or a hook that stands for an event, and time it."""
    if metrics.recorder is None:
        return view._call(method, request)
    if metrics.may_have_spans and metrics.has_spans():
        with metrics.span("handler", handler=name):
            return _time_handler(view, name, method, request)
    return _time_handler(view, name, method, request)


def _time_handler(
    view: WebSocketHooks, name: str, method: Callable[..., object], request: HttpRequest
) -> object:
    error = None
    begun = perf_counter()
    try:
        return view._call(method, request)
    except Exception as exc:
        error = _error_type(exc)
        raise
    finally:
        seconds = perf_counter() - begun
        take = metrics.takers["handler.duration", ("handler", name), ("error_type", error)]
        try:
            take(seconds)
        except Exception as exc:  # noqa: BLE001 - as above
            metrics.complain(exc)


def _name(view: WebSocketHooks) -> str:
    return _NAMES.get(type(getattr(view, "event", None)), "unknown")


def _error_type(exc: Exception) -> str:
    return "exception" if refusal_of(exc) is None else "refused"
