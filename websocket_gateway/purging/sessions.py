"""End open connections: those too old to be alive, and those of users who must not be connected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import router
from django.db.models import Q, QuerySet

from websocket_gateway.connections.closing import revoke
from websocket_gateway.connections.ending import end_gone
from websocket_gateway.connections.sessions import oldest_alive
from websocket_gateway.logins import reason_to_end
from websocket_gateway.models import WebSocketSession
from websocket_gateway.purging.old_rows import BATCH, read_pages
from websocket_gateway.purging.report import Part, Run

_REVOKED_AT_ONCE = 50
"""AWS closes them one after the other; the run can stop between two such batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOverdue:
    """End connections that are older than AWS lets a socket become; AWS need not be asked."""

    now: datetime
    part: Part = Part.SESSIONS
    name: str = "sessions_ended_overdue"

    def count(self) -> int:
        """How many there are now."""
        return self._query().count()

    def do(self, run: Run) -> None:
        """End them."""
        for rows in read_pages(self._query(), along="created_on", names=("connection_id",)):
            if run.is_over():
                return
            run.counts[self.name] += end_gone({row[0]: row[2] for row in rows})

    def _query(self) -> QuerySet[WebSocketSession]:
        return WebSocketSession.objects.filter(connected=True, created_on__lt=oldest_alive(self.now))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRevoked:
    """End the sockets of users who were deleted, deactivated, or whose password has changed.

    Signals do so at once; this finds changes without signals, such as `QuerySet.update()`. Permissions
    are not checked here, because views check them for every message.
    """

    part: Part = Part.USERS
    name: str = "sessions_ended_revoked"

    def count(self) -> int:
        """How many there are now; reads every open session of a user."""
        return sum(len(keys) for rows in self._pages() for keys in self._outdated(rows).values())

    def do(self, run: Run) -> None:
        """Mark them as ended, and close their sockets."""
        for rows in self._pages():
            if run.is_over():
                return
            for reason, keys in self._outdated(rows).items():
                for start in range(0, len(keys), _REVOKED_AT_ONCE):
                    some = WebSocketSession.objects.filter(pk__in=keys[start : start + _REVOKED_AT_ONCE])
                    run.counts[self.name] += revoke(some, reason=reason)
                    if run.is_over():
                        return

    def _pages(self) -> Iterator[list[tuple[Any, ...]]]:
        of_users = Q(user__isnull=False) | ~Q(session_auth_hash="")
        return read_pages(
            WebSocketSession.objects.filter(of_users, connected=True), along="created_on", size=BATCH
        )

    def _outdated(self, rows: list[tuple[Any, ...]]) -> dict[str, list[int]]:
        """The keys among `rows` whose sockets must end, by reason."""
        found: dict[str, list[int]] = defaultdict(list)
        current = WebSocketSession.objects.using(router.db_for_write(WebSocketSession))
        sessions = current.filter(pk__in=[row[0] for row in rows]).select_related("user")
        for session in sessions:
            if reason := reason_to_end(session):
                found[reason].append(session.pk)
        return found
