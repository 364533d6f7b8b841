"""`WebSocketView`: what a project subclasses, and the way of a request through it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.db import connections, transaction
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.views.generic import View

from websocket_gateway import context_headers
from websocket_gateway.channels.rules import may_join
from websocket_gateway.frames import ReplyId
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.receiving.authentication import API_ID_HEADER
from websocket_gateway.receiving.events import (
    ConnectEvent,
    DisconnectEvent,
    MessageEvent,
    hide_token,
    parse_event,
    read_header,
)
from websocket_gateway.receiving.handlers import Handler, build_handlers, url_arguments
from websocket_gateway.views import checks, message
from websocket_gateway.views import connect as connecting
from websocket_gateway.views.failures import fail, refuse
from websocket_gateway.views.names import check_definitions
from websocket_gateway.views.responses import ErrorCode, RefusalError, answer, empty_response


class WebSocketView(View):
    """Receives the events of an API Gateway WebSocket API and calls the handler that a frame names.

    Subclass it, write methods, and put it into the URLconf under `<str:route>`. Every
    attribute and hook is described in `management_docs/view.md`.
    """

    # What a project sets.

    USE_WS_TOKEN: bool = True
    RATE_LIMIT_ENABLED: bool = True
    RATE_LIMIT_MAX_ATTEMPTS: int | None = None
    RATE_LIMIT_MAX_ATTEMPTS_PER_IP: int | None = None
    RATE_LIMIT_WINDOW_MINUTES: int | None = None
    MAX_BODY_SIZE: int = 1024 * 128
    MAX_CHANNEL_NAME_LENGTH: int = 191
    MAX_SUBSCRIPTIONS: int = 100
    CHANNEL_NAME_PATTERN: str | re.Pattern[str] = r"[A-Za-z0-9_-]+"
    ALLOW_UNLISTED_CHANNELS: bool = True
    ALLOWED_HANDLERS: Collection[str] = ()
    ADDITIONAL_ALLOWED_HANDLERS: Collection[str] = ()
    CHECK_PERMISSIONS_ON_CONNECT: bool = True
    handler_selection_key: str = "handler"
    route_selection_key: str = "action"
    permissions_required: Collection[str] = ()
    all_permissions_required: Collection[str] = ()
    aws_api_gateway_id: str | None = None
    deduplicate: bool = False
    websocket_route_keys: Iterable[str] | Mapping[str, str] = ()
    required_headers: Collection[str] = ("Host", API_ID_HEADER, context_headers.CONNECTION_ID_HEADER)
    additional_required_headers: Collection[str] = ()
    required_connection_headers: Collection[str] = ("Sec-WebSocket-Key",)
    expected_useragent_prefix: str = "AmazonAPIGateway_"
    debug: bool = False

    # What a project reads.

    handler_table: ClassVar[Mapping[str, Handler]] = MappingProxyType({})
    """What a client may name, built once per class; read-only."""
    event: ConnectEvent | MessageEvent | DisconnectEvent
    """The event being handled."""
    body: dict[str, Any]
    """The parsed JSON object of a message, without the reserved key `_ws`; empty at `$connect`."""
    api_gateway: ApiGateway
    """The gateway that sent the event."""
    websocket_session: WebSocketSession
    """The connection's row; None until a `$connect` is registered."""

    # Hooks: what a project overrides. Each may be `def` or `async def`.

    def connect(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called once a connection is registered. A response that is no 2xx refuses it after all."""
        return empty_response()

    def disconnect(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called when a connection has ended; nothing that is returned reaches the client."""
        return None

    def default(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called for a frame whose handler is unknown. Refuses it."""
        raise RefusalError(ErrorCode.UNKNOWN_HANDLER, "The frame names no handler of this view.")

    def change_channel(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Make `body["channel"]` the primary channel; a handler only where overridden or listed.

        Returns nothing; a channel that may not be joined is refused by an exception.
        """
        message.change_channel(self, request)

    def can_join_channel(self, request: HttpRequest, channel_name: str) -> Any:
        """Whether the user may join; asked at connect, at subscribing and by `change_channel`."""
        return may_join(_user(request), channel_name, allow_unlisted=self.ALLOW_UNLISTED_CHANNELS)

    def has_any_permission(self, request: HttpRequest) -> Any:
        """Whether the user has one of `permissions_required`; an empty list asks for nothing."""
        names = self.permissions_required
        return not names or any(_user(request).has_perm(name) for name in names)

    def has_all_permission(self, request: HttpRequest) -> Any:
        """Whether the user has every one of `all_permissions_required`."""
        return all(_user(request).has_perm(name) for name in self.all_permissions_required)

    def additional_connection_checks(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """`(True, "")` to accept, `(False, reason)` to refuse; the reason goes to the log."""
        return True, ""

    def missing_headers(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called when a required header is missing. Answers 400."""
        return refuse(self, RefusalError(ErrorCode.BAD_REQUEST, "A required header is missing."))

    def invalid_useragent(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called when the user agent is not API Gateway's and no secret vouches for it. Answers 400."""
        return refuse(self, RefusalError(ErrorCode.BAD_REQUEST, "The user agent is not the expected one."))

    def permission_denied(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called when the user lacks a permission. Answers 403."""
        return refuse(self, RefusalError(ErrorCode.PERMISSION_DENIED, "The user lacks a permission."))

    def session_not_found(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called when the connection is unknown or has ended. Answers 410."""
        return refuse(self, RefusalError(ErrorCode.NOT_CONNECTED, "No open connection has this id."))

    def handler_selection_key_missing(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called when a frame has neither of the two keys. Answers 400."""
        return refuse(
            self, RefusalError(ErrorCode.HANDLER_MISSING, "The frame has neither of the selection keys.")
        )

    # The machinery. Its names are private; of Django's, a subclass overrides those that call `super()`.

    http_method_names = ()  # so that no `dispatch` but ours finds a handler that is named `post`
    _reply_id: ReplyId | None = None
    _knows_source_ip: bool = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_definitions(cls, {}, base=WebSocketView)
        cls.handler_table = build_handlers(cls, base=WebSocketView)

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """A view that no login, CSRF token or surrounding transaction is asked of."""
        check_definitions(cls, initkwargs, base=WebSocketView)
        only, more = initkwargs.get("ALLOWED_HANDLERS"), initkwargs.get("ADDITIONAL_ALLOWED_HANDLERS")
        if only is not None or more is not None:
            initkwargs["handler_table"] = build_handlers(cls, base=WebSocketView, only=only, more=more)
        view: Any = super().as_view(**initkwargs)
        view.csrf_exempt = True
        view.login_required = False
        for alias in connections:
            transaction.non_atomic_requests(using=alias)(view)
        return view

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Begin with no body and no session, for hooks that are called before there are any."""
        super().setup(request, *args, **kwargs)
        self.body = {}
        self.websocket_session = None  # type: ignore[assignment]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer one event. Whatever is raised on the way becomes an answer; no exception leaves."""
        if request.method != "POST":
            return self.http_method_not_allowed(request, *args, **kwargs)
        try:
            return self._receive_event(request)
        except RefusalError as refusal:
            return refuse(self, refusal)
        except PermissionDenied as exc:
            return refuse(self, RefusalError(ErrorCode.PERMISSION_DENIED, f"PermissionDenied: {exc}"))
        except Http404 as exc:
            return refuse(self, RefusalError(ErrorCode.NOT_FOUND, f"Http404: {exc}"))
        except (SuspiciousOperation, BadRequest) as exc:
            return refuse(self, RefusalError(ErrorCode.BAD_REQUEST, str(exc)))
        except Exception as exc:  # noqa: BLE001 - the process's outermost frame for this event
            return fail(self, exc)

    def _receive_event(self, request: HttpRequest) -> HttpResponseBase:
        """The order of checks: size, gateway and secret, headers, event; the rest depends on the event."""
        checks.check_declared_size(request, self.MAX_BODY_SIZE)
        self.api_gateway = checks.authenticate(self, request)
        if checks.missing(request, (*self.required_headers, *self.additional_required_headers)):
            if read_header(request, context_headers.EVENT_TYPE_HEADER) == "CONNECT":
                return connecting.turn_away(self.missing_headers, self, request, ErrorCode.BAD_REQUEST)
            return answer(self._call(self.missing_headers, request))
        checks.check_body(request, self.MAX_BODY_SIZE)
        self.event = parse_event(request, slug=self._slug, needs_source_ip=self._knows_source_ip)
        if isinstance(self.event, ConnectEvent):
            hide_token(request)
            return connecting.connect(self, request, self.event)
        if not checks.has_expected_useragent(request, self.expected_useragent_prefix):
            return answer(self._call(self.invalid_useragent, request))
        if isinstance(self.event, DisconnectEvent):
            return message.disconnect(self, request, self.event)
        return message.receive(self, request, self.event)

    @property
    def _slug(self) -> str:
        """The last part of the URL: `connect`, `disconnect`, `default` or a route of your own."""
        return str(self.kwargs.get("route", ""))

    def _call(self, method: Any, *args: Any) -> Any:
        """Call a hook or handler with the URL's arguments that it takes; wait for it if it is `async def`."""
        result = method(*args, **url_arguments(method, self.kwargs, given=len(args)))
        if not hasattr(result, "__await__"):
            return result
        try:
            return async_to_sync(_await)(result)
        except asyncio.CancelledError as exc:
            if isinstance(self.request, ASGIRequest):
                raise  # the server gave the request up
            # Nobody cancels under WSGI but the handler itself; left alone it would end the worker.
            raise RuntimeError(f"{method.__qualname__} was cancelled by what it waited for.") from exc

    def _ask(self, name: str, *args: Any) -> bool:
        """What a hook decides. A dict or a response is the answer of a handler, and decides nothing."""
        verdict = self._call(getattr(self, name), *args)
        if isinstance(verdict, (dict, HttpResponseBase)):
            raise TypeError(f"{name} must return True or False, not {type(verdict).__name__}.")
        return bool(verdict)

    def _allowed_methods(self) -> list[str]:
        return ["POST"]


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _user(request: HttpRequest) -> Any:
    return getattr(request, "user", None) or AnonymousUser()
