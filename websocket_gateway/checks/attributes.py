"""Checks of the attributes of WebSocket views in the URLconf."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from django.core.checks import CheckMessage

from websocket_gateway.checks.messages import error, warning
from websocket_gateway.validators import CHANNEL_NAME_MAX_LENGTH
from websocket_gateway.views import WebSocketView
from websocket_gateway.views.routed import RoutedView, find_routed_views


def check_channel_names() -> Iterator[CheckMessage]:
    """The length limit of channel names must fit the columns, and their pattern must be valid."""
    for view in find_routed_views():
        length = view.read("MAX_CHANNEL_NAME_LENGTH")
        if not isinstance(length, int) or length > CHANNEL_NAME_MAX_LENGTH:
            yield error(
                "E005",
                f"{view}.MAX_CHANNEL_NAME_LENGTH is {length!r}; columns hold {CHANNEL_NAME_MAX_LENGTH}.",
                hint=f"Set MAX_CHANNEL_NAME_LENGTH = {CHANNEL_NAME_MAX_LENGTH} or less.",
            )
        try:
            re.compile(view.read("CHANNEL_NAME_PATTERN"))
        except (re.error, TypeError) as exc:
            yield error(
                "E007",
                f"{view}.CHANNEL_NAME_PATTERN is not a regular expression: {exc}.",
                hint='Set CHANNEL_NAME_PATTERN = r"[A-Za-z0-9_-]+" or another one.',
            )


_LIMITS: Final = (
    "RATE_LIMIT_MAX_ATTEMPTS",
    "RATE_LIMIT_MAX_ATTEMPTS_PER_IP",
    "RATE_LIMIT_WINDOW_MINUTES",
    "MAX_CONNECTIONS_PER_USER",
    "MAX_MESSAGES_PER_MINUTE",
)


def check_limits() -> Iterator[CheckMessage]:
    """Limits are whole numbers; with anything else the first event would fail."""
    for view in find_routed_views():
        for name in _LIMITS:
            value = view.read(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
                yield error(
                    "E011",
                    f"{view}.{name} is {value!r}, not a whole number of zero or more.",
                    hint=f"Delete the line to use the default, or set {name} to a number.",
                )


def check_tokens() -> Iterator[CheckMessage]:
    """Without tokens, the cookie that a browser sends is enough to connect."""
    for view in find_routed_views():
        if not view.read("USE_WS_TOKEN"):
            yield warning(
                "W017",
                f"{view}.USE_WS_TOKEN is False: sockets open without a token.",
                hint="Delete the line, and let pages fetch a token from WebSocketTokenView. "
                "For a public endpoint, silence this id.",
            )


def check_rate_limits() -> Iterator[CheckMessage]:
    """Attempts to connect must be counted."""
    for view in find_routed_views():
        if view.read("RATE_LIMIT_ENABLED") and view.read("RATE_LIMIT_MAX_ATTEMPTS") != 0:
            continue
        off = (
            "RATE_LIMIT_MAX_ATTEMPTS is 0"
            if view.read("RATE_LIMIT_ENABLED")
            else "RATE_LIMIT_ENABLED is False"
        )
        yield warning(
            "W018",
            f"{view}.{off}: attempts to connect are not limited.",
            hint="Delete the line, or raise RATE_LIMIT_MAX_ATTEMPTS.",
        )


def check_handlers() -> Iterator[CheckMessage]:
    """Handlers must be listed, so that a method added later is not open to clients by accident."""
    for view in find_routed_views():
        if not view.read("ALLOWED_HANDLERS") and view.view_class.handler_table:
            names = ", ".join(f'"{name}"' for name in view.view_class.handler_table)
            yield warning(
                "W019",
                f"{view}.ALLOWED_HANDLERS is empty: every public method is open to clients.",
                hint=f"List the intended ones: ALLOWED_HANDLERS = {{{names}}}.",
            )


def check_headers() -> Iterator[CheckMessage]:
    """The headers that a real event always has must be required."""
    for view in find_routed_views():
        given = {name.lower() for name in view.read("required_headers")}
        missing = [name for name in WebSocketView.required_headers if name.lower() not in given]
        if missing:
            yield warning(
                "W020",
                f"{view}.required_headers leaves out {', '.join(missing)}.",
                hint="Delete the line; put further headers into additional_required_headers.",
            )


def check_debug() -> Iterator[CheckMessage]:
    """The reasons that `debug` adds to responses are for developers only."""
    for view in find_routed_views():
        if view.read("debug"):
            yield warning(
                "W021",
                f"{view} has debug=True: clients see why they were refused.",
                hint="Write as_view() without debug=True, or as_view(debug=settings.DEBUG).",
            )


def check_unlisted_channels() -> Iterator[CheckMessage]:
    """A rule must decide which users may join which channel."""
    for view in find_routed_views():
        if view.read("ALLOW_UNLISTED_CHANNELS") and not _asks_for_rights(view):
            yield warning(
                "W022",
                f"{view} lets every connected user join any channel without a ChannelPermission.",
                hint="Set ALLOW_UNLISTED_CHANNELS = False and add channel permissions in the admin, "
                "or set permissions_required, or override can_join_channel.",
            )


def _asks_for_rights(view: RoutedView) -> bool:
    own = view.view_class.can_join_channel is not WebSocketView.can_join_channel
    return bool(own or view.read("permissions_required") or view.read("all_permissions_required"))
