"""The end of a connection: the only code that marks one as ended, and the only code that announces it.

Every end is announced by `disconnected`, once for each connection, by the call that marked it. Connections
whose socket was found closed are announced by `connection_gone` too, in batches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TypedDict

from django.db import Error, connections, router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from websocket_gateway import metrics, security_log
from websocket_gateway.concurrency import (
    PATIENCE_SECONDS,
    in_key_order,
    insert_unless_exists,
    reconnect_when_away,
    retry_when_busy,
    run_after_commit,
)
from websocket_gateway.conf import get_settings
from websocket_gateway.connections.sessions import database_of, find_session
from websocket_gateway.database_engines import locks_by_key
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.models.sessions import announce_move
from websocket_gateway.signals import channel_left, connection_gone, disconnected, send_safely

logger = get_logger("websocket_gateway.connections")

_PATIENCE_AFTER_SENDING = 5.0


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


@contextmanager
def ending(
    sessions: Iterable[WebSocketSession], *, reason: str, using: str | None = None
) -> Iterator[list[WebSocketSession]]:
    """Mark connections as ended, run the block, which closes sockets, and announce them after the commit.

    Gives those that this call marked. `using` is the database of all. Receivers run after the block, so that
    none of them keeps a socket open. A failure to mark one stops no other; it is raised at the end.
    """
    marked: dict[str, list[WebSocketSession]] = defaultdict(list)
    failure: Error | None = None
    # By primary key, so that two callers in transactions never wait for each other.
    for session in sorted(sessions, key=lambda session: session.pk):
        database = using or database_of(session)
        try:
            if _mark(session, using=database, patience=0 if failure else PATIENCE_SECONDS):
                marked[database].append(session)
        except Error as exc:
            failure = failure or exc
            if connections[database].in_atomic_block:
                break  # the transaction can do nothing more
    try:
        yield [session for ended in marked.values() for session in ended]
    finally:
        for database, ended in marked.items():
            _announce_after_commit(ended, reason=reason, using=database)
    if failure is not None:
        raise failure


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


def end_gone(found: Mapping[int, str], *, using: str | None = None) -> int:
    """Mark connections that were found closed as ended, and return how many this call marked.

    `found` maps primary keys to connection ids: a key alone may be another connection's, in another database.
    Rows are locked in the order of their keys. The ends are announced after the commit.
    """
    return _end_gone(found, using=using or router.db_for_write(WebSocketSession))


def end_gone_after_sending(found: Mapping[int, str], *, using: str) -> None:
    """Mark connections that answered 410 after the caller's commit, or never; a failure is logged."""
    try:
        run_after_commit(partial(_end_gone_quietly, found, using), model=WebSocketSession, using=using)
    except Error:  # no connection to the database
        _log_failure(found)


def _announce_after_commit(ended: Sequence[WebSocketSession], *, reason: str, using: str) -> None:
    announce = partial(_announce, ended, reason)
    if not run_after_commit(announce, model=WebSocketSession, using=using):
        announce()


def _announce(ended: Sequence[WebSocketSession], reason: str) -> None:
    """Send the signals of the ends; a receiver that raises is logged."""
    metrics.count("connection.ends", len(ended), reason=reason)
    for session in ended:
        connection_id = session.connection_id
        logger.info(
            "connection ended", extra={"event": "ended", "connection_id": connection_id, "reason": reason}
        )
        gateway = session.api_gateway.api_name if WebSocketSession.api_gateway.is_cached(session) else None
        security_log.write_end(reason, user_id=session.user_id, gateway=gateway, connection_id=connection_id)
        send_safely(disconnected, sender=WebSocketSession, session=session, reason=reason)
    announce_move(ended, left=None)
    if reason == "gone":
        ids = tuple(session.connection_id for session in ended)
        send_safely(connection_gone, sender=WebSocketSession, connection_ids=ids)


def _mark(
    session: WebSocketSession,
    values: _Ended | None = None,
    *,
    using: str | None = None,
    patience: float = PATIENCE_SECONDS,
) -> bool:
    now = values or _ended_now()
    row = WebSocketSession.objects.using(using or database_of(session)).filter(
        pk=session.pk, connection_id=session.connection_id, connected=True
    )
    if not _update(row, now, patience=patience):
        session.connected = now["connected"]
        return False
    _set(session, now)
    return True


def _end_gone_quietly(found: Mapping[int, str], using: str) -> None:
    mark = partial(_end_gone, found, using=using, patience=_PATIENCE_AFTER_SENDING, skip_locked=True)
    try:
        reconnect_when_away(mark, using=using)
    except Error:
        _log_failure(found)


def _log_failure(found: Mapping[int, str]) -> None:
    logger.warning(
        "Sessions found closed that could not be marked as ended: %d. The next message to them, or "
        "purge_connections, will find them again.",
        len(found),
        exc_info=True,
        extra={"event": "marking_failed", "number": len(found)},
    )


def _end_gone(
    found: Mapping[int, str], *, using: str, patience: float = PATIENCE_SECONDS, skip_locked: bool = False
) -> int:
    named = WebSocketSession.objects.using(using).filter(
        pk__in=sorted(found), connection_id__in=found.values()
    )
    rows = named.filter(connected=True).order_by("pk")
    if not _has_receivers():
        ordered = in_key_order(rows, len(found), skip_locked=skip_locked)
        number = _update(ordered, _ended_now(), patience=patience)
        metrics.count("connection.ends", number, reason="gone")
        return number
    mark = partial(_mark_and_list, rows, skip_locked=skip_locked)
    ended = retry_when_busy(mark, model=WebSocketSession, using=using, patience=patience)
    if ended:
        _announce_after_commit(ended, reason="gone", using=using)
    return len(ended)


def _has_receivers() -> bool:
    """Whether the ended rows must be known. Without a receiver and presence one statement is enough."""
    told = (disconnected, connection_gone, channel_left)
    return get_settings().has_presence or any(signal.has_listeners(WebSocketSession) for signal in told)


def _mark_and_list(rows: QuerySet[WebSocketSession], *, skip_locked: bool) -> list[WebSocketSession]:
    """Mark `rows`, and return exactly those that this call marked."""
    by_row = locks_by_key(connections[rows.db])  # else rows that another scan has only read are skipped too
    locked = rows.select_for_update(no_key=by_row, skip_locked=by_row and skip_locked)
    now = _ended_now()
    with transaction.atomic(using=rows.db):
        ended = list(locked)
        _update(WebSocketSession.objects.using(rows.db).filter(pk__in=[row.pk for row in ended]), now)
    for session in ended:
        _set(session, now)
    return ended


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
    session.connected, session.disconnected_on = values["connected"], values["disconnected_on"]


def _update(rows: QuerySet[WebSocketSession], values: _Ended, *, patience: float = PATIENCE_SECONDS) -> int:
    update = partial(rows.update, **values)
    return retry_when_busy(update, model=WebSocketSession, using=rows.db, patience=patience)
