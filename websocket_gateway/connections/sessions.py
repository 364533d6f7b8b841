"""A connection's row while it is open: registered at `$connect`, found and touched by messages."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.db import router, transaction
from django.db.models import Count, F, QuerySet
from django.utils import timezone

from websocket_gateway.compiled_queries.lookups import CompiledLookup
from websocket_gateway.concurrency import insert_unless_exists, retry_when_busy
from websocket_gateway.conf import get_settings
from websocket_gateway.models import ApiGateway, ConnectionRateLimit, WebSocketSession

_BY_ID = CompiledLookup(WebSocketSession.objects.select_related("user"), "connection_id")

TOUCH_SECONDS = 60
"""A connection that is alive is written at most once in this time."""

ROW_FIELDS = ("pk", "connection_id", "api_gateway_id", "created_on", "stage_name")
"""The columns of a `Row`, in its order."""


class Row(NamedTuple):
    """What calling AWS about a session needs to know of it."""

    pk: int
    connection_id: str
    gateway_id: int
    connected_on: datetime
    stage_name: str = ""


def row_of(session: WebSocketSession) -> Row:
    """The `Row` of a session that is loaded."""
    return Row(
        session.pk, session.connection_id, session.api_gateway_id, session.created_on, session.stage_name
    )


def database_of(session: WebSocketSession) -> str:
    """The database in which a session that is loaded is changed; `save()` chooses the same."""
    return router.db_for_write(WebSocketSession, instance=session)


def database_of_query(sessions: QuerySet[WebSocketSession]) -> str:
    """The database in which the sessions of a query are changed; `update()` chooses the same."""
    changed = sessions.all()
    changed._for_write = True  # type: ignore[attr-defined]  # as `update()` does; else a replica may be named
    return changed.db


def find_session(connection_id: str) -> WebSocketSession | None:
    """The row of a connection with its user, in one query; None if there is none."""
    # Every message passes here. Read from the primary: a replica may lag behind.
    using = router.db_for_write(WebSocketSession)
    find = partial(_BY_ID.find, connection_id, using=using)
    return retry_when_busy(find, model=WebSocketSession, using=using)


def register(session: WebSocketSession) -> bool:
    """Insert the row of a new connection; False, and nothing changed, if its id is known already."""
    return insert_unless_exists(session)


def oldest_alive(now: datetime) -> datetime:
    """The time before which no connection is alive: AWS closes every socket at that age."""
    options = get_settings()
    return now - timedelta(seconds=options.max_connection_seconds + options.max_age_grace_seconds)


def grace_began(now: datetime) -> datetime:
    """The time after which a connection is too young to be called closed.

    While `$connect` is answered, AWS answers 410 for the connection, as it does for one that is closed.
    """
    return now - timedelta(seconds=get_settings().connect_grace_seconds)


def count_open_by_stage(gateway: ApiGateway) -> dict[str, int]:
    """The number of open connections of a gateway: stage -> number."""
    alive = WebSocketSession.objects.using(router.db_for_write(WebSocketSession)).filter(
        api_gateway=gateway, connected=True, created_on__gte=oldest_alive(timezone.now())
    )
    found: Counter[str] = Counter()
    for stage, number in alive.values_list("stage_name").annotate(number=Count("pk")).order_by("stage_name"):
        found[stage or gateway.live_stage] += number
    return dict(found)


def is_too_young(connected_on: datetime) -> bool:
    """Whether a 410 may mean that the connection is not open yet; see `grace_began`."""
    return connected_on > grace_began(timezone.now())


def has_open(user_id: Any, number: int) -> bool:
    """Whether the user has at least `number` open connections."""
    alive = WebSocketSession.objects.using(router.db_for_write(WebSocketSession)).filter(
        user_id=user_id, connected=True, created_on__gte=oldest_alive(timezone.now())
    )
    return bool(retry_when_busy(lambda: alive[:number].count() >= number, model=WebSocketSession))


def withdraw_beyond(session: WebSocketSession, limit: int) -> bool:
    """Delete a row that was registered just now if its user has more than `limit` open ones; True if so.

    Every connection is inserted first, and counts the rows then, so of several at once the last one sees
    all of them: never are more than `limit` let in. Those that see too many withdraw one after the other,
    under a lock, and stop when the number fits: so never are fewer let in either.
    """
    if not has_open(session.user_id, limit + 1):
        return False
    key = f"connections:60s:user:{session.user_id}"

    def withdraw() -> bool | None:
        with transaction.atomic(using=router.db_for_write(ConnectionRateLimit)):
            # It writes before it reads: else SQLite could not wait for others, and would be "locked" at once.
            if not ConnectionRateLimit.objects.filter(key=key).update(attempts=F("attempts") + 1):
                return None
            beyond = has_open(session.user_id, limit + 1)
            if beyond:
                WebSocketSession.objects.filter(pk=session.pk).delete()
            return beyond

    while (withdrawn := retry_when_busy(withdraw, model=ConnectionRateLimit)) is None:
        insert_unless_exists(ConnectionRateLimit(key=key, window_start=timezone.now()))
    return withdrawn


def touch(session: WebSocketSession, *, now: datetime | None = None) -> bool:
    """Save that the connection is alive; True if a minute had passed and the row was written.

    The same statement begins a new minute of `recent_messages`.
    """
    now = now or timezone.now()
    due = now - timedelta(seconds=TOUCH_SECONDS)
    if session.last_seen_on > due:
        return False
    stale = WebSocketSession.objects.filter(pk=session.pk, last_seen_on__lte=due)
    if not retry_when_busy(lambda: stale.update(last_seen_on=now, recent_messages=0), model=WebSocketSession):
        refresh_minute(session)  # another process was faster
        return False
    session.last_seen_on, session.recent_messages = now, 0
    return True


def refresh_minute(session: WebSocketSession) -> bool:
    """Read again what messages change in the row; False if it has been deleted."""
    row = WebSocketSession.objects.using(router.db_for_write(WebSocketSession)).filter(pk=session.pk)
    values = row.values_list("last_seen_on", "recent_messages")
    found = retry_when_busy(values.first, model=WebSocketSession)
    if found is None:
        return False
    session.last_seen_on, session.recent_messages = found
    return True
