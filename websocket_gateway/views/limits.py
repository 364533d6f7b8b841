"""Which limit an event counts for, and what a view answers beyond it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import Error
from django.utils import timezone
from django.utils.translation import ngettext

from websocket_gateway.conf import get_settings
from websocket_gateway.connections.sessions import TOUCH_SECONDS, withdraw_beyond
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import WebSocketSession
from websocket_gateway.receiving.events import ConnectEvent, DisconnectEvent
from websocket_gateway.receiving.limits import client_key, count_attempt, give_back_attempt, window_of
from websocket_gateway.receiving.message_limit import count_message
from websocket_gateway.security_log import Limited
from websocket_gateway.views.hooks import WebSocketHooks
from websocket_gateway.views.responses import ErrorCode, RefusalError

logger = get_logger("websocket_gateway.views")

SCOPE: Final = "connect"
RETRY_AFTER_FULL: Final = 30
"""Seconds after which it is worth a try again that one of the user's connections has ended."""
_PER_IP_FACTOR = 10


class Attempt(NamedTuple):
    """An attempt that was counted: its client, the length of its window, and its time."""

    client: str
    window_seconds: int
    counted_on: datetime

    def window_seconds_at(self, moment: datetime) -> int:
        """The length of the window if the attempt still counts in that of `moment`; else 0."""
        same = window_of(self.counted_on, self.window_seconds) == window_of(moment, self.window_seconds)
        return self.window_seconds if same else 0


def read_limit(read: Callable[[str], int | None], name: str) -> int:
    """The limit of a view, whose attributes `read` answers; that of the settings where it is None."""
    own = read(name)
    return int(getattr(get_settings(), name.lower()) if own is None else own)


def window_seconds(read: Callable[[str], int | None]) -> int:
    """The length of the windows in which a view counts."""
    return 60 * max(1, read_limit(read, "RATE_LIMIT_WINDOW_MINUTES"))


def limits_attempts(read: Callable[[str], int | None]) -> bool:
    """Whether a view limits the attempts of a user; 0 turns it off, as for connections and messages."""
    return bool(read("RATE_LIMIT_ENABLED")) and read_limit(read, "RATE_LIMIT_MAX_ATTEMPTS") > 0


def user_key(user: AbstractBaseUser | AnonymousUser) -> str:
    """What attempts of a user count for."""
    return f"user:{user.pk}"


def count_user(view: WebSocketHooks, user: AbstractBaseUser | AnonymousUser) -> Attempt | None:
    """Count an attempt of a user; refuses it beyond `RATE_LIMIT_MAX_ATTEMPTS`."""
    return _count(view, user_key(user), "RATE_LIMIT_MAX_ATTEMPTS", _max_attempts(view))


def count_stranger(view: WebSocketHooks, event: ConnectEvent) -> Attempt | None:
    """Count an attempt without a user for its address; refuses it beyond `RATE_LIMIT_MAX_ATTEMPTS_PER_IP`.

    Strangers are anonymous visitors, and clients that are refused before a user is known.
    """
    if not event.source_ip:  # from an imported gateway, until it is applied
        return None
    own = view.RATE_LIMIT_MAX_ATTEMPTS_PER_IP
    limit = _PER_IP_FACTOR * _max_attempts(view) if own is None else own
    return _count(view, _stranger_key(event.source_ip), "RATE_LIMIT_MAX_ATTEMPTS_PER_IP", limit)


def give_back(attempt: Attempt | None) -> None:
    """Take an attempt off its counter. A failure is logged: the connection ends all the same."""
    if attempt is None:
        return
    try:
        give_back_attempt(
            SCOPE, attempt.client, window_seconds=attempt.window_seconds, attempted_on=attempt.counted_on
        )
    except Error:
        logger.warning("an attempt was not given back", exc_info=True, extra={"event": "not_given_back"})


def attempt_of(session: WebSocketSession, event: DisconnectEvent) -> Attempt | None:
    """The attempt that made a connection; None where it counts no more, or for an address not known now."""
    if not session.attempt_window_seconds:
        return None
    if session.user_id is not None:
        client = f"user:{session.user_id}"
    elif event.source_ip and not session.session_auth_hash:  # else its user was deleted meanwhile
        client = _stranger_key(event.source_ip)
    else:
        return None
    return Attempt(
        client=client, window_seconds=session.attempt_window_seconds, counted_on=session.created_on
    )


def limit_connections(view: WebSocketHooks, session: WebSocketSession) -> None:
    """Refuse a new connection beyond `MAX_CONNECTIONS_PER_USER` of its user, and delete its row."""
    limit = read_limit(partial(getattr, view), "MAX_CONNECTIONS_PER_USER")
    if limit > 0 and session.user_id is not None and withdraw_beyond(session, limit):
        raise _too_many(
            "MAX_CONNECTIONS_PER_USER",
            ngettext("The user has %d open connection.", "The user has %d open connections.", limit) % limit,
            retry_after=RETRY_AFTER_FULL,
        )


def limit_messages(view: WebSocketHooks, session: WebSocketSession) -> None:
    """Refuse a message beyond `MAX_MESSAGES_PER_MINUTE` of its connection."""
    limit = read_limit(partial(getattr, view), "MAX_MESSAGES_PER_MINUTE")
    if limit > 0 and not count_message(session, limit):
        end = session.last_seen_on + timedelta(seconds=TOUCH_SECONDS)
        left = max(1, round((end - timezone.now()).total_seconds()))
        most = ngettext("More than %d message", "More than %d messages", limit) % limit
        reason = f"{most} of the connection in a minute."
        raise _too_many("MAX_MESSAGES_PER_MINUTE", reason, retry_after=left)


def _max_attempts(view: WebSocketHooks) -> int:
    return read_limit(partial(getattr, view), "RATE_LIMIT_MAX_ATTEMPTS")


def _stranger_key(source_ip: str) -> str:
    return f"ip:{client_key(source_ip)}"


def _count(view: WebSocketHooks, client: str, rule: Limited, limit: int) -> Attempt | None:
    if not view.RATE_LIMIT_ENABLED or limit <= 0:
        return None
    seconds, now = window_seconds(partial(getattr, view)), timezone.now()
    verdict = count_attempt(SCOPE, client, limit=limit, window_seconds=seconds, now=now)
    if not verdict.allowed:
        most = ngettext("More than %d attempt", "More than %d attempts", limit) % limit
        reason = f"{most} in {ngettext('%d minute', '%d minutes', seconds // 60) % (seconds // 60)}."
        raise _too_many(rule, reason, retry_after=verdict.retry_after)
    return Attempt(client=client, window_seconds=seconds, counted_on=now)


def _too_many(rule: Limited, reason: str, *, retry_after: int) -> RefusalError:
    headers = {"Retry-After": str(retry_after)}
    return RefusalError(ErrorCode.RATE_LIMITED, f"{reason} ({rule})", headers=headers, rule=rule)
