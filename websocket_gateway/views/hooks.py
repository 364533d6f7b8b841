"""The attributes and hooks of `WebSocketView`, for projects to set, read and override."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Generator, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from asgiref.sync import async_to_sync
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.http import HttpRequest
from django.views.generic import View

from websocket_gateway import context_headers
from websocket_gateway.auth_backends import has_permissions
from websocket_gateway.channels.rules import may_join
from websocket_gateway.frames import ReplyId
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.receiving.events import API_ID_HEADER, ConnectEvent, DisconnectEvent, MessageEvent
from websocket_gateway.receiving.handlers import Handler, url_arguments
from websocket_gateway.views import channels
from websocket_gateway.views.failures import refuse
from websocket_gateway.views.responses import ErrorCode, RefusalError, empty_response


class WebSocketHooks(View):
    """The attributes and hooks of `WebSocketView`, the class to subclass."""

    # What a project sets. `management_docs/view.md` says more about each.

    USE_WS_TOKEN: bool = True
    """`$connect` needs a valid single-use token."""
    RATE_LIMIT_ENABLED: bool = True
    """Limit connection attempts."""
    RATE_LIMIT_MAX_ATTEMPTS: int | None = None
    """Attempts per user in the window; None for the setting."""
    RATE_LIMIT_MAX_ATTEMPTS_PER_IP: int | None = None
    """Attempts of strangers per address in the window; None for 10 times the above."""
    RATE_LIMIT_WINDOW_MINUTES: int | None = None
    """Length of the window; None for the setting."""
    MAX_CONNECTIONS_PER_USER: int | None = None
    """Open connections of one user; 0 for no limit, None for the setting."""
    MAX_MESSAGES_PER_MINUTE: int | None = None
    """Messages of one connection in a minute; 0 for no limit, None for the setting."""
    MAX_BODY_SIZE: int = 1024 * 128
    """Bytes; a larger body is refused before it is parsed."""
    MAX_CHANNEL_NAME_LENGTH: int = 191
    """Characters; the columns hold no more."""
    MAX_SUBSCRIPTIONS: int = 100
    """Additional channels of one connection."""
    CHANNEL_NAME_PATTERN: str | re.Pattern[str] = r"[A-Za-z0-9_-]+"
    """The whole channel name must match."""
    ALLOW_UNLISTED_CHANNELS: bool = True
    """Whether a channel without a `ChannelPermission` may be joined."""
    ALLOWED_HANDLERS: Collection[str] = ()
    """The methods that a client may call; empty to detect them."""
    ADDITIONAL_ALLOWED_HANDLERS: Collection[str] = ()
    """Methods to add to the detected ones, collected from all classes above."""
    CHECK_PERMISSIONS_ON_CONNECT: bool = True
    """Check both lists of permissions at `$connect`, too."""
    handler_selection_key: str = "handler"
    """The key of a frame that names the handler."""
    route_selection_key: str = "action"
    """The key to try next."""
    permissions_required: Collection[str] = ()
    """The user needs one of these permissions."""
    all_permissions_required: Collection[str] = ()
    """The user needs all of these permissions."""
    aws_api_gateway_id: str | None = None
    """Accept events of this API only."""
    deduplicate: bool = False
    """Handle a message once, although its client sends it again."""
    websocket_route_keys: Iterable[str] | Mapping[str, str] = ()
    """Additional route keys that this view serves; a dict gives the gateway of each."""
    required_headers: Collection[str] = ("Host", API_ID_HEADER, context_headers.CONNECTION_ID_HEADER)
    """Headers that every event needs."""
    additional_required_headers: Collection[str] = ()
    """More headers that every event needs."""
    required_connection_headers: Collection[str] = ("Sec-WebSocket-Key",)
    """Headers that `$connect` needs."""
    expected_useragent_prefix: str = "AmazonAPIGateway_"
    """The start of the user agent of messages and disconnects; empty for any."""
    debug: bool = False
    """Tell the client why a request was refused. Not for production."""

    # What a project reads.

    handler_table: ClassVar[Mapping[str, Handler]] = MappingProxyType({})
    """The handlers that a client can name, collected once per class; read-only."""
    event: ConnectEvent | MessageEvent | DisconnectEvent
    """The event being handled."""
    body: dict[str, Any]
    """The parsed JSON object of a message, without the reserved key `_ws`; empty at `$connect`."""
    api_gateway: ApiGateway
    """The gateway that sent the event."""
    websocket_session: WebSocketSession
    """The row of the connection; None until a `$connect` is registered."""

    # Hooks: what a project overrides. Each may be `def` or `async def`, so their results are `Any`.

    def connect(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called after a connection is registered. A response that is not a 2xx refuses the connection."""
        return empty_response()

    def disconnect(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called after a connection has ended. The client does not get what this returns."""
        return None

    def default(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called for a frame whose handler is unknown. Refuses it."""
        raise RefusalError(ErrorCode.UNKNOWN_HANDLER, "The frame names no handler of this view.")

    def change_channel(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Make `body["channel"]` the primary channel; a handler only where overridden or listed.

        Returns nothing. Raises an exception if the user must not join the channel.
        """
        channels.change_channel(self, request)

    def can_join_channel(self, request: HttpRequest, channel_name: str) -> Any:
        """Whether the user may join; called at connect, by `subscribe` frames and by `change_channel`."""
        return may_join(_user(request), channel_name, allow_unlisted=self.ALLOW_UNLISTED_CHANNELS)

    def can_read_history(self, request: HttpRequest, channel_name: str) -> Any:
        """Whether the user may get earlier messages of a channel that the connection is in."""
        return True

    def can_see_presence(self, request: HttpRequest, channel_name: str) -> Any:
        """Whether the user may ask for the members of a channel that the connection is in."""
        return True

    def presence_info(self, request: HttpRequest, channel_name: str) -> Any:
        """What others see of the user in a channel with presence: a dict. None hides this connection."""
        return {}

    def presence_member(self, request: HttpRequest) -> Any:
        """Who the connection is in channels with presence: a string; None for the user, or a guest."""
        return None

    def has_any_permission(self, request: HttpRequest) -> Any:
        """Whether the user has one of `permissions_required`. An empty list requires nothing."""
        return has_permissions(_user(request), any_of=self.permissions_required)

    def has_all_permission(self, request: HttpRequest) -> Any:
        """Whether the user has every one of `all_permissions_required`."""
        return has_permissions(_user(request), all_of=self.all_permissions_required)

    def additional_connection_checks(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """`(True, "")` to accept, `(False, reason)` to refuse. The reason is logged."""
        return True, ""

    def missing_headers(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called if a required header is missing. Answers 400."""
        reason = "A required header is missing."
        return refuse(self, RefusalError(ErrorCode.BAD_REQUEST, reason, rule="missing_headers"))

    def invalid_useragent(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called if the user agent is not API Gateway's and no origin secret is required. Answers 400."""
        reason = "The user agent is not the expected one."
        return refuse(self, RefusalError(ErrorCode.BAD_REQUEST, reason, rule="user_agent"))

    def permission_denied(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called if the user lacks a permission. Answers 403."""
        return refuse(self, RefusalError(ErrorCode.PERMISSION_DENIED, "The user lacks a permission."))

    def session_not_found(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called if the connection is unknown or has ended. Answers 410."""
        return refuse(self, RefusalError(ErrorCode.NOT_CONNECTED, "No open connection has this id."))

    def handler_selection_key_missing(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Called if a frame has neither of the two keys. Answers 400."""
        reason = "The frame has neither of the selection keys."
        return refuse(self, RefusalError(ErrorCode.HANDLER_MISSING, reason))

    # How hooks and handlers are called. A subclass must not define these names.

    _reply_id: ReplyId | None = None
    _begun: bool = False
    """Whether something was called that must not be called again for the same event."""
    _knows_source_ip: bool = True
    _refusals: int = 0
    """Refusals of this event that were logged."""
    _code: str = "ok"
    """How this event ended, for metrics: the code of its refusal, if it has one."""

    @property
    def _slug(self) -> str:
        """The last part of the URL: `connect`, `disconnect`, `default` or a route of the project."""
        return str(self.kwargs.get("route", ""))

    def _call(self, method: Callable[..., object], *args: object) -> object:
        """Call a hook or handler with those arguments of the URL that it takes. Waits for an `async def`."""
        result = method(*args, **url_arguments(method, self.kwargs, given=len(args)))
        if not isinstance(result, Awaitable):
            return result
        try:
            return async_to_sync(_await)(result)
        except asyncio.CancelledError as exc:
            from django.core.handlers.asgi import ASGIRequest

            if isinstance(self.request, ASGIRequest):
                raise  # the server gave the request up
            # Under WSGI only the handler itself can cancel. Not caught, this would end the worker.
            name = getattr(method, "__qualname__", method)
            raise RuntimeError(f"{name} was cancelled by what it waited for.") from exc

    def _decide(self, name: str, *args: object) -> bool:
        """The decision of a hook."""
        return decided(self._call(getattr(self, name), *args), f"{name} must return True or False")


def decided(decision: object, rule: str) -> bool:
    """Return a decision as a bool. Raise `TypeError` with `rule` for any other object: most are true."""
    if decision is None or isinstance(decision, int):
        return bool(decision)
    if isinstance(decision, (Coroutine, Generator)):
        decision.close()  # else Python warns that it was never awaited
    raise TypeError(f"{rule}, not {type(decision).__name__}.")


async def _await(awaitable: Awaitable[object]) -> object:
    return await awaitable


def _user(request: HttpRequest) -> AbstractUser | AnonymousUser:
    return getattr(request, "user", None) or AnonymousUser()
