"""Whether this code runs in a web request, where a user waits for the response.

Under WSGI Django's signals tell. Under ASGI a receiver has a context of its own, but Django runs every
request in a `ThreadSensitiveContext` of asgiref; tasks that a request starts are within it too.
"""

from __future__ import annotations

from contextvars import ContextVar

from asgiref.sync import SyncToAsync
from django.core.signals import request_finished, request_started

_in_request = ContextVar("websocket_gateway_in_request", default=False)


def in_web_request() -> bool:
    """Whether a web request is under way in this thread or task, or in the one that called it."""
    return _in_request.get() or has_own_thread()


def has_own_thread() -> bool:
    """Whether this is a request under ASGI, which has a thread of its own for its work with the database."""
    return SyncToAsync.thread_sensitive_context.get(None) is not None


def follow_requests() -> None:
    """Connect the receivers; called once, when the apps are ready."""
    uid = "websocket_gateway.web_requests"
    request_started.connect(_begin, dispatch_uid=uid)
    request_finished.connect(_end, dispatch_uid=uid)


def _begin(**kwargs: object) -> None:
    _in_request.set(True)


def _end(**kwargs: object) -> None:
    _in_request.set(False)
