"""The limit of messages of one connection, which most messages pass without a statement of their own.

Every process counts in memory and reports to the row of the connection, in portions: after a twentieth of
what is left of the limit, so at last every message. It learns what others have reported from the row,
which each message reads anyway. A minute begins with the first message that finds `last_seen_on` a minute
old, and the statement that writes this sets the count to 0.

In one process, threads included, the limit is exact. No message within the limit is ever refused. Several
processes together let a few more through: what each has not reported yet, which is less than a portion.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime

from django.db.models import F

from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.connections.sessions import refresh_minute
from websocket_gateway.forking import PerProcess
from websocket_gateway.models import WebSocketSession

_PORTIONS = 20
_MINUTES = 3
"""A minute may end while a message is counted; then it counts in the next one."""
_CONNECTIONS = 16_384
"""Connections that a process remembers; those that were silent for longest are forgotten."""


def count_message(session: WebSocketSession, limit: int) -> bool:
    """Count one message of a connection in its minute; False, and not counted, beyond `limit`."""
    counts = _counts()
    for _ in range(_MINUTES):
        portion, minute = counts.add(session, limit)
        if portion is None:
            return False
        if not portion:
            return True
        try:
            reported = _report(session, minute, portion, limit)
        except BaseException:
            counts.take_back(session, minute, portion)
            raise
        if reported or not refresh_minute(session):
            return True
        if session.last_seen_on == minute:  # others have used up what is left
            counts.close(session, minute, limit)
            if portion > 1:
                _fill(session, minute, limit)
            return False
    return True


class _Count:
    __slots__ = ("minute", "others", "own", "reported")

    def __init__(self, minute: datetime) -> None:
        self.minute = minute
        self.own = 0
        """Messages that this process has let through."""
        self.reported = 0
        """Those of them that are in the row, or on their way."""
        self.others = 0
        """Messages that other processes have reported, at least."""


class _Counts:
    """What one process has counted, by connection id: primary keys of two tenants may be equal."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def add(self, session: WebSocketSession, limit: int) -> tuple[int | None, datetime]:
        """Count a message: how many to report now, maybe 0; None beyond the limit. And the minute."""
        with self._lock:
            count = self._find(session)
            left = limit - count.others - count.own
            if left <= 0:
                return None, count.minute
            count.own += 1
            portion = count.own - count.reported
            if portion < max(1, left // _PORTIONS):
                return 0, count.minute
            count.reported += portion
            return portion, count.minute

    def take_back(self, session: WebSocketSession, minute: datetime, portion: int) -> None:
        """Forget a message that could not be reported, and that its portion was."""
        with self._lock:
            count = self._counts.get(session.connection_id)
            if count is not None and count.minute == minute:
                count.own -= 1
                count.reported -= portion

    def close(self, session: WebSocketSession, minute: datetime, limit: int) -> None:
        """Forget a message that was beyond the limit, and let no further ones through in this minute."""
        with self._lock:
            count = self._counts.get(session.connection_id)
            if count is not None and count.minute == minute:
                count.own -= 1
                count.reported -= 1
                count.others = max(count.others, limit - count.own)

    def _find(self, session: WebSocketSession) -> _Count:
        key, minute = session.connection_id, session.last_seen_on
        count = self._counts.get(key)
        if count is None or count.minute < minute:
            count = self._counts[key] = _Count(minute)
        if count.minute == minute:
            count.others = max(count.others, session.recent_messages - count.reported)
        self._counts.move_to_end(key)
        if len(self._counts) > _CONNECTIONS:
            self._counts.popitem(last=False)
        return count


_counts = PerProcess(_Counts)


def _report(session: WebSocketSession, minute: datetime, portion: int, limit: int) -> bool:
    fits = WebSocketSession.objects.filter(
        pk=session.pk, last_seen_on=minute, recent_messages__lte=limit - portion
    )
    counted = F("recent_messages") + portion
    return bool(retry_when_busy(lambda: fits.update(recent_messages=counted), model=WebSocketSession))


def _fill(session: WebSocketSession, minute: datetime, limit: int) -> None:
    """Tell the other processes that the limit is reached: a part of the portion was let through already."""
    rest = WebSocketSession.objects.filter(pk=session.pk, last_seen_on=minute, recent_messages__lt=limit)
    retry_when_busy(lambda: rest.update(recent_messages=limit), model=WebSocketSession)
