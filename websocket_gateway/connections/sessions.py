"""A connection's row while it is open: registered at `$connect`, found and touched by messages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import router
from django.utils import timezone

from websocket_gateway.concurrency import insert_unless_exists, retry_when_busy
from websocket_gateway.models import WebSocketSession

_WITH_USER = WebSocketSession.objects.select_related("user")

TOUCH_SECONDS = 60
"""A connection that is alive is written at most once in this time."""

ROW_FIELDS = ("pk", "connection_id", "api_gateway_id", "created_on")
"""The columns of a `Row`, in its order."""


class Row(NamedTuple):
    """What calling AWS about a session needs to know of it."""

    pk: int
    connection_id: str
    gateway_id: int
    connected_on: datetime


def row_of(session: WebSocketSession) -> Row:
    """The `Row` of a session that is loaded."""
    return Row(session.pk, session.connection_id, session.api_gateway_id, session.created_on)


def find_session(connection_id: str) -> WebSocketSession | None:
    """The row of a connection with its user, in one query; None if there is none."""
    # Every message passes here. A list is cheaper than `get()`, which clones once more, clears the order and
    # sets a limit; a unique column needs none of these. Read from the primary: a replica may lag behind.
    row = _WITH_USER.using(router.db_for_write(WebSocketSession)).filter(connection_id=connection_id)
    found: list[WebSocketSession] = retry_when_busy(lambda: list(row), model=WebSocketSession)
    return found[0] if found else None


def register(session: WebSocketSession) -> bool:
    """Insert the row of a new connection; False, and nothing changed, if its id is known already."""
    return insert_unless_exists(session)


def touch(session: WebSocketSession, *, now: datetime | None = None) -> bool:
    """Save that the connection is alive; True if a minute had passed and the row was written."""
    now = now or timezone.now()
    due = now - timedelta(seconds=TOUCH_SECONDS)
    if session.last_seen_on > due:
        return False
    session.last_seen_on = now
    stale = WebSocketSession.objects.filter(pk=session.pk, last_seen_on__lte=due)
    return bool(retry_when_busy(lambda: stale.update(last_seen_on=now), model=WebSocketSession))
