"""A connection's row: registered at `$connect`, touched by messages, ended once, by whoever comes first."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import router, transaction
from django.db.models import QuerySet
from django.dispatch import Signal
from django.utils import timezone

from websocket_gateway.concurrency import insert_unless_exists, retry_when_busy
from websocket_gateway.exceptions import (
    AWSError,
    ConfigurationError,
    ConnectionGoneError,
    WebSocketGatewayError,
)
from websocket_gateway.logins import is_active, is_session_auth
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.signals import disconnected

if TYPE_CHECKING:
    from websocket_gateway.aws.connections import Connections

logger = logging.getLogger("websocket_gateway.connections")

_WITH_USER = WebSocketSession.objects.select_related("user")

TOUCH_SECONDS = 60
"""At most one write in so many seconds tells that a connection is alive."""


def find_session(connection_id: str) -> WebSocketSession | None:
    """The row of a connection with its user, in one query; None if there is none."""
    # Every message comes by here. A list costs less than `get()`, which clones once more, clears
    # the order and sets a limit, none of which a unique column needs. A replica may not have it yet.
    row = _WITH_USER.using(router.db_for_write(WebSocketSession)).filter(connection_id=connection_id)
    found: list[WebSocketSession] = retry_when_busy(lambda: list(row), model=WebSocketSession)
    return found[0] if found else None


def register(session: WebSocketSession) -> bool:
    """Insert the row of a new connection; False, and nothing changed, if its id is known already."""
    return insert_unless_exists(session)


def touch(session: WebSocketSession, *, now: datetime | None = None) -> bool:
    """Note that the connection is alive; True if a minute had passed and the row was written."""
    now = now or timezone.now()
    due = now - timedelta(seconds=TOUCH_SECONDS)
    if session.last_seen_on > due:
        return False
    session.last_seen_on = now
    stale = WebSocketSession.objects.filter(pk=session.pk, last_seen_on__lte=due)
    return bool(retry_when_busy(lambda: stale.update(last_seen_on=now), model=WebSocketSession))


def end(session: WebSocketSession, *, reason: str) -> bool:
    """Mark a connection as ended; False if it was. Sends `disconnected` to whoever listens, once."""
    now = timezone.now()
    still_open = WebSocketSession.objects.filter(pk=session.pk, connected=True)
    ended = retry_when_busy(
        lambda: still_open.update(connected=False, disconnected_on=now), model=WebSocketSession
    )
    session.connected = False
    if not ended:
        return False
    session.disconnected_on = now
    announce_end(session, reason)
    return True


def end_unknown(connection_id: str, gateway: ApiGateway) -> None:
    """Leave an ended row for a `$disconnect` that overtook its `$connect`, so that the latter finds it."""
    now = timezone.now()
    row = WebSocketSession(
        connection_id=connection_id,
        api_gateway=gateway,
        connected=False,
        created_on=now,
        last_seen_on=now,
        disconnected_on=now,
    )
    if not insert_unless_exists(row):  # the `$connect` came in this very moment
        known = find_session(connection_id)
        if known is not None and known.api_gateway_id == gateway.pk:
            end(known, reason="client")


def announce_end(session: WebSocketSession, reason: str) -> None:
    """Send `disconnected`; a receiver that raises is logged."""
    logger.info(
        "connection ended", extra={"connection_id": session.connection_id, "reason": reason, "event": "ended"}
    )
    send_safely(disconnected, sender=WebSocketSession, session=session, reason=reason)


def send_safely(signal: Signal, *, sender: Any, **arguments: Any) -> None:
    """Send a signal; a receiver that raises is logged by Django and does not disturb the connection."""
    signal.send_robust(sender=sender, **arguments)


def reason_to_end(session: WebSocketSession) -> str:
    """Why the connection's user no longer counts, who must be loaded with it; empty if they do."""
    user = session.user
    if user is None:
        # The row of a logged-in user always has a hash: without its user it is a deleted one's.
        return "deleted" if session.session_auth_hash else ""
    if not is_active(user):
        return "deactivated"
    if session.session_auth_hash and not is_session_auth(session.session_auth_hash, user):
        return "password"
    return ""


def revoke(sessions: QuerySet[WebSocketSession], *, reason: str = "revoked") -> int:
    """End connections for real: mark them now, close their sockets once the transaction commits.

    Returns how many this call ended. The rows are marked even when AWS cannot be reached: a
    message of a socket that stayed open is then refused. Failures of AWS are logged.
    """
    using = router.db_for_write(WebSocketSession)
    found = list(sessions.using(using).filter(connected=True).select_related("api_gateway"))
    ended = [session for session in found if _mark(session)]
    if ended:
        transaction.on_commit(partial(_finish, ended, reason), using=using, robust=True)
    return len(ended)


def _mark(session: WebSocketSession) -> bool:
    now = timezone.now()
    still_open = WebSocketSession.objects.filter(pk=session.pk, connected=True)
    session.connected, session.disconnected_on = False, now
    return bool(
        retry_when_busy(
            lambda: still_open.update(connected=False, disconnected_on=now), model=WebSocketSession
        )
    )


def _finish(sessions: Sequence[WebSocketSession], reason: str) -> None:
    for session in sessions:
        announce_end(session, reason)
    close_sockets(sessions)


def close_sockets(sessions: Sequence[WebSocketSession], connections: Connections | None = None) -> int:
    """Ask AWS to close sockets; returns how many it confirmed. Failures are logged, never raised."""
    from websocket_gateway.aws.connections import get_connections

    adapter = connections or get_connections()
    closed = 0
    for session in sessions:
        try:
            closed += _close(session, adapter)
        except (WebSocketGatewayError, ConfigurationError) as exc:
            logger.warning(
                "a socket could not be closed: %s",
                exc,
                extra={"connection_id": session.connection_id, "event": "close_failed"},
            )
            if not isinstance(exc, AWSError) or not exc.status:
                break  # no answer or no credentials: the next would only wait as long
    return closed


def _close(session: WebSocketSession, adapter: Connections) -> bool:
    from websocket_gateway.connections.endpoints import endpoint_of

    try:
        adapter.delete(endpoint_of(session.api_gateway), session.connection_id)
    except ConnectionGoneError:
        return False
    return True
