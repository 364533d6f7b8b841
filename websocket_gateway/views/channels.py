"""The channel names that a client gives: which names are valid, and which the client may join."""

from __future__ import annotations

import re
from typing import Protocol

from django.core.exceptions import ValidationError
from django.db import router
from django.http import HttpRequest

from websocket_gateway.inboxes import is_foreign_inbox, is_inbox
from websocket_gateway.models import ChannelSubscription, WebSocketSession
from websocket_gateway.validators import validate_channel_name
from websocket_gateway.views.failures import bound_user_id
from websocket_gateway.views.responses import ErrorCode, RefusalError


class ChannelView(Protocol):
    """The part of a view that these rules use."""

    MAX_CHANNEL_NAME_LENGTH: int
    MAX_SUBSCRIPTIONS: int
    CHANNEL_NAME_PATTERN: str | re.Pattern[str]
    body: dict[str, object]
    websocket_session: WebSocketSession

    def _decide(self, name: str, *args: object) -> bool: ...


def check_channel_name(view: ChannelView, name: object) -> str:
    """Return `name` if the pattern of the view and every database column accept it. Refuses any other."""
    if not isinstance(name, str) or len(name) > view.MAX_CHANNEL_NAME_LENGTH:
        raise RefusalError(ErrorCode.INVALID_CHANNEL, "The channel name is too long or not a string.")
    try:
        validate_channel_name(name)
    except ValidationError as exc:
        raise RefusalError(ErrorCode.INVALID_CHANNEL, "No column can hold the channel name.") from exc
    # MariaDB takes `staff ` and `staff` for the same channel, whatever the pattern says.
    if name != name.strip():
        raise RefusalError(ErrorCode.INVALID_CHANNEL, "The channel name begins or ends with a space.")
    # `fullmatch`: a pattern that ends in `$` would accept a trailing newline.
    if not re.fullmatch(view.CHANNEL_NAME_PATTERN, name):
        raise RefusalError(ErrorCode.INVALID_CHANNEL, "The channel name does not match the pattern.")
    return name


def check_may_join(view: ChannelView, request: HttpRequest, name: object) -> str:
    """Return `name` if it is valid and the client may join the channel. Refuses any other."""
    channel_name = check_channel_name(view, name)
    check_admitted(view, request, channel_name)
    return channel_name


def check_admitted(view: ChannelView, request: HttpRequest, channel_name: str) -> None:
    """Refuse a channel that the client must not join, given by the client or by the gateway.

    The hook is not asked about inboxes: the owner may join, and no other user.
    """
    check_not_foreign(request, channel_name)
    if not is_inbox(channel_name) and not view._decide("can_join_channel", request, channel_name):
        raise RefusalError(ErrorCode.CHANNEL_DENIED, f"The user must not join the channel {channel_name!r}.")


def check_not_foreign(request: HttpRequest, channel_name: str) -> None:
    """Refuse the inbox of another user, also to a connection that is in it."""
    if is_foreign_inbox(channel_name, bound_user_id(request)):
        raise RefusalError(ErrorCode.CHANNEL_DENIED, f"{channel_name!r} is the inbox of another user.")


def change_channel(view: ChannelView, request: HttpRequest) -> None:
    """Make `body["channel"]` the primary channel of the connection."""
    view.websocket_session.move_to(check_may_join(view, request, view.body.get("channel")))


def subscribe(view: ChannelView, request: HttpRequest, name: object) -> str:
    """Join an additional channel, up to `MAX_SUBSCRIPTIONS`, so that a client cannot fill the table."""
    channel_name = check_may_join(view, request, name)
    session = view.websocket_session
    # Counted afterwards: of several simultaneous subscriptions, the last one sees all of them.
    if session.subscribe(channel_name) and _count(session) > view.MAX_SUBSCRIPTIONS:
        session.unsubscribe(channel_name)
        raise RefusalError(ErrorCode.TOO_MANY_CHANNELS, "The connection has reached its limit of channels.")
    return channel_name


def _count(session: WebSocketSession) -> int:
    """The additional channels of a session; a replica might not have the newest."""
    found: int = session.subscriptions.using(router.db_for_write(ChannelSubscription)).count()
    return found


def unsubscribe(view: ChannelView, name: object) -> str:
    """Leave a channel. Does nothing if the connection is not in it."""
    channel_name = check_channel_name(view, name)
    view.websocket_session.unsubscribe(channel_name)
    return channel_name
