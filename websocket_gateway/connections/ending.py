"""The end of a connection: the only code that marks one as ended, and the only code that announces it.

Every end is announced by `disconnected`, once for each connection, by the call that marked it. Connections
whose socket was found closed are announced by `connection_gone` too, in batches.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import TypedDict

from django.db import Error, connections, router, transaction
from django.db.models import QuerySet, Subquery
from django.utils import timezone

from websocket_gateway.concurrency import (
    PATIENCE_SECONDS,
    insert_unless_exists,
    retry_when_busy,
    run_after_commit,
)
from websocket_gateway.connections.sessions import find_session
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.signals import connection_gone, disconnected, send_safely

logger = logging.getLogger("websocket_gateway.connections")

_PATIENCE_AFTER_SENDING = 5.0
_BATCH = 1_000


def end(session: WebSocketSession, *, reason: str) -> bool:
    """Mark a connection as ended and announce it at once; False if it had ended already.

    For the views, which are exempt from `ATOMIC_REQUESTS`. Other callers must wait for the commit.
    Its attempt counts for good, unless the caller takes it first.
    """
    values: _EndedByView = {**_ended_now(), "attempt_window_seconds": 0}
    if not _mark(session, values):
        return False
    _announce([session], reason)
    return True


def end_by_client(session: WebSocketSession) -> bool:
    """End a connection at its `$disconnect`; True for exactly one caller, who may give its attempt back.

    That caller need not be the one who has marked it: a socket that we closed has its `$disconnect`, too.
    """
    if not session.attempt_window_seconds:
        end(session, reason="client")
        return False
    if end(session, reason="client"):
        return True
    taken = WebSocketSession.objects.filter(pk=session.pk, attempt_window_seconds__gt=0)
    return bool(retry_when_busy(lambda: taken.update(attempt_window_seconds=0), model=WebSocketSession))


def end_each(sessions: Iterable[WebSocketSession], *, reason: str) -> list[WebSocketSession]:
    """Mark connections as ended, announce them after the commit, and return those that this call marked."""
    # By primary key, so that two callers in transactions never wait for each other.
    ended = [session for session in sorted(sessions, key=lambda session: session.pk) if _mark(session)]
    if ended:
        _announce_after_commit(ended, reason=reason)
    return ended


def end_unknown(connection_id: str, gateway: ApiGateway) -> WebSocketSession | None:
    """Insert an ended row for a `$disconnect` that overtook its `$connect`, which finds it then.

    Returns the row to end instead if the `$connect` came at this very moment.
    """
    now = _ended_now()
    seen = now["disconnected_on"]
    row = WebSocketSession(
        connection_id=connection_id, api_gateway=gateway, created_on=seen, last_seen_on=seen, **now
    )
    return None if insert_unless_exists(row) else find_session(connection_id)


def end_gone(keys: Iterable[int]) -> int:
    """Mark connections that were found closed as ended, and return how many this call marked.

    Rows are locked in the order of their primary keys. The ends are announced after the commit.
    """
    return _end_gone(sorted(keys))


def end_gone_after_sending(keys: Iterable[int]) -> None:
    """Mark connections that answered 410 once the caller's transaction commits; it takes no lock in it.

    A failure is logged. After a rollback nothing is marked; the next message is answered 410 again.
    """
    found = sorted(keys)
    try:
        run_after_commit(partial(_end_gone_quietly, found), model=WebSocketSession)
    except Error:  # no connection to the database
        _log_failure(found)


def end_all_of(gateway: ApiGateway) -> None:
    """Mark every open connection of a gateway that was deleted, in batches."""
    using = router.db_for_write(WebSocketSession)
    open_ones = WebSocketSession.objects.using(using).filter(api_gateway=gateway, connected=True)
    while keys := list(open_ones.order_by("pk").values_list("pk", flat=True)[:_BATCH]):
        end_gone(keys)


def _announce_after_commit(ended: Sequence[WebSocketSession], *, reason: str) -> None:
    announce = partial(_announce, ended, reason)
    if not run_after_commit(announce, model=WebSocketSession):
        announce()


def _announce(ended: Sequence[WebSocketSession], reason: str) -> None:
    """Send the signals of the ends; a receiver that raises is logged."""
    for session in ended:
        logger.info(
            "connection ended",
            extra={"connection_id": session.connection_id, "reason": reason, "event": "ended"},
        )
        send_safely(disconnected, sender=WebSocketSession, session=session, reason=reason)
    if reason == "gone":
        ids = tuple(session.connection_id for session in ended)
        send_safely(connection_gone, sender=WebSocketSession, connection_ids=ids)


def _mark(session: WebSocketSession, values: _Ended | None = None) -> bool:
    now = values or _ended_now()
    if not _update(WebSocketSession.objects.filter(pk=session.pk, connected=True), now):
        session.connected = now["connected"]
        return False
    _set(session, now)
    return True


def _end_gone_quietly(keys: list[int]) -> None:
    try:
        _end_gone(keys, patience=_PATIENCE_AFTER_SENDING, skip_locked=True)
    except Error:
        _log_failure(keys)


def _log_failure(keys: list[int]) -> None:
    logger.warning(
        "%d sessions were found closed and could not be marked as ended. The next message to them, or "
        "purge_connections, will find them again.",
        len(keys),
        exc_info=True,
        extra={"event": "marking_failed"},
    )


def _end_gone(keys: list[int], *, patience: float = PATIENCE_SECONDS, skip_locked: bool = False) -> int:
    using = router.db_for_write(WebSocketSession)
    rows = WebSocketSession.objects.using(using).filter(pk__in=keys, connected=True).order_by("pk")
    if not _has_receivers():
        ordered = _in_key_order(rows, len(keys), skip_locked=skip_locked)
        return _update(ordered, _ended_now(), patience=patience)
    mark = partial(_mark_and_list, rows, skip_locked=skip_locked)
    ended = retry_when_busy(mark, model=WebSocketSession, patience=patience)
    if ended:
        _announce_after_commit(ended, reason="gone")
    return len(ended)


def _has_receivers() -> bool:
    """Whether the ended rows must be known. Without a receiver one statement is enough."""
    return disconnected.has_listeners(WebSocketSession) or connection_gone.has_listeners(WebSocketSession)


def _mark_and_list(rows: QuerySet[WebSocketSession], *, skip_locked: bool) -> list[WebSocketSession]:
    """Mark `rows`, and return exactly those that this call marked."""
    # Other databases would skip rows that another call's scan has only read.
    by_row = connections[rows.db].vendor == "postgresql"
    locked = rows.select_for_update(no_key=by_row, skip_locked=by_row and skip_locked)
    now = _ended_now()
    with transaction.atomic(using=rows.db):
        ended = list(locked)
        _update(WebSocketSession.objects.using(rows.db).filter(pk__in=[row.pk for row in ended]), now)
    for session in ended:
        _set(session, now)
    return ended


def _in_key_order(
    rows: QuerySet[WebSocketSession], number: int, *, skip_locked: bool
) -> QuerySet[WebSocketSession]:
    """`rows` for an UPDATE that locks them by primary key, so that two of these never wait for each other."""
    if connections[rows.db].vendor != "postgresql":
        return rows  # MariaDB's UPDATE supports ORDER BY, SQLite locks the file
    # A slice, because Django drops the order of every other subquery.
    keys = (_LockedSkipping if skip_locked else _Locked)(rows.values("pk")[:number])
    return WebSocketSession.objects.using(rows.db).filter(pk__in=keys)


class _Locked(Subquery):
    template = "(%(subquery)s FOR NO KEY UPDATE)"


class _LockedSkipping(Subquery):
    template = "(%(subquery)s FOR NO KEY UPDATE SKIP LOCKED)"


class _Ended(TypedDict):
    """The columns of an end."""

    connected: bool
    disconnected_on: datetime


class _EndedByView(_Ended):
    """The same, for an end after which an attempt is not given back a second time."""

    attempt_window_seconds: int


def _ended_now() -> _Ended:
    return {"connected": False, "disconnected_on": timezone.now()}


def _set(session: WebSocketSession, values: _Ended) -> None:
    session.connected = values["connected"]
    session.disconnected_on = values["disconnected_on"]


def _update(rows: QuerySet[WebSocketSession], values: _Ended, *, patience: float = PATIENCE_SECONDS) -> int:
    return retry_when_busy(lambda: rows.update(**values), model=WebSocketSession, patience=patience)
