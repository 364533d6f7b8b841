"""Channel names that a client gives: which are names at all, and which it may join."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest

from websocket_gateway.validators import validate_channel_name
from websocket_gateway.views.responses import ErrorCode, RefusalError

if TYPE_CHECKING:
    from websocket_gateway.views.websocket import WebSocketView


def check_channel_name(view: WebSocketView, name: Any) -> str:
    """`name`, if it is one that the view's pattern and every database column take; else a refusal."""
    if not isinstance(name, str) or len(name) > view.MAX_CHANNEL_NAME_LENGTH:
        raise RefusalError(ErrorCode.INVALID_CHANNEL, "The channel name is too long or no string.")
    try:
        validate_channel_name(name)
    except ValidationError as exc:
        raise RefusalError(ErrorCode.INVALID_CHANNEL, "No column holds the channel name.") from exc
    # MariaDB takes `staff ` and `staff` for the same channel, whatever the pattern says.
    if name != name.strip():
        raise RefusalError(ErrorCode.INVALID_CHANNEL, "The channel name begins or ends with a space.")
    # `fullmatch`: a pattern that ends in `$` would let a trailing newline pass.
    if not re.fullmatch(view.CHANNEL_NAME_PATTERN, name):
        raise RefusalError(ErrorCode.INVALID_CHANNEL, "The channel name does not fit the pattern.")
    return name


def check_may_join(view: WebSocketView, request: HttpRequest, name: Any) -> str:
    """`name`, if the client may join it; else a refusal."""
    name = check_channel_name(view, name)
    if not view._ask("can_join_channel", request, name):
        raise RefusalError(ErrorCode.CHANNEL_DENIED, f"The channel {name!r} may not be joined.")
    return str(name)


def subscribe(view: WebSocketView, request: HttpRequest, name: Any) -> str:
    """Join a further channel, up to `MAX_SUBSCRIPTIONS`, so that no client grows the table at will."""
    channel_name = check_may_join(view, request, name)
    session = view.websocket_session
    # Counted afterwards: of several that are made at once, whichever comes last sees all of them.
    if session.subscribe(channel_name) and session.subscriptions.count() > view.MAX_SUBSCRIPTIONS:
        session.unsubscribe(channel_name)
        raise RefusalError(ErrorCode.TOO_MANY_CHANNELS, "The connection has all the subscriptions it may.")
    return channel_name


def unsubscribe(view: WebSocketView, name: Any) -> str:
    """Leave a channel; one that the connection is not in is no error."""
    channel_name = check_channel_name(view, name)
    view.websocket_session.unsubscribe(channel_name)
    return channel_name
