"""`WebSocketView`: the path of an event through the checks to a hook or handler, and back as a response."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeVar

from django.db import connections, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from websocket_gateway import context_headers, metrics
from websocket_gateway.log_records import add_log_fields, keep_log_fields, log_fields
from websocket_gateway.receiving.credentials import take_credentials
from websocket_gateway.receiving.events import (
    ConnectEvent,
    DisconnectEvent,
    MessageEvent,
    log_fields_of,
    parse_event,
)
from websocket_gateway.receiving.handlers import build_handlers
from websocket_gateway.receiving.headers import read_header
from websocket_gateway.views import checks
from websocket_gateway.views.connect import accept_connection, refuse_connection, use_up_tokens
from websocket_gateway.views.failures import call_refusing, fail, log_event, refusal_of, refuse
from websocket_gateway.views.hooks import WebSocketHooks
from websocket_gateway.views.measuring import record_event, trace_event
from websocket_gateway.views.message import end_connection, receive_message
from websocket_gateway.views.names import check_definitions
from websocket_gateway.views.presence import describing
from websocket_gateway.views.responses import ErrorCode

V = TypeVar("V", bound=Callable[..., HttpResponseBase])


class WebSocketView(WebSocketHooks):
    """Receives the events of an API Gateway WebSocket API and calls the handler that a frame names.

    Subclass it, write methods, and put it into the URLconf under `<str:route>`. Every
    attribute and hook is described in `management_docs/view.md`.
    """

    http_method_names = ()  # so that no `dispatch` but ours finds a handler that is named `post`

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        check_definitions(cls, {}, base=WebSocketView)
        cls.handler_table = build_handlers(cls, base=WebSocketView)

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Make a view that needs no login, no CSRF token and no surrounding transaction."""
        check_definitions(cls, initkwargs, base=WebSocketView)
        only, more = initkwargs.get("ALLOWED_HANDLERS"), initkwargs.get("ADDITIONAL_ALLOWED_HANDLERS")
        table = build_handlers(cls, base=WebSocketView, only=only, more=more, complete=True)
        if only is None and more is None:
            cls.handler_table = table  # the class may have changed since it was created
        else:
            initkwargs["handler_table"] = table
        return exempt(super().as_view(**initkwargs))

    def setup(self, request: HttpRequest, *args: object, **kwargs: object) -> None:
        """Start with an empty body and no session, for hooks that are called before there are any."""
        take_credentials(request)  # whatever becomes of the request: no log and no report shall show them
        super().setup(request, *args, **kwargs)
        self.body = {}
        self.websocket_session = None  # type: ignore[assignment]

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        """Answer one event. Every exception becomes a response."""
        with log_fields(**log_fields_of(request), route=self._slug or None):
            try:
                if metrics.recorder is None:
                    return self._respond(request, *args, **kwargs)
                begun = perf_counter()
                try:
                    return self._respond(request, *args, **kwargs)
                finally:
                    record_event(self, begun)
            finally:
                keep_log_fields(request)

    def _respond(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        try:
            if request.method != "POST":
                self._code = "method_not_allowed"
                log_event(self, "method_not_allowed", f"{request.method} {request.path}")
                return self.http_method_not_allowed(request, *args, **kwargs)
            with describing(self, request):
                return self._receive_event(request)
        except Exception as exc:  # noqa: BLE001 - the outermost frame of the process for this event
            refusal = refusal_of(exc)
            return fail(self, exc) if refusal is None else refuse(self, refusal)
        finally:
            use_up_tokens(request)

    def _receive_event(self, request: HttpRequest) -> HttpResponseBase:
        """Check size, gateway and secret, headers, event, in this order; the rest depends on the event."""
        checks.check_declared_size(request, self.MAX_BODY_SIZE)
        checks.authenticate(self, request)
        add_log_fields(gateway=self.api_gateway.api_name)
        if checks.missing(request, (*self.required_headers, *self.additional_required_headers)):
            if read_header(request, context_headers.EVENT_TYPE_HEADER) == "CONNECT":
                return refuse_connection(
                    self, self.missing_headers, ErrorCode.BAD_REQUEST, rule="missing_headers"
                )
            return call_refusing(self, self.missing_headers, ErrorCode.BAD_REQUEST, rule="missing_headers")
        checks.check_body(request, self.MAX_BODY_SIZE)
        self.event = parse_event(request, slug=self._slug, needs_source_ip=self._knows_source_ip)
        if not metrics.may_have_spans or not metrics.has_spans():
            return self._answer(request, self.event)
        with trace_event(self, request):
            return self._answer(request, self.event)

    def _answer(
        self, request: HttpRequest, event: ConnectEvent | MessageEvent | DisconnectEvent
    ) -> HttpResponseBase:
        if isinstance(event, ConnectEvent):
            return accept_connection(self, request, event)
        if not checks.has_expected_useragent(request, self.expected_useragent_prefix):
            return call_refusing(self, self.invalid_useragent, ErrorCode.BAD_REQUEST, rule="user_agent")
        if isinstance(event, DisconnectEvent):
            return end_connection(self, request, event)
        return receive_message(self, request, event)

    def _allowed_methods(self) -> list[str]:
        return ["POST"]


def exempt(view: V) -> V:
    """Exempt a view from CSRF and login middleware, and from `ATOMIC_REQUESTS` of every database."""
    vars(view).update(csrf_exempt=True, login_required=False)
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)
    return view
