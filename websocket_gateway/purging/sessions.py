"""End open connections: those too old to be alive, and those whose user or login no longer allows them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import router
from django.db.models import Q, QuerySet

from websocket_gateway.connections.closing import revoke
from websocket_gateway.connections.ending import end_gone
from websocket_gateway.connections.sessions import oldest_alive
from websocket_gateway.django_sessions import SessionEngineError, find_over, open_sealed
from websocket_gateway.logins import reason_to_end
from websocket_gateway.models import WebSocketSession
from websocket_gateway.purging.old_rows import BATCH, Row, read_pages
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
                if not _revoke(keys, reason=reason, run=run, name=self.name):
                    return

    def _pages(self) -> Iterator[list[Row]]:
        of_users = Q(user__isnull=False) | ~Q(session_auth_hash="")
        return read_pages(
            WebSocketSession.objects.filter(of_users, connected=True), along="created_on", size=BATCH
        )

    def _outdated(self, rows: list[Row]) -> dict[str, list[int]]:
        """The keys among `rows` whose sockets must end, by reason."""
        found: dict[str, list[int]] = defaultdict(list)
        current = WebSocketSession.objects.using(router.db_for_write(WebSocketSession))
        sessions = current.filter(pk__in=[row[0] for row in rows]).select_related("user")
        for session in sessions:
            if reason := reason_to_end(session):
                found[reason].append(session.pk)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class EndLoggedOut:
    """End the sockets whose Django session was deleted, flushed or has expired.

    A logout does so at once, and the message of a socket within a minute. This finds sockets that are silent.
    The session engine is asked about each session once, however many sockets it has opened.
    """

    part: Part = Part.LOGINS
    name: str = "sessions_ended_logged_out"

    def count(self) -> int:
        """How many there are now; asks the session engine."""
        return sum(map(len, self._batches(Run(), Counter())))

    def do(self, run: Run) -> None:
        """Mark them as ended, and close their sockets."""
        unknown: Counter[str] = Counter()
        try:
            for keys in self._batches(run, unknown):
                if not _revoke(keys, reason="session", run=run, name=self.name):
                    break
        except SessionEngineError as exc:
            run.problems.append(f"Django sessions are not asked about any more: {exc}")
        for reason, count in unknown.items():
            run.problems.append(f"{count} Django session{'s' * (count != 1)} not asked about: {reason}")

    def _batches(self, run: Run, unknown: Counter[str]) -> Iterator[list[int]]:
        """Primary keys of sockets to end, page by page; raises `SessionEngineError`."""
        bound = WebSocketSession.objects.filter(connected=True).exclude(session_key_sealed="")
        known: dict[str, bool] = {}
        for rows in read_pages(bound, along="created_on", names=_SESSION_KEYS):
            if run.is_over():
                return
            yield _of_ended_sessions(rows, known, unknown)


_SESSION_KEYS = ("session_key_hash", "session_key_sealed")
_KNOWN_SESSIONS = 100_000


def _of_ended_sessions(rows: list[Row], known: dict[str, bool], unknown: Counter[str]) -> list[int]:
    """Primary keys of the rows whose Django session has ended. `known`: by hash, whether it has."""
    if len(known) > _KNOWN_SESSIONS:
        known.clear()
    opened = {hashed: open_sealed(sealed) for _pk, _on, hashed, sealed in rows if hashed not in known}
    asked = {key: hashed for hashed, key in opened.items() if key is not None}
    known.update(dict.fromkeys(opened, False))
    known.update((asked[key], True) for key in find_over(list(asked), unknown))
    return [row[0] for row in rows if known[row[2]]]


def _revoke(keys: list[int], *, reason: str, run: Run, name: str) -> bool:
    """End these sockets, batch by batch; False if the run is over."""
    for start in range(0, len(keys), _REVOKED_AT_ONCE):
        some = WebSocketSession.objects.filter(pk__in=keys[start : start + _REVOKED_AT_ONCE])
        run.counts[name] += revoke(some, reason=reason)
        if run.is_over():
            return False
    return True
